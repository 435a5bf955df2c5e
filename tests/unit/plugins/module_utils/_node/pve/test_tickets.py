# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that were forked from one Python make one ticket; all others make their own."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import tickets

Answer = Callable[[], object]


class Modules:
    """Processes that are forked from this one, as the modules of a run are. Each ticket made has a number."""

    def __init__(self, folder: Path) -> None:
        self._made = folder / "made"
        self._made.write_text("")

    @property
    def made(self) -> int:
        return len(self._made.read_text())

    def mint(self) -> tickets.Ticket:
        with open(self._made, "a", encoding="ascii") as file:
            file.write("x")
        return f"PVE:{self.made}", "token"

    def run(self, *works: Answer) -> list[object]:
        """What each answers; all run at once."""
        pipes = []
        for work in works:
            read, write = os.pipe()
            if not os.fork():
                os.dup2(write, 1)
                os.close(write)
                with contextlib.suppress(BaseException):
                    os.write(1, json.dumps(work()).encode())
                os._exit(0)
            os.close(write)
            pipes.append(read)
        answers = []
        for read in pipes:
            with os.fdopen(read, "rb") as file:
                answers.append(json.loads(file.read() or b"null"))
            os.wait()
        return answers

    def one(self, work: Answer) -> object:
        return self.run(work)[0]

    def ticket(self, refused: str = "") -> Answer:
        return lambda: tickets.shared(self.mint, refused)[0]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Modules:
    monkeypatch.setattr(tickets, "_FILE", tickets._unnamed())
    return Modules(tmp_path)


def test_modules_at_once_make_one_ticket(modules: Modules) -> None:
    assert modules.run(*[modules.ticket()] * 8) == ["PVE:1"] * 8
    assert modules.made == 1


def test_a_module_in_a_python_of_its_own_shares_nothing(modules: Modules) -> None:
    assert not tickets.is_shared()
    assert [tickets.shared(modules.mint)[0] for _time in range(2)] == ["PVE:1", "PVE:2"]
    assert modules.one(modules.ticket()) == "PVE:3"


def test_a_ticket_that_pve_refuses_is_replaced_once(modules: Modules) -> None:
    modules.one(modules.ticket())
    assert modules.run(*[modules.ticket(refused="PVE:1")] * 4) == ["PVE:2"] * 4
    assert modules.one(modules.ticket()) == "PVE:2"


def test_an_old_ticket_is_replaced(modules: Modules, monkeypatch: pytest.MonkeyPatch) -> None:
    modules.one(modules.ticket())
    monkeypatch.setattr(tickets, "LASTS", 0.0)
    assert modules.one(modules.ticket()) == "PVE:2"


def test_what_can_not_be_made_is_tried_by_the_next(modules: Modules) -> None:
    def fail() -> tickets.Ticket:
        raise NodeError("no Perl")

    assert modules.one(lambda: tickets.shared(fail)) is None
    assert modules.one(modules.ticket()) == "PVE:1"


def test_a_killed_maker_holds_nobody_up(modules: Modules) -> None:
    assert modules.one(lambda: tickets.shared(lambda: os._exit(9))) is None
    assert modules.one(modules.ticket()) == "PVE:1"


def test_a_ticket_is_prepared_beside_the_module(modules: Modules, tmp_path: Path) -> None:
    """Its maker neither keeps the module nor its output waiting, and whoever comes meanwhile waits for it."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def slowly() -> tickets.Ticket:
        os.close(os.open(gate, os.O_RDONLY))  # until the test has what the module said
        return modules.mint()

    assert modules.one(lambda: tickets.prepare(slowly)) is None
    os.close(os.open(gate, os.O_WRONLY))  # it holds the turn by now
    assert modules.run(*[modules.ticket()] * 3) == ["PVE:1"] * 3
