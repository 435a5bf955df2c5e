# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and stopping on request, holding, and that a container which was stopped so stays stopped."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from test_planner import OURS, seen, wanted

from ansible_collections.phoenix.hypervisor.plugins.filter.power_order import power_order
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Observation, Plan, Record
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.refusal import Code

HALTED = dataclasses.replace(OURS, halted="r1", word="configured", ledger=seen().ledger)


def planned(power: str = "", running: bool = True, record: Record = OURS, **changes: Any) -> Plan:
    """The plan of a request, or of a run."""
    head = changes.pop("head", None)
    there = seen(head, running=running) if running else seen(head, running=False, known={})
    return planner.plan(
        wanted(power=power, run="r2", **changes), dataclasses.replace(there, ledger=there.ledger or None), record
    )


def calls(plan: Plan) -> list[str]:
    """What it asks of PVE."""
    return [entry.what.rpartition("/")[2] for step in plan.steps for entry in step.entries if entry.op == "pve"]


def notes(plan: Plan) -> list[Any]:
    """What it writes into the record."""
    return [dict(e.params) for step in plan.steps for e in step.entries if e.op == "node" and e.what == "record"]


@pytest.mark.parametrize(
    ("power", "running", "made", "written"),
    [
        ("stop", True, ["stop"], [{"halted": "r2"}]),
        ("shutdown", True, ["shutdown"], [{"halted": "r2"}]),
        ("restart", True, ["reboot"], [{"halted": None, "powered": "r2"}]),
        ("start", False, ["start"], [{"halted": None, "powered": "r2"}]),
        ("restart", False, ["start"], [{"halted": None, "powered": "r2"}]),
        ("start", True, [], []),
        ("stop", False, [], [{"halted": "r2"}]),
    ],
)
def test_a_request_makes_one_call(power: str, running: bool, made: list[str], written: list[Any]) -> None:
    plan = planned(power, running)
    assert (plan.error, calls(plan), notes(plan)) == (None, made, written)


def test_a_request_that_is_done_has_no_steps():
    assert planned("stop", False, HALTED).steps == ()
    assert planned("restart", True, dataclasses.replace(OURS, powered="r2")).steps == ()
    assert calls(planned("restart", True, dataclasses.replace(OURS, powered="r1"))) == ["reboot"]


def test_a_container_that_was_stopped_stays_stopped_and_every_run_says_so():
    plan = planned("", False, HALTED)
    assert (plan.steps, plan.final_state) == ((), "configured")
    assert plan.notes[-1].startswith("stopped on purpose by the run r1: left stopped")
    # Its options are still brought to the file's.
    assert [step.kind for step in planned("", False, HALTED, head={"cores": "4"}).steps] == ["configure"]
    # Without the request it is started.
    stopped = dataclasses.replace(HALTED, halted=None)
    assert "start" in [step.kind for step in planned("", False, stopped).steps]


def test_one_that_somebody_started_is_no_longer_stopped_on_purpose():
    plan = planned("", True, dataclasses.replace(OURS, halted="r1"))
    assert notes(plan)[0] == {"halted": None}
    assert calls(plan) == []


def test_another_container_under_the_ctid_is_made_without_the_note():
    plan = planner.plan(wanted(), Observation(950), dataclasses.replace(HALTED, ours=False, instance=None))
    assert "start" in [step.kind for step in plan.steps]
    assert notes(plan)[0]["halted"] is None


@pytest.mark.parametrize(
    ("head", "config", "code"),
    [({"tags": "phoenix-hold"}, {}, Code.HELD), ({}, {"hold": True}, Code.HELD), ({"template": "1"}, {}, Code.POWER)],
)
def test_what_is_held_or_a_template_is_refused(head: dict[str, str], config: dict[str, Any], code: Code) -> None:
    plan = planned("stop", True, head=head, config=config)
    assert plan.refusal is not None
    assert plan.refusal.code is code
    assert planner.plan(wanted(power="stop"), Observation(950), Record()).refusal.code is Code.POWER


def test_a_foreign_container_is_neither_started_nor_stopped():
    plan = planned("stop", True, Record())
    assert plan.refusal is not None
    assert plan.refusal.code is Code.FOREIGN_CONTAINER


def test_hold_in_the_file_is_the_tag_in_the_file():
    plan = planned("", True, head={"cores": "7"}, config={"hold": True})
    assert (plan.steps, plan.notes) == ((), ("held by the key hold: left alone",))
    absent = planner.plan(wanted(config={"hold": True}), Observation(950), Record())
    assert (absent.steps, absent.notes) == ((), ("held by the key hold: left alone",))


def test_the_order_follows_the_dependencies():
    configs: dict[str, dict[str, Any]] = {
        "950": {"dependencies": ["951", "960"]},
        "951": {"dependencies": [952]},
        "952": {},
        "900": {"is_template": True},
    }
    variables = {host: {"phoenix_config": config} for host, config in configs.items()}
    assert power_order(configs, variables, "start") == ["952", "951", "950"]
    assert power_order(configs, variables, "stop") == ["950", "951", "952"]
    circle = {
        "950": {"phoenix_config": {"dependencies": ["951"]}},
        "951": {"phoenix_config": {"dependencies": ["950"]}},
    }
    assert power_order(circle, circle, "start") == ["950", "951"]
