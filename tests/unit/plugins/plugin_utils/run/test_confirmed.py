# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of a change that rolls back: when it connects again, and what it says at the end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import confirmation
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.confirmation import CONFIRM, ConfirmedAction

NAME = "phoenix.hypervisor.phoenix_pve_network"
PLAN = {"changed": True, "diff": {"prepared": "PUT\n"}}
ARMED = {**PLAN, "armed": True}


class Action(ConfirmedAction):
    """With a node that answers from a list; an exception in it is raised."""

    CHANGE = WHAT = "network"

    def __init__(self, *answers: Any, check: bool = False, transport: str = "ssh") -> None:
        self._task = SimpleNamespace(
            args={"interfaces": []}, action=NAME, check_mode=check, async_val=0, diff=False, no_log=False
        )
        self.hosts: list[Any] = []
        self.options: dict[str, Any] = {"host": "old", "ssh_extra_args": "-o A=b"}
        self._connection = SimpleNamespace(
            transport=transport,
            reset=lambda: self.done.append("reset"),
            get_option=self.options.get,
            set_option=self.options.__setitem__,
            _shell=SimpleNamespace(tmpdir="/nowhere"),
        )
        self._supports_async = self._supports_check_mode = True
        self.answers = list(answers)
        self.done: list[Any] = []

    def _execute_module(
        self, module_name: str = "", module_args: Any = None, task_vars: Any = None, **_more: Any
    ) -> Any:
        self.hosts.append((self.options.get("host"), module_args.get("look")))
        self.done.append("confirm" if module_name == CONFIRM else "apply" if module_args["apply"] else "compare")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def outcome(self) -> dict[str, Any]:
        """The result of the task; every answer was asked for."""
        result = self.run(task_vars={})
        assert self.answers == []
        return result


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that only pauses move."""
    now = [0.0]
    monkeypatch.setattr(confirmation.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(confirmation.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


def says(outcome: str, **more: Any) -> dict[str, Any]:
    """An answer of phoenix_confirm."""
    return {"changed": outcome == "confirmed", "outcome": outcome, **more}


def test_confirmed_over_connections_of_its_own():
    lost = AnsibleConnectionFailure("no route")
    action = Action(PLAN, ARMED, lost, says("waiting"), says("reconnect"), says("confirmed"))
    result = action.outcome()
    assert (result["changed"], result["outcome"], "failed" in result) == (True, "confirmed", False)
    assert action.done == ["compare", "reset", "apply", *["reset", "confirm"] * 4]
    assert action.options["ssh_extra_args"].startswith("-o A=b -o ServerAliveInterval=")


@pytest.mark.parametrize(("check", "answer"), [(True, PLAN), (False, {"changed": False}), (False, {"failed": True})])
def test_nothing_is_changed_nor_confirmed(check: bool, answer: dict[str, Any]):
    action = Action(answer, check=check, transport="local" if check else "ssh")
    assert action.outcome() == answer
    assert action.done == ["compare"]


def test_a_run_on_the_node_itself_is_refused_before_anything():
    action = Action(PLAN, transport="local")
    result = action.outcome()
    assert (result["failed"], result["changed"], action.done) == (True, False, ["compare"])
    assert "by a run on the node itself" in result["msg"]
    assert result["diff"] == PLAN["diff"]


def test_what_was_taken_back_is_told_with_its_reason():
    result = Action(PLAN, ARMED, AnsibleConnectionFailure("timed out"), says("reverted")).outcome()
    assert (result["failed"], result["changed"], result["outcome"]) == (True, False, "reverted")
    assert "no new SSH connection confirmed it within 90 s (timed out)" in result["msg"]
    result = Action(PLAN, ARMED, says("reverting", reason="no vmbr1"), says("reverted", reason="no vmbr1")).outcome()
    assert "rolled back the change of its network: no vmbr1." in result["msg"]


def test_an_answer_that_the_change_has_cut_off_is_looked_up():
    cut = AnsibleConnectionFailure("broken pipe")
    assert Action(PLAN, cut, says("reconnect"), says("confirmed")).outcome()["outcome"] == "confirmed"
    result = Action(PLAN, cut, says("unknown")).outcome()
    assert (result["failed"], result["changed"]) == (True, False)
    assert "before the node's network was changed. broken pipe" in result["msg"]


def test_a_node_that_never_comes_back_is_not_waited_for_for_ever():
    attempts = int((90 + confirmation.GRACE) / confirmation.PAUSE)
    result = Action(PLAN, ARMED, *[AnsibleConnectionFailure("timed out")] * attempts).outcome()
    assert (result["failed"], result["outcome"]) == (True, "lost")
    assert "Look at its console" in result["msg"]


def test_a_time_out_that_nobody_can_meet():
    action = Action()
    action._task.args["timeout"] = 2
    result = action.outcome()
    assert (result["failed"], action.done) == (True, [])
    assert "at least 5 seconds" in result["msg"]


def test_a_refusal_of_the_module_is_the_result():
    refused = {"failed": True, "msg": "another change awaits its confirmation"}
    assert Action(PLAN, refused).outcome()["msg"] == refused["msg"]


def test_a_new_address_confirms_and_the_old_one_only_looks():
    lost = AnsibleConnectionFailure("no route")
    action = Action(PLAN, ARMED, lost, says("waiting"), says("reconnect"), lost, says("confirmed"))
    action._task.args["confirm_host"] = "new"
    assert action.outcome()["outcome"] == "confirmed"
    assert action.hosts[2:] == [("new", False), ("old", True), ("new", False), ("old", True), ("new", False)]
