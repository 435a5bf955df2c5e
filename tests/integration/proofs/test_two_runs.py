# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs at once: on one container, on a source and its clone, on different ones; and an interrupted run's lease."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fault_node import FaultNode, wanted
from proof_counts import COUNTS, LONG
from pure_parts import lease

ROUNDS = 50 if LONG else 5


def identity(name: str) -> dict[str, Any]:
    """A run."""
    return {"id": name, "user": "u", "controller": f"host of {name}", "pid": 7}


def leases(node: FaultNode) -> Any:
    """The node's leases."""
    return lease.Leases(str(node.directory / "state"), str(node.directory / "busy"))


def run(node: FaultNode, name: str, want: Any, barrier: Any = None, dead: tuple[str, ...] = ()) -> Any:
    """A whole run as the module makes it: its lease, its own connection. Returns its state, or why it did not act."""
    held = leases(node)
    if barrier:
        barrier.wait()
    try:
        with held.working(want.ctid, identity(name), list(dead)) as displaced:
            _journal, outcome = node.drive(
                want,
                client=node.connect,
                lock_wait=20.0,
                guard=lambda: held.check(want.ctid, identity(name)),
            )
    except (lease.LeaseHeldError, lease.LeaseLostError) as error:
        return error
    held.release(want.ctid, identity(name))
    return (outcome.last.error or outcome.last.state, displaced)


def at_once(node: FaultNode, *wants: Any) -> list[Any]:
    """Runs that begin at the same moment."""
    COUNTS["runs at once"] += len(wants)
    barrier = threading.Barrier(len(wants))
    with ThreadPoolExecutor(len(wants)) as pool:
        jobs = [pool.submit(run, node, f"run-{number}", want, barrier) for number, want in enumerate(wants)]
        return [job.result() for job in jobs]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_on_one_container_one_of_two_acts_and_the_other_is_told_who_does(faults: FaultNode, number: int) -> None:
    faults.fresh()
    faults.pve.task_delay["vzcreate"] = 60  # longer than the other needs to find out
    ends = at_once(faults, wanted(), wanted())
    told = [end for end in ends if isinstance(end, lease.LeaseHeldError)]
    assert len(told) == 1
    winner = next(name for name, end in zip(("run-0", "run-1"), ends, strict=True) if end is not told[0])
    for words in (f"run {winner} of u", f"on host of {winner}", "since 20", "PID 7", "wait for it to end"):
        assert words in str(told[0])
    assert [end for end in ends if end is not told[0]] == [("completed", None)]
    assert faults.made("POST /nodes/pve/lxc") == 1
    faults.calm()
    faults.settled(wanted())


@pytest.mark.parametrize("number", range(ROUNDS))
def test_on_a_source_and_its_clone(faults: FaultNode, number: int) -> None:
    """The clone is made of a complete source or refused with the limit that helps, never of a half-made one."""
    faults.fresh()
    source = wanted(900, is_template=True)
    clone = wanted(950, template=None, clone_from_ctid=900, storage_pool=None, storage_size_gb=None)
    ends = at_once(faults, source, clone)
    assert ends[0] == ("completed", None)
    text = str(ends[1][0])
    assert text == "completed" or "lineage_950" in text or "900 is not on node" in text, text
    faults.calm()
    assert run(faults, "run-2", clone)[0] == "completed"
    faults.settled(source)
    faults.settled(clone)


def test_on_different_containers_nobody_waits_for_anybody(faults: FaultNode) -> None:
    faults.fresh()
    wants = [wanted(ctid, name=f"web{ctid}") for ctid in range(950, 956)]
    assert at_once(faults, *wants) == [("completed", None)] * 6
    faults.calm()
    for want in wants:
        faults.settled(want)


def test_a_dead_runs_lease_is_taken_over_by_its_controller_at_once(faults: FaultNode) -> None:
    COUNTS["runs at once"] += 1
    faults.fresh()
    leases(faults).acquire(950, identity("dead"), [])
    assert isinstance(run(faults, "elsewhere", wanted()), lease.LeaseHeldError)
    assert run(faults, "next", wanted(), dead=("dead",)) == ("completed", "dead")


def test_a_dead_runs_lease_is_taken_over_from_elsewhere_after_two_minutes(
    faults: FaultNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    COUNTS["runs at once"] += 1
    faults.fresh()
    leases(faults).acquire(950, identity("dead"), [])
    real = lease.time.monotonic
    later = type("Later", (), {**vars(lease.time), "monotonic": staticmethod(lambda: real() + 119)})
    monkeypatch.setattr(lease, "time", later)
    assert isinstance(run(faults, "next", wanted()), lease.LeaseHeldError)
    later.monotonic = staticmethod(lambda: real() + 121)
    assert run(faults, "next", wanted()) == ("completed", "dead")


def test_a_run_that_was_taken_for_dead_makes_no_further_call(faults: FaultNode) -> None:
    """Its controller is gone and its lease another's: the module on the node stops before its next call."""
    COUNTS["runs at once"] += 1
    faults.fresh()
    held = leases(faults)
    held.acquire(950, identity("old"), [])
    held.acquire(950, identity("new"), ["old"])
    with pytest.raises(Exception, match="run new has taken container 950 over"):
        faults.drive(wanted(), guard=lambda: held.check(950, identity("old")))
    assert faults.mutations_done() == []


def test_a_displaced_run_that_is_continued_makes_no_call_although_the_lease_is_free(faults: FaultNode) -> None:
    """It was stopped between two of its calls; the run that displaced it has ended and given the lease back."""
    COUNTS["runs at once"] += 1
    faults.fresh()
    leases(faults).acquire(950, identity("old"), [])
    assert run(faults, "new", wanted(), dead=("old",)) == ("completed", "old")
    assert leases(faults).holder(950) is None
    faults.calm()
    faults.pve.asked.clear()
    for want in (wanted(), wanted(memory_mb=2048), wanted(target="absent")):
        assert "run new has taken container 950 over" in str(run(faults, "old", want))
    assert faults.mutations_done() == []
    assert run(faults, "third", wanted(memory_mb=2048)) == ("completed", None)
