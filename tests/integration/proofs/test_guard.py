# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guarded changes: a snapshot before, a look after, the way back when that fails; each cut off and gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fake_node import TEMPLATE, FakeNode, normal, predicted, pve_calls

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import (
    Application,
    Feature,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.outcome import StepError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import tasks
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.client import PveError

SNAPSHOT = "phoenix-guard"
BASE = {"template": TEMPLATE, "storage_pool": "tank", "memory_mb": 512}


def wanted(
    guard: str = "report", *, health: bool = False, digest: str = "a1", feature: str = "f1", **config: Any
) -> Any:
    """The container, complete with one feature and an application."""
    return Wanted(
        950,
        "pve",
        {**BASE, "features": ["base"], "guard": guard, **config},
        features=(Feature("base", feature),),
        application=Application("script", digest, health=health),
    )


@pytest.fixture
def settled(node: FakeNode) -> FakeNode:
    """A node on which the container is complete."""
    node.wipe()
    node.drive(wanted())
    assert node.store.load(950).word == "completed"
    node.pve.asked.clear()
    return node


def kinds(plan: Any) -> list[str]:
    """The steps of a plan."""
    return [step.kind for step in plan.steps]


def has_snapshot(node: FakeNode) -> bool:
    """Whether the container's config has the snapshot."""
    return f"[{SNAPSHOT}]" in (node.conf(950) or "")


def assert_settled(node: FakeNode, want: Wanted) -> None:
    """Nothing is left to do, and nothing of the guard is left."""
    assert node.check(want).first.steps == ()
    assert not has_snapshot(node)
    assert node.store.load(950).guarding is None


def test_the_first_provisioning_is_not_guarded(node: FakeNode):
    node.wipe()
    plan = node.check(wanted()).first
    assert "guard" not in kinds(plan)
    node.drive(wanted())
    assert not any(path.endswith("/snapshot") for _method, path, _params in node.mutations())


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        ({"memory_mb": 1024}, ["guard", "configure", "release"]),
        ({"memory_mb": 1024, "health": True}, ["guard", "configure", "health", "release"]),
        ({"feature": "f2"}, ["guard", "feature", "complete", "release"]),
        ({"feature": "f2", "health": True}, ["guard", "feature", "complete", "health", "release"]),
        ({"digest": "a2", "health": True}, ["guard", "application", "complete", "release"]),
        ({"lxc_options": ["lxc.environment: A=1"], "restart_policy": "if_needed"}, None),
    ],
)
def test_a_change_is_guarded_as_the_dry_run_says(settled: FakeNode, change: dict[str, Any], steps: list[str] | None):
    want = wanted(**change)
    plan = settled.check(want).first
    found = kinds(plan)
    assert found == steps if steps else (found[0], found[-1]) == ("guard", "release")
    journal, outcome = settled.drive(want)
    assert outcome.last.state == plan.final_state == "completed"
    assert [(e["op"], e["what"], e["params"]) for e in journal] == [
        (e["op"], e["what"], e["params"]) for e in predicted(plan)
    ]
    assert normal(settled.mutations()) == normal(pve_calls(predicted(plan)))
    calls = [f"{method} {path.rpartition('/lxc/950')[2]}" for method, path, _params in settled.mutations()]
    assert (calls[0], calls[-1]) == ("POST /snapshot", f"DELETE /snapshot/{SNAPSHOT}")
    assert_settled(settled, want)


def test_without_the_key_nothing_is_guarded(settled: FakeNode):
    plan = settled.check(wanted("none", memory_mb=1024)).first
    assert kinds(plan) == ["configure"]


def test_a_start_alone_is_no_change(settled: FakeNode):
    settled.call("POST", "/nodes/pve/lxc/950/status/stop")
    assert "guard" not in kinds(settled.check(wanted()).first)


def test_what_was_not_complete_is_not_guarded_in_the_midst_of_the_run_that_completes_it(settled: FakeNode):
    settled.store.write_word(950, "created")  # as a run that was killed, or an editor, leaves it
    want = wanted(lxc_options=["lxc.environment: A=1"], memory_mb=1024, restart_policy="if_needed")
    plan = settled.check(want).first
    assert "guard" not in kinds(plan)
    assert kinds(plan)[-1] == "restart"
    _journal, outcome = settled.drive(want)
    assert outcome.last.error is None
    assert normal(settled.mutations()) == normal(pve_calls(predicted(plan)))
    assert_settled(settled, want)


def test_the_snapshot_stays_until_the_change_is_proved(settled: FakeNode):
    want = wanted(memory_mb=1024, health=True)
    settled.executor().run(want)  # the play's health check never comes
    assert has_snapshot(settled)
    plan = settled.check(want).first
    assert kinds(plan) == ["health", "release"]
    assert any("pct rollback 950 phoenix-guard" in note for note in plan.notes)
    settled.drive(want)
    assert_settled(settled, want)


def test_cut_off_before_the_snapshot_it_is_taken_by_the_next_run(settled: FakeNode):
    want = wanted(memory_mb=1024)
    settled.store.update_record(950, guarding={"stage": "open", "run": "dead"})
    assert kinds(settled.check(want).first) == ["guard", "configure", "release"]
    settled.drive(want)
    assert sum(path.endswith("/snapshot") for _method, path, _params in settled.mutations()) == 1
    assert_settled(settled, want)


def test_a_proved_change_is_released_before_the_next_is_guarded(settled: FakeNode):
    want = wanted(memory_mb=1024, health=True)
    settled.executor().run(want)
    guarding = dict(settled.store.load(950).guarding or {})
    settled.store.update_record(950, guarding={**guarding, "stage": "proved"})
    want = wanted(memory_mb=2048, health=True)
    plan = settled.check(want).first
    assert kinds(plan) == ["release", "guard", "configure", "health", "release"]
    journal, _outcome = settled.drive(want)
    assert journal == predicted(plan)
    assert_settled(settled, want)


def test_report_tells_the_command_and_changes_nothing(settled: FakeNode):
    want = wanted(memory_mb=1024, health=True)
    settled.executor().run(want)
    settled.pve.asked.clear()
    text, journal = settled.executor().undo(want)
    assert "pct rollback 950 phoenix-guard --start 1" in text
    assert journal == []
    assert settled.mutations() == []


def test_rollback_brings_back_what_was_there(settled: FakeNode):
    before, known = settled.conf(950), settled.store.load(950)
    want = wanted("rollback", memory_mb=1024, health=True)
    first = settled.check(want).first
    settled.executor().run(want)
    assert "memory: 1024" in (settled.conf(950) or "")
    text, journal = settled.executor().undo(want)
    assert "is back" in text
    verbs = [entry["what"].partition(" ")[0] for entry in journal]
    assert verbs == ["record", "POST", "state", "record", "DELETE", "record"]
    assert settled.conf(950) == before
    assert 950 in settled.backend.running
    after = settled.store.load(950)
    assert (after.word, after.applied, after.guarding) == ("completed", known.applied, None)
    # The next run tries the same again, guarded again.
    assert kinds(settled.check(want).first) == kinds(first)
    assert settled.executor().undo(want) == ("", [])


def test_a_change_is_never_made_again_under_the_snapshot_of_a_rollback(settled: FakeNode):
    """Somebody has gone back by hand, as the report says: that snapshot goes, and the change gets a new one."""
    want = wanted(memory_mb=1024, health=True)
    known = settled.store.load(950)
    settled.executor().run(want)
    settled.call("POST", f"/nodes/pve/lxc/950/snapshot/{SNAPSHOT}/rollback", {"start": 1})
    plan = settled.check(want).first
    assert kinds(plan) == ["release", "guard", "configure", "health", "release"]
    assert "was rolled back" in plan.steps[0].reason
    assert settled.store.load(950).guarding["stage"] == "open"  # a dry run writes nothing
    settled.pve.asked.clear()
    settled.executor().run(want)
    calls = [f"{method} {path.rpartition('/lxc/950')[2]}" for method, path, _params in settled.mutations()]
    assert calls == [f"DELETE /snapshot/{SNAPSHOT}", "POST /snapshot", "PUT /config"]
    assert settled.store.load(950).guarding["applied"] == known.applied
    assert "memory: 1024" in (settled.conf(950) or "")
    settled.drive(want)
    assert_settled(settled, want)


@pytest.mark.parametrize("policy", ["rollback", "report"])
def test_a_rollback_that_was_cut_off_is_finished_before_anything_else(settled: FakeNode, policy: str):
    """Between its record and PVE's answer, or after its failure: whatever the policy says by now."""
    before, known = settled.conf(950), settled.store.load(950)
    settled.executor().run(wanted("rollback", memory_mb=1024, health=True))
    guarding = dict(settled.store.load(950).guarding or {})
    settled.store.update_record(950, guarding={**guarding, "stage": "back"})
    want = wanted(policy, memory_mb=2048, health=True)
    plan = settled.check(want).first
    assert kinds(plan) == ["rollback", "guard", "configure", "health", "release"]
    settled.pve.asked.clear()
    journal, _outcome = settled.drive(want)
    assert normal(settled.mutations()) == normal(pve_calls(predicted(plan)))
    assert [(e["op"], e["what"]) for e in journal] == [(e["op"], e["what"]) for e in predicted(plan)]
    assert_settled(settled, want)
    assert "memory: 2048" in (settled.conf(950) or "")
    assert (before, known.applied["memory"]) == (settled.conf(950).replace("2048", "512"), "512")


def test_a_cut_off_rollback_of_what_is_refused_by_now_is_finished_and_the_refusal_shown(settled: FakeNode):
    settled.executor().run(wanted("rollback", memory_mb=1024, health=True))
    guarding = dict(settled.store.load(950).guarding or {})
    settled.store.update_record(950, guarding={**guarding, "stage": "back"})
    path = settled.conf_dir / "950.conf"
    path.write_text((settled.conf(950) or "").replace(f"[{SNAPSHOT}]\n", f"[{SNAPSHOT}]\nmp3: /srv,mp=/srv\n"))
    outcome = settled.executor().run(wanted("rollback", memory_mb=1024, health=True))
    assert (outcome.done, outcome.first.error) == (["rollback"], None)
    assert "a bind mount, and container 950 has one" in (outcome.last.error or "")


def test_a_rollback_of_an_earlier_run_that_ended_is_not_repeated(settled: FakeNode):
    """What was written since would be lost."""
    want = wanted("rollback", memory_mb=1024, health=True)
    settled.executor().run(want)
    guarding = dict(settled.store.load(950).guarding or {})
    settled.store.update_record(950, guarding={**guarding, "stage": "back"})
    settled.call("POST", f"/nodes/pve/lxc/950/snapshot/{SNAPSHOT}/rollback", {"start": 1})
    settled.pve.asked.clear()
    settled.drive(want)
    assert not any(path.endswith("/rollback") for _method, path, _params in settled.mutations())
    assert_settled(settled, want)


@pytest.fixture
def slow(settled: FakeNode) -> Iterator[FakeNode]:
    """The same node, whose tasks take their time: a hundredth of PVE's."""
    settled.pve.time_scale = 0.01
    yield settled
    settled.run(settled.pve.clear_delays())
    settled.run(settled.pve.settled())
    settled.pve.time_scale = 0.0


def test_the_start_that_a_rollback_sets_going_is_awaited_before_the_snapshot_goes(slow: FakeNode):
    """It holds the guest's migration lock for longer than PVE waits for that (PVE facts, 'Pending changes')."""
    want = wanted("rollback", memory_mb=1024, health=True)
    slow.executor().run(want)
    slow.pve.task_delay["vzstart"] = 56
    slow.pve.asked.clear()
    text, _journal = slow.executor().undo(want)
    assert "is back" in text
    ends = {task["type"]: task for task in slow.pve.tasklog[-3:]}
    assert list(ends) == ["vzrollback", "vzstart", "vzdelsnapshot"]
    assert {task["exitstatus"] for task in ends.values()} == {"OK"}
    assert 950 in slow.backend.running
    assert not has_snapshot(slow)


def test_the_migration_lock_of_somebody_else_is_waited_for(slow: FakeNode):
    want = wanted("rollback", memory_mb=1024, health=True)
    slow.executor().run(want)
    slow.pve.task_delay["vzstart"] = 56
    client = slow.connect()
    path = f"/nodes/pve/lxc/950/snapshot/{SNAPSHOT}"
    tasks.wait_task(client, "pve", client.request("POST", f"{path}/rollback", {"start": 1}), "rollback", 20)
    met: list[str] = []

    def delete() -> None:
        try:
            tasks.wait_task(client, "pve", client.request("DELETE", path), "delete", 20)
        except PveError as error:
            met.append(error.reason)
            raise

    tasks.with_lock_wait(delete, 20)
    assert set(met) == {"task failed: Failed to obtain guest migration lock - replication running?"}
    assert not has_snapshot(slow)


def test_a_start_after_a_rollback_that_fails_is_shown_and_not_undone_twice(slow: FakeNode):
    want = wanted("rollback", memory_mb=1024, health=True)
    slow.executor().run(want)
    slow.pve.cts[0].start_error = "startup for container '950' failed"
    with pytest.raises(StepError, match="startup for container '950' failed"):
        slow.executor().undo(want)
    assert has_snapshot(slow)
    slow.pve.cts[0].start_error = None
    slow.pve.asked.clear()
    slow.drive(want)
    calls = [f"{method} {path.rpartition('/lxc/950')[2]}" for method, path, _params in slow.mutations()]
    assert calls[:2] == [f"DELETE /snapshot/{SNAPSHOT}", "POST /snapshot"]
    assert not any(call.endswith("/rollback") for call in calls)
    assert_settled(slow, want)


@pytest.mark.parametrize("health", [True, False])
def test_a_good_change_is_not_rolled_back_when_only_its_snapshot_stays(settled: FakeNode, health: bool):
    """The run failed at removing the snapshot, say: the change itself is made, and proved where there is a check."""
    want = wanted("rollback", memory_mb=1024, health=health)
    settled.executor().run(wanted("rollback", memory_mb=1024, health=True))
    if health:
        guarding = dict(settled.store.load(950).guarding or {})
        settled.store.update_record(950, guarding={**guarding, "stage": "proved"})
    assert kinds(settled.check(want).first) == ["release"]
    settled.pve.asked.clear()
    text, journal = settled.executor().undo(want)
    assert "pct rollback 950" in text
    assert journal == []
    assert settled.mutations() == []
    settled.drive(want)
    assert_settled(settled, want)


def test_a_proved_change_is_not_rolled_back_for_the_next_one(settled: FakeNode):
    settled.executor().run(wanted("rollback", memory_mb=1024, health=True))
    guarding = dict(settled.store.load(950).guarding or {})
    settled.store.update_record(950, guarding={**guarding, "stage": "proved"})
    settled.pve.asked.clear()
    text, journal = settled.executor().undo(wanted("rollback", memory_mb=2048, health=True))
    assert "pct rollback 950" in text
    assert journal == []
    assert settled.mutations() == []


def test_a_refused_change_is_not_rolled_back(settled: FakeNode):
    settled.executor().run(wanted("rollback", memory_mb=1024, health=True))
    settled.pve.asked.clear()
    text, journal = settled.executor().undo(wanted("rollback", health=True, unprivileged=False))
    assert "pct rollback" in text
    assert journal == []
    assert settled.mutations() == []


def test_a_snapshot_of_somebody_else_is_left_alone(settled: FakeNode):
    settled.call("POST", "/nodes/pve/lxc/950/snapshot", {"snapname": SNAPSHOT})
    outcome = settled.executor().run(wanted(memory_mb=1024))
    assert f"pct delsnapshot 950 {SNAPSHOT}" in outcome.first.error
    assert settled.mutations() == []


def test_what_can_not_be_guarded_is_refused_before_anything_is_touched(settled: FakeNode):
    # The configuration's own bind mounts are refused by its validation; this one was set by hand.
    settled.call("PUT", "/nodes/pve/lxc/950/config", {"mp3": "/srv,mp=/srv"})
    outcome = settled.executor().run(wanted(memory_mb=1024))
    assert "a bind mount, and container 950 has one (mp3: /srv,mp=/srv)" in outcome.first.error
    assert settled.mutations() == []
    assert settled.check(wanted("none", memory_mb=1024)).first.error is None
    settled.wipe()
    settled.drive(wanted(storage_pool="local"))
    settled.pve.asked.clear()
    outcome = settled.executor().run(wanted(storage_pool="local", memory_mb=1024))
    assert "local (dir) takes no snapshots" in outcome.first.error
    assert settled.mutations() == []


def test_a_template_is_made_without_its_guard(settled: FakeNode):
    settled.executor().run(wanted(memory_mb=1024, health=True))
    want = wanted(memory_mb=1024, health=True, is_template=True)
    plan = settled.check(want).first
    assert kinds(plan)[0] == "release"
    assert "template" in kinds(plan)
    settled.drive(want)
    assert "template: 1" in (settled.conf(950) or "")
    assert_settled(settled, want)
