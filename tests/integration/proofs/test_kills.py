# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kill anywhere: a process killed at any call or file write is resumed to the end state of an undisturbed run.

Provisioning a clone with two features and an application. The process is killed by SIGKILL: by the control plane at
each call, before it is done and after it was done and before its answer, and at each thing that it does to a file.
"""

from __future__ import annotations

import json
import os

import pytest
from proof_counts import COUNTS, LONG
from proof_kill import CTID, KillNode, KillTokenNode
from transports import TOKEN

# Of the things done to files, every 7th is a kill point in the reduced form, on one of the two versions of PVE: they
# differ in calls.
STRIDE = 1 if LONG else 14
FIRST = {8: 1, 9: 1 if LONG else 8}
# The same between a script's success and its record.
NEXT = 1 if LONG else 4


@pytest.fixture(scope="module")
def kills(tmp_path_factory, version, transport):
    """A node whose product runs in other processes."""
    made = (KillTokenNode if transport == TOKEN else KillNode)(tmp_path_factory.mktemp("kill"), version)
    yield made
    made.close()


@pytest.fixture(scope="module")
def calm(kills):
    """An undisturbed run: its end state, how many calls and file events it took."""
    kills.fresh()
    result = kills.run_once()
    assert result.get("state") == "completed", result
    assert kills.counted() == {"one": 1, "two": 1, "run": 1}
    calls = kills.calls
    again = kills.run_once()
    assert (again["journal"], again["state"]) == ([], "completed")
    COUNTS["calls of an undisturbed run"] = max(calls, COUNTS["calls of an undisturbed run"])
    return {"end": kills.end_state(), "calls": calls, "events": result["events"]}


def resume(kills: KillNode, calm: dict, what: str) -> None:
    """After the kill: run again, and everything is as if nothing had happened."""
    COUNTS[f"kill points: {what}"] += 1
    kills.run(kills.pve.settled())
    begun = [name for name, entry in kills.ledger().items() if entry.startswith("begun")]
    script = kills.application()
    if script.get("state") == "finished" and script["rc"] == 0:
        COUNTS["kills after the script's success, which is adopted"] += 1
        begun = [name for name in begun if name != "application"]
    result = kills.run_once()
    assert result.get("state") == "completed", (what, result)
    end = kills.end_state()
    meant = (f".{CTID}.json.new", f".{CTID}.state.new", "displaced")  # replaced the next time; the killed run's fence
    leftovers = [name for name in end["left"] if name not in (*calm["end"]["left"], *meant)]
    assert leftovers == [], f"{what}: files left in the state directory"
    assert {**end, "left": []} == {**calm["end"], "left": []}, what
    clones = [call for call in kills.mutations() if call[1].endswith("/clone")]
    assert len(clones) == 1, f"{what}: cloned again"
    ran = kills.counted()
    for name, key in (("one", "one"), ("two", "two"), ("application", "run")):
        assert 1 <= ran[key] <= 1 + (name in begun), f"{what}: {name} ran {ran[key]} times"
    kills.pve.asked.clear()
    settled = kills.run_once()
    assert (settled["journal"], kills.mutations()) == ([], []), what


def some(calls: int) -> range:
    """Of the calls of a run those at which it is killed: over the API, a look has many."""
    return range(1, calls + 1) if LONG or calls < 50 else range(calls // 9, calls + 1, calls // 3)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_call(kills, calm, after):
    for number in some(calm["calls"]):
        kills.fresh()
        kills.at_call = (number, after)
        if kills.run_once() == {}:
            resume(kills, calm, f"{'after' if after else 'before'} a call")


def test_killed_at_every_change_of_a_file(kills, calm, version):
    for number in range(FIRST[version], calm["events"] + 1, STRIDE):
        kills.fresh()
        assert kills.run_once(kill=number) == {}, f"event {number} of {calm['events']} did not kill"
        resume(kills, calm, "a change of a file, a process started")


def test_a_worker_of_a_killed_run_is_adopted(kills, calm):
    """PVE's worker: the clone goes on at the node, and the next run waits for it instead of cloning again."""
    kills.fresh()
    kills.pve.task_delay["vzclone"] = 100  # 0.5 s
    kills.at_call = ("POST clone", True)
    assert kills.run_once() == {}
    assert "lock: create" in kills.conf(CTID)
    result = kills.run_once()
    kills.pve.task_delay.clear()
    assert result.get("state") == "completed", result
    assert len([call for call in kills.mutations() if call[1].endswith("/clone")]) == 1
    assert {**kills.end_state(), "left": []} == {**calm["end"], "left": []}


def test_a_running_application_is_adopted(kills, calm):
    """The script goes on inside, and the next run waits for it and takes its result."""
    kills.fresh()
    kills.run_once(features=[], application=None)
    inside = kills.directory / "guests" / str(CTID)
    (inside / "hold").touch()
    finish = kills.start()
    # Both are asked: the straggler of an earlier test leaves the same mark, but no record of this run.
    wait_for(lambda: (inside / "started").exists() and kills.application().get("state") == "running")
    os.kill(kills.victim, 9)
    assert finish() == {}
    later = kills.start()
    (inside / "hold").unlink()
    assert later()["adopted"] is True, kills.application()
    assert kills.counted()["run"] == 1
    assert {**kills.end_state(), "left": []} == {**calm["end"], "left": []}


def test_a_success_that_was_reported_and_not_recorded_is_adopted(kills):
    """The controller is killed between the end of the script and its record: at each change of a file from there on."""
    low, high = 1, events_of_the_application(kills)
    while low < high:  # from the first change on at which the success is known, it stays known
        middle = (low + high) // 2
        low, high = (low, middle) if killed_at(kills, middle) != "running" else (middle + 1, high)
    ended = 0
    while killed_at(kills, low) == "finished":
        resume_application(kills)
        low, ended = low + NEXT, ended + 1
    COUNTS["kills between a script's success and its record"] += ended
    assert ended > 3


def events_of_the_application(kills) -> int:
    """How many changes of files a run makes that has the application alone to do."""
    kills.fresh()
    kills.run_once(features=[], application=None)
    return kills.run_once(features=[])["events"]


def killed_at(kills, number: int) -> str:
    """Kill such a run at this change of a file: what is known of its script by then."""
    kills.fresh()
    kills.run_once(features=[], application=None)
    kills.run_once(features=[], kill=number)
    if kills.ledger().get("application", "").startswith("applied"):
        return "recorded"
    return "finished" if kills.application().get("state") == "finished" else "running"


def resume_application(kills) -> None:
    """The next runs: the first adopts, the one after it has nothing to do."""
    result = kills.run_once(features=[])
    assert (result.get("state"), result.get("adopted")) == ("completed", True), result
    assert kills.counted()["run"] == 1
    assert kills.run_once(features=[])["journal"] == []


def wait_for(condition) -> None:
    """Until it is so; a minute at most."""
    import time

    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# ------------------------------------------------------------------------------------- what a kill may leave of files
def completed(kills: KillNode) -> None:
    kills.fresh()
    assert kills.run_once()["state"] == "completed"
    kills.pve.asked.clear()


@pytest.mark.parametrize("text", [None, "", "comp", "completed-v9\n", "\x00\x00", "defined\n"], ids=repr)
def test_a_state_file_lost_truncated_or_from_the_future(kills, calm, text):
    """The file records; it never overrules the observation."""
    COUNTS["damaged files on the node or in the guest"] += 1
    completed(kills)
    path = kills.directory / "state" / "state" / f"{CTID}.state"
    path.unlink() if text is None else path.write_text(text)
    result = kills.run_once()
    assert (result.get("state"), kills.mutations()) == ("completed", [])
    assert kills.end_state() == calm["end"]
    assert kills.counted() == {"one": 1, "two": 1, "run": 1}


@pytest.mark.parametrize("text", [None, "", '{"ours": tr', "[]", "\x00"], ids=repr)
def test_a_record_lost_or_truncated_makes_the_container_foreign_not_ours(kills, calm, text):
    """Without our record it may be foreign: it is refused, told how to adopt it, and nothing is changed."""
    COUNTS["damaged files on the node or in the guest"] += 1
    completed(kills)
    path = kills.directory / "state" / "records" / f"{CTID}.json"
    path.unlink() if text is None else path.write_text(text)
    result = kills.run_once()
    assert "phoenix_adopt" in result["failed"]
    assert kills.mutations() == []


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"version": 99, "features": {}}', "\x00" * 10, "[" * 100000, '{"version":1,"features":{"../x":{}}}'],
    ids=["empty", "truncated", "later version", "zeros", "deep", "forged name"],
)
def test_a_ledger_unreadable_or_forged_costs_its_guest_the_features_again(kills, calm, text):
    COUNTS["damaged files on the node or in the guest"] += 1
    completed(kills)
    (kills.directory / "guests" / str(CTID) / "ledger.json").write_text(text)
    result = kills.run_once()
    assert result.get("state") == "completed", result
    assert kills.mutations() == []
    assert kills.end_state() == calm["end"]
    assert kills.counted()["one"] == kills.counted()["two"] == 2


def test_a_lease_of_a_clock_that_was_set_back_holds_nobody_up(kills, calm):
    """A lease's age is the kernel's monotonic clock; the times in the record and the ledger are for people."""
    completed(kills)
    path = kills.directory / "state" / "records" / f"{CTID}.json"
    record = json.loads(path.read_text())
    text = json.dumps(record).replace('"at": "20', '"at": "29')
    path.write_text(text)
    book = kills.directory / "guests" / str(CTID) / "ledger.json"
    book.write_text(book.read_text().replace('"at": "20', '"at": "29'))
    assert kills.run_once()["journal"] == []
