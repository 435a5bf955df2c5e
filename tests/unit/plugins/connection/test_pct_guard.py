# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that go to the guard of a warm interpreter: what it takes, what it refuses, and what ends with whom."""

from __future__ import annotations

import collections.abc as c
import fcntl
import os
import pathlib
import socket
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from warm_node import PARENT, RUN, Node, gone, standing

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import processes
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.open_ssh import guards
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct import pct_wrapper as wrapper

BOUNDS = guards.Bounds(0, 0, 60)
SLEEP = b"import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def node() -> c.Iterator[Node]:
    with tempfile.TemporaryDirectory(prefix="guard") as folder, standing(pathlib.Path(folder)) as made:
        made.by_guard = True
        yield made


@pytest.fixture
def guard(node: Node) -> c.Iterator[socket.socket]:
    """A connection to a guard that waits."""
    node.helper()
    (path,) = node.sockets()
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(str(path))
        yield made


def test_a_module_goes_to_the_guard_that_a_command_has_left(node: Node) -> None:
    first = node.helper()
    assert node.guarded == 1  # the one after the command
    assert [node.helper(), node.helper()] == [first, first]
    assert node.guarded == 3
    assert node.states() == ["idle"]


def test_its_socket_is_for_root_alone(node: Node) -> None:
    node.helper()
    (path,) = node.sockets()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o007 == 0


def test_the_lock_is_held_for_the_module_and_not_in_between(node: Node) -> None:
    node.helper()
    inside = f"import subprocess\nprint(subprocess.call(['flock', '-n', '-x', {str(node.busy)!r}, 'true']))\n"
    assert (node.run(inside).stdout, node.guarded) == (b"1\n", 2)
    with node.busy.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_whoever_holds_the_lock_is_left_to_the_command_to_wait_for(node: Node) -> None:
    node.helper()
    with node.busy.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert node.ask(b"print(1)") is None
    assert node.ask(b"print(1)") is not None


def test_a_displaced_run_is_refused(node: Node) -> None:
    fence = node.root / "displaced"
    node.changes[wrapper.FENCE] = str(fence)
    fence.write_text(f"951 {RUN} other 1\n950 another other 1\n")
    node.helper()
    assert node.helper()
    assert node.guarded == 1
    fence.write_text(f"950 {RUN} other 1\n")
    assert node.ask(b"print(1)") is None


def test_a_module_beside_another_one_is_refused(node: Node, guard: socket.socket) -> None:
    talk = guards.Talk(guard, SLEEP, BOUNDS)
    while not talk.answer.output:
        assert talk.goes_on()
    assert node.ask(b"print(1)") is None
    os.kill(int(talk.answer.output[0]), 9)
    talk.to_its_end()
    assert talk.answer.rc == 137


def test_a_guard_that_is_killed_spares_its_module(node: Node, guard: socket.socket) -> None:
    fifo = node.root / "fifo"
    os.mkfifo(fifo)
    talk = guards.Talk(guard, f"print(1, flush=True)\nprint(open({str(fifo)!r}).read())\n".encode(), BOUNDS)
    while not talk.answer.output:
        assert talk.goes_on()
    os.kill(int(node.sockets()[0].suffixes[-2][1:]), 9)
    fifo.write_text("2")
    talk.to_its_end()
    assert (talk.answer.rc, b"".join(talk.answer.output)) == (0, b"1\n2\n")
    assert node.run("print(1)").stdout == b"1\n"


@pytest.mark.parametrize("dead", ["relay", "helper", "guard and helper"])
def test_what_is_killed_takes_its_module_along(node: Node, guard: socket.socket, dead: str) -> None:
    talk = guards.Talk(guard, SLEEP, BOUNDS)
    while not talk.answer.output:
        assert talk.goes_on()
    module = int(talk.answer.output[0])
    below = processes.table()
    helper = below[module].parent
    its_guard = int(pathlib.Path(node.sockets()[0]).suffixes[-2][1:])
    relays = [pid for pid in node.guards() if pid != its_guard]
    assert len(relays) == 1
    for pid in {"relay": relays, "helper": [helper]}.get(dead, [its_guard, helper]):
        os.kill(pid, 9)
    talk.to_its_end()
    assert talk.has_begun
    assert talk.answer.rc in (137, None)
    assert gone(module)
    assert node.run("print(1)").stdout == b"1\n"


def test_a_controller_that_is_gone_before_all_has_arrived_ends_its_module(node: Node) -> None:
    node.helper()
    (path,) = node.sockets()
    with socket.socket(socket.AF_UNIX) as guard:
        guard.connect(str(path))
        guard.sendall(f"0 0 60 100 100 -{' ' * guards.HEAD}".encode()[: guards.HEAD] + b"print(1)")
    for pid in [one for one in node.guards() if f".{one}." not in path.name]:
        assert gone(pid)
    assert node.run("print(1)").stdout == b"1\n"


def test_what_is_no_request_changes_nothing(node: Node) -> None:
    node.helper()
    (path,) = node.sockets()
    with socket.socket(socket.AF_UNIX) as guard:
        guard.connect(str(path))
        guard.sendall(b"x")
    assert node.helper()
    assert node.guarded == 2


def test_it_leaves_no_socket(node: Node) -> None:
    node.changes["pause) = (0, 0, 0, 5)"] = "pause) = (0, 0, 0, 0.05)"
    helper, guards_ = node.helper(), node.guards()
    assert gone(helper)
    assert all(gone(pid) for pid in guards_)
    assert list(node.busy.parent.glob("*.sock")) == []


def test_the_next_guard_removes_the_socket_of_one_that_was_killed(node: Node) -> None:
    node.helper()
    (old,) = node.sockets()
    for pid in node.guards():
        os.kill(pid, 9)
        assert gone(pid)
    assert node.run(PARENT).rc == 0
    (new,) = node.sockets()
    assert new != old
