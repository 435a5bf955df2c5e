# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits, on a clock that only pauses move."""

from __future__ import annotations

import ast
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import waiting
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.waiting import Deadline


class FakeClock(waiting.Clock):
    """Keeps the pauses."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def after(looks: int) -> Callable[[], bool]:
    """A predicate that is true from its so many-th look on."""
    count = itertools.count(1)
    return lambda: next(count) >= looks


def failing(times: int, error: Exception) -> Callable[[], str]:
    """A call that fails so often, then answers."""
    left = iter(range(times))

    def act() -> str:
        if next(left, None) is None:
            return "answer"
        raise error

    return act


def is_value_error(error: Exception) -> bool:
    return isinstance(error, ValueError)


def test_what_is_done_already_takes_no_time(clock: FakeClock) -> None:
    assert waiting.until(lambda: True, Deadline(0, clock=clock))
    assert clock.slept == []


def test_each_look_comes_after_a_pause(clock: FakeClock) -> None:
    assert waiting.until(after(4), Deadline(60, clock=clock), (1.0, 2.0, 3.0, 4.0))
    assert clock.slept == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(("seconds", "slept"), [(0.0, 1), (2.5, 3), (3.0, 4)])
def test_the_deadline_ends_the_wait_after_a_last_look(clock: FakeClock, seconds: float, slept: int) -> None:
    seen = []
    assert not waiting.until(
        lambda: bool(seen.append(clock.time)), Deadline(seconds, clock=clock), itertools.repeat(1.0)
    )
    assert len(clock.slept) == slept
    assert seen[-1] == clock.time > 1000.0 + seconds


def test_the_last_pause_ends_the_wait_after_a_last_look(clock: FakeClock) -> None:
    looks = list(waiting.looks(Deadline(clock=clock), (5.0, 5.0)))
    assert (len(looks), clock.slept) == (3, [5.0, 5.0])


def test_more_time_is_granted_as_long_as_somebody_is_at_work(clock: FakeClock) -> None:
    work = after(3)
    deadline = Deadline(2.0, more=lambda: not work(), clock=clock)
    assert len(list(waiting.looks(deadline, itertools.repeat(1.0)))) == 6
    assert deadline.left() == -3.0


def test_pauses_grow_to_a_tenth_of_the_wait() -> None:
    pauses: Iterator[float] = waiting.pauses(0.5, 2.0)
    first = list(itertools.islice(pauses, 60))
    assert first[:10] == [0.5] * 10
    assert first[12] == pytest.approx(sum(first[:12]) / 10)
    assert first[-1] == 2.0


def test_a_call_is_repeated_until_it_succeeds(clock: FakeClock) -> None:
    act = failing(2, ValueError("busy"))
    assert waiting.retry(act, is_value_error, Deadline(60, clock=clock), itertools.repeat(1.0)) == "answer"
    assert clock.slept == [1.0, 1.0]


def test_an_error_of_another_kind_is_raised_at_once(clock: FakeClock) -> None:
    with pytest.raises(KeyError):
        waiting.retry(failing(1, KeyError()), is_value_error, Deadline(60, clock=clock))
    assert clock.slept == []


def test_no_attempt_begins_after_the_deadline(clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="busy"):
        waiting.retry(
            failing(99, ValueError("busy")), is_value_error, Deadline(2.5, clock=clock), itertools.repeat(1.0)
        )
    assert clock.slept == [1.0, 1.0]


def test_the_last_pause_leaves_one_attempt(clock: FakeClock) -> None:
    assert waiting.retry(failing(1, ValueError()), is_value_error, Deadline(clock=clock), (7.0,)) == "answer"
    with pytest.raises(ValueError, match="busy"):
        waiting.retry(failing(2, ValueError("busy")), is_value_error, Deadline(clock=clock), (7.0,))


def test_a_lock_of_another_is_not_waited_for(tmp_path: Path) -> None:
    handles = [os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT, 0o600) for _each in range(2)]
    try:
        assert waiting.try_lock(handles[0])
        assert not waiting.try_lock(handles[1])
        os.close(handles.pop(0))
        assert waiting.try_lock(handles[0])
    finally:
        for handle in handles:
            os.close(handle)


def sleeps(tree: ast.AST) -> list[int]:
    """Lines that call or import the sleep of the library."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "sleep" for alias in node.names):
            found.append(node.lineno)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep":
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("text", ["time.sleep(1)", "from time import sleep", "wait = time.sleep"])
def test_a_sleep_is_seen(text: str) -> None:
    assert sleeps(ast.parse(text)) == [1]


def test_nothing_else_of_the_layer_sleeps() -> None:
    layer = Path(waiting.__file__).parent
    found = {
        str(path.relative_to(layer)): lines
        for path in layer.rglob("*.py")
        if (lines := sleeps(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert list(found) == ["waiting.py"], found
