# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guarded change, killed anywhere: the next run goes on under the snapshot that holds the state before it."""

from __future__ import annotations

from typing import Any

import pytest
from proof_counts import COUNTS, LONG
from proof_kill import CONFIG, CTID, FEATURES, SOURCE, SOURCE_CONF, KillNode

# Of the things done to files, every 15th is a kill point in the reduced form, on one of the two versions of PVE: they
# differ in calls.
STRIDE = 1 if LONG else 30
FIRST = {8: 1, 9: 1 if LONG else 16}
CHANGED = {
    "config": {**CONFIG, "guard": "report", "memory_mb": 2048},
    "features": [FEATURES[0], {**FEATURES[1], "digest": "d9"}],
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, version: int):
    """A node whose product runs in other processes."""
    made = KillNode(tmp_path_factory.mktemp("guarded"), version)
    yield made
    made.close()


def complete(node: KillNode) -> None:
    """The container is complete, on a storage that takes snapshots."""
    node.fresh()
    node.place(SOURCE, SOURCE_CONF.replace("local:900/vm-900-disk-0.raw", "tank:subvol-900-disk-0"))
    result = node.run_once()
    assert result.get("state") == "completed", result
    node.pve.asked.clear()


@pytest.fixture(scope="module")
def calm(guarded: KillNode) -> dict[str, Any]:
    """An undisturbed change: its end state, how many calls and file events it took."""
    complete(guarded)
    result = guarded.run_once(**CHANGED)
    assert result.get("state") == "completed", result
    assert order(guarded) == ["POST snapshot", "PUT config", "DELETE phoenix-guard"]
    assert guarded.counted() == {"one": 1, "two": 2, "run": 1}
    return {"end": guarded.end_state(), "calls": guarded.calls, "events": result["events"]}


def order(node: KillNode) -> list[str]:
    """What was asked of the control plane, in order."""
    return [f"{method} {path.rpartition('/')[2]}" for method, path, _params in node.mutations()]


def resume(node: KillNode, calm: dict[str, Any], what: str) -> None:
    """After the kill: run again, to the same end, under the snapshot of what was there before the first change."""
    COUNTS[f"kill points of a guarded change: {what}"] += 1
    node.run(node.pve.settled())
    result = node.run_once(**CHANGED)
    assert result.get("state") == "completed", (what, result)
    end = node.end_state()
    assert {**end, "left": []} == {**calm["end"], "left": []}, what
    asked = order(node)
    assert asked.index("POST snapshot") < asked.index("PUT config"), (what, asked)
    assert "POST snapshot" not in asked[asked.index("PUT config") :], (what, asked)
    assert asked[-1] == "DELETE phoenix-guard", (what, asked)
    node.pve.asked.clear()
    settled = node.run_once(**CHANGED)
    assert (settled["journal"], node.mutations()) == ([], []), what


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_guarded_change_killed_at_every_call(guarded: KillNode, calm: dict[str, Any], after: bool):
    for number in range(1, calm["calls"] + 1):
        complete(guarded)
        guarded.at_call = (number, after)
        if guarded.run_once(**CHANGED) == {}:
            resume(guarded, calm, f"{'after' if after else 'before'} a call")


def test_a_guarded_change_killed_at_every_change_of_a_file(guarded: KillNode, calm: dict[str, Any], version: int):
    for number in range(FIRST[version], calm["events"] + 1, STRIDE):
        complete(guarded)
        assert guarded.run_once(kill=number, **CHANGED) == {}, f"event {number} of {calm['events']} did not kill"
        resume(guarded, calm, "a change of a file, a process started")
    assert CTID in guarded.backend.running
