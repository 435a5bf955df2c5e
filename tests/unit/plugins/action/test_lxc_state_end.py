# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last call of a container releases its clones, and no call before it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from ansible import constants

from ansible_collections.phoenix.hypervisor.plugins.action import phoenix_lxc_state
from ansible_collections.phoenix.hypervisor.plugins.filter.work_inside import work_inside
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import lineage

STOPPED = {"running": False, "due_features": [], "application_due": "", "health_due": ""}
DUE = {"due_features": [{"name": "clock"}]}


def told(
    tmp_path: Path, patch: pytest.MonkeyPatch, args: dict[str, Any], result: dict[str, Any], check: bool = False
) -> str:
    """Run the action for container 950 with the module's result; what a clone then hears of it."""
    patch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    action = object.__new__(phoenix_lxc_state.ActionModule)
    action._task = SimpleNamespace(args={"config": {}, **args}, check_mode=check)
    action._templar = SimpleNamespace(template=lambda value: value)
    action._loader = None
    patch.setattr(phoenix_lxc_state.NodeAction, "run", lambda *_given: {})
    patch.setattr(phoenix_lxc_state, "node_of", lambda *_given: None)
    action.run_on_node = mock.Mock(return_value=result)
    action.run(None, {"inventory_hostname": "950"})
    return lineage.outcome_of("950", 0)


@pytest.mark.parametrize(
    ("args", "result"),
    [
        ({"release": True}, {}),
        ({"release": True, "record": {"name": "clock"}}, {}),
        ({"enter": True}, STOPPED),
        ({"enter": True}, {**STOPPED, "running": True}),
        ({"enter": True}, {**STOPPED, **DUE}),
    ],
)
def test_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: dict[str, Any], result: dict[str, Any]) -> None:
    assert told(tmp_path, monkeypatch, args, result) == "finished"


@pytest.mark.parametrize(
    ("args", "result", "check"),
    [
        ({"enter": True}, {**STOPPED, "running": True, **DUE}, False),
        ({"enter": True}, {**STOPPED, "running": True, "application_due": "new"}, False),
        ({"enter": True}, {**STOPPED, "running": True, "health_due": "booted"}, False),
        ({"record": {"name": "clock"}, "begin": {"name": "web"}}, {}, False),
        ({"failed": True}, {}, False),
        ({"release": True}, {"failed": True}, False),
        ({"enter": True}, {**STOPPED, "failed": True}, False),
        ({"release": True}, {}, True),  # nobody waits in a dry run
        ({"enter": True, "first": ["guarded.yml"]}, STOPPED, False),
        ({"enter": True, "fault": "node lost"}, STOPPED, False),
    ],
)
def test_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: dict[str, Any], result: dict[str, Any], check: bool
) -> None:
    assert told(tmp_path, monkeypatch, args, result, check) == "waiting"


def test_what_comes_first_is_named_and_nothing_is_done() -> None:
    options: dict[str, Any] = {"enter": True, "fault": "", "first": ["recreation.yml", "change.yml"]}
    result = phoenix_lxc_state.postponed(options)
    assert result is not None
    assert (result["skipped"], result["changed"]) == (True, False)
    assert [part["file"] for part in work_inside(result)] == ["recreation.yml", "change.yml"]


@pytest.mark.parametrize("first", [[], ["change.yml", "change.yml"]])
def test_a_fault_is_the_whole_message(first: list[str]) -> None:
    result = phoenix_lxc_state.postponed({"fault": "Container 950 is not touched: x", "first": first})
    assert result == {"changed": False, "failed": True, "msg": "Container 950 is not touched: x"}


def test_a_call_that_nothing_precedes_gets_its_own_options_alone() -> None:
    options: dict[str, Any] = {"enter": True, "fault": "", "first": []}
    assert phoenix_lxc_state.postponed(options) is None
    assert options == {"enter": True}
