# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kill anywhere, with layers: a run that leaves a layer, and one that uses it, are killed by SIGKILL and resumed.

Whatever the kill leaves, the next runs complete both containers, and end with one whole layer and nothing half.
"""

from __future__ import annotations

import json

import pytest
from fake_node import LAYERS, TEMPLATE
from proof_counts import COUNTS, LONG
from proof_kill import CTID, FEATURES, KillNode, drawn_by_chance

SECOND = CTID + 1
CONFIG = {"template": TEMPLATE, "memory_mb": 1024, "storage_pool": "local", "storage_size_gb": 4}
LAYERED = [{**feature, "layer": True} for feature in FEATURES]
# The reduced form kills at every so many calls and changes of files.
CALLS, CHANGES, OF_USE = (1, 1, 1) if LONG else (4, 16, 5)


@pytest.fixture(scope="module")
def kills(tmp_path_factory, fault_version):
    """A node whose product runs in other processes."""
    made = KillNode(tmp_path_factory.mktemp("kill"), fault_version)
    yield made
    made.close()


def run(kills: KillNode, ctid: int, **changes) -> dict:
    """A run over one of both containers."""
    config = {**CONFIG, "name": f"c{ctid}"}
    return kills.run_once(ctid=ctid, config=config, features=LAYERED, application=None, layers=LAYERS, **changes)


def created_from(kills: KillNode, ctid: int) -> list[str]:
    """What a container was created from, each time."""
    made = [params for method, path, params in kills.mutations() if (method, path) == ("POST", "/nodes/pve/lxc")]
    return [params["ostemplate"] for params in made if params["vmid"] == str(ctid)]


@pytest.fixture(scope="module")
def calm(kills):
    """An undisturbed run of both: their configs, and at which calls and changes of files the first leaves its layer."""
    kills.fresh()
    first = run(kills, CTID)
    assert first.get("state") == "completed", first
    asked = [call[:2] for call in kills.pve.asked]
    calls = asked.index(("POST", "/nodes/pve/vzdump")), kills.calls
    second = run(kills, SECOND)
    assert (second.get("state"), second["leaving"]) == ("completed", None), second
    assert created_from(kills, SECOND) == [f"local:vztmpl/{kills.archives()[0].name}"]
    assert counted(kills, SECOND) == 0
    uses = kills.calls, second["events"]
    return {"calls": calls, "changes": first["leaving"], "uses": uses, "end": end(kills)}


def counted(kills: KillNode, ctid: int) -> int:
    """How many features were applied inside a container."""
    path = kills.directory / "guests" / str(ctid) / "features.log"
    return len(path.read_text().split()) if path.exists() else 0


def end(kills: KillNode) -> dict:
    """What two runs that came to the same end have in common."""
    books = {ctid: kills._book(ctid)["features"] for ctid in (CTID, SECOND)}
    return {
        "configs": {ctid: drawn_by_chance(kills.conf(ctid) or "") for ctid in kills.ctids()},
        "running": sorted(kills.backend.running),
        "volumes": sorted(kills.backend.volumes),
        "ledgers": {ctid: {name: entry["digest"] for name, entry in book.items()} for ctid, book in books.items()},
        "words": [(kills.directory / "state" / "state" / f"{ctid}.state").read_text() for ctid in (CTID, SECOND)],
    }


def resume(kills: KillNode, calm: dict, what: str) -> None:
    """After the kill: both containers complete, as without it, and the node has one layer."""
    COUNTS[f"kill points: {what}"] += 1
    for ctid in (CTID, SECOND):
        assert run(kills, ctid).get("state") == "completed", what
    assert end(kills) == calm["end"], what
    (layer,) = kills.shelf.all()
    (archive,) = kills.archives()
    assert layer.volume == f"local:vztmpl/{archive.name}", what
    assert not list(kills.cache.glob(".phoenix-layer-*")), what
    template = created_from(kills, SECOND)[-1] == TEMPLATE
    assert counted(kills, SECOND) == (len(FEATURES) if template else 0), what
    assert len(created_from(kills, CTID)) == 1, what
    own = [json.loads((kills.directory / "state" / "records" / f"{ctid}.json").read_text()) for ctid in (CTID, SECOND)]
    assert [record.get("identity") for record in own] == [None, None]
    kills.pve.asked.clear()
    for ctid in (CTID, SECOND):
        assert (run(kills, ctid)["journal"], kills.mutations()) == ([], []), what


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_call_of_leaving(kills, calm, after):
    first, last = calm["calls"]
    for number in range(first + int(after), last + 1, CALLS):
        kills.fresh()
        kills.at_call = (number, after)
        if run(kills, CTID) == {}:
            resume(kills, calm, "a call while a layer is left")


def test_killed_at_every_change_of_a_file_of_leaving(kills, calm):
    first, last = calm["changes"]
    for number in range(first + 1, last + 1, CHANGES):
        kills.fresh()
        assert run(kills, CTID, kill=number) == {}
        resume(kills, calm, "a change of a file while a layer is left")


def test_killed_while_a_layer_is_used(kills, calm):
    calls, changes = calm["uses"]
    for number in range(1, calls + 1, OF_USE):
        kills.fresh()
        run(kills, CTID)
        kills.at_call = (number, number % 2 == 0)
        if run(kills, SECOND) == {}:
            resume(kills, calm, "a call while a layer is used")
    for number in range(1, changes + 1, 10 * OF_USE if not LONG else 3):
        kills.fresh()
        run(kills, CTID)
        assert run(kills, SECOND, kill=number) == {}
        resume(kills, calm, "a change of a file while a layer is used")


def test_an_archive_that_is_still_written_is_awaited(kills, calm):
    """PVE's worker goes on after the kill, and starts the container in the end; the next run waits for that."""
    kills.fresh()
    kills.pve.task_delay["vzdump"] = 100  # 0.5 s
    kills.at_call = (calm["calls"][0] + 1, True)
    assert run(kills, CTID) == {}
    assert run(kills, CTID).get("state") == "completed"
    kills.pve.task_delay.clear()
    assert CTID in kills.backend.running
    resume(kills, calm, "PVE's worker writes the archive")
