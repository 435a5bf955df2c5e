# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State files and leases on the node: whole after any kill, private, one run at a time."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import fence
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import lease as leases
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.lease import LeaseHeldError, Leases
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import processes
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.store import Store, StoreError, write_atomic

ME = {"id": "run-1", "controller": "a", "user": "root", "pid": 1}
OTHER = {"id": "run-2", "controller": "b", "user": "eve", "pid": 2}


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "state")


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_the_state_file_is_the_bare_word(root):
    store = Store(root)
    store.write_word(950, "created")
    with open(store.state_path(950), encoding="ascii") as file:
        assert file.read() == "created\n"
    assert mode(store.state_path(950)) == 0o600
    assert mode(os.path.dirname(store.state_path(950))) == 0o750


def test_a_record_is_kept_updated_and_forgotten(root):
    store = Store(root)
    store.update_record(950, ours=True, applied={"memory": "512"}, creating={"run": "r"})
    store.update_record(950, creating=None)
    store.write_word(950, "completed")
    record = store.load(950)
    assert (record.word, record.ours, record.applied, record.creating) == ("completed", True, {"memory": "512"}, None)
    assert store.known() == [950]
    store.forget(950)
    assert store.load(950).ours is False
    assert store.known() == []


def test_a_record_that_says_the_same_is_not_written_again(root):
    store = Store(root)
    store.update_record(950, ours=True)
    before = os.stat(store.record_path(950)).st_ino
    store.update_record(950, ours=True)
    assert os.stat(store.record_path(950)).st_ino == before


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"ours": "yes"}', '{"applied": []}', '{"ledger": {"version": 9}}']
)
def test_a_broken_record_makes_nothing_ours(root, text):
    store = Store(root)
    write_atomic(store.record_path(950), text)
    record = store.load(950)
    assert record.ours is False
    assert record.applied == {}
    assert record.ledger is None


def test_a_planted_link_is_not_followed(root, tmp_path):
    store = Store(root)
    store.write_word(950, "created")
    target = tmp_path / "shadow"
    target.write_text("secret")
    os.unlink(store.state_path(950))
    os.symlink(target, store.state_path(950))
    with pytest.raises(StoreError):
        store.load(950)
    store.write_word(950, "created")  # replaces the link, never its target
    assert target.read_text() == "secret"
    assert not os.path.islink(store.state_path(950))


def test_a_linked_directory_is_refused(root, tmp_path):
    os.makedirs(root)
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", os.path.join(root, "state"))
    with pytest.raises(StoreError, match="not a directory of the user"):
        Store(root).write_word(950, "created")


def test_a_full_disk_leaves_the_old_file(root, monkeypatch):
    store = Store(root)
    store.write_word(950, "created")

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        store.write_word(950, "configured")
    monkeypatch.undo()
    assert store.load(950).word == "created"
    assert os.listdir(os.path.dirname(store.state_path(950))) == ["950.state"]


def test_the_second_run_is_told_who_holds_it(root, tmp_path):
    mine = Leases(root, str(tmp_path))
    mine.acquire(950, ME, [])
    mine.acquire(950, ME, [])  # refreshing one's own is no matter
    with pytest.raises(LeaseHeldError, match=r"run-1 of root on a since .*PID 1") as held:
        mine.acquire(950, OTHER, [])
    assert held.value.holder["id"] == "run-1"
    mine.acquire(951, OTHER, [])  # another container is free


def test_a_released_lease_is_free_and_only_its_holder_releases_it(root, tmp_path):
    mine = Leases(root, str(tmp_path))
    mine.acquire(950, ME, [])
    mine.release(950, OTHER)
    assert mine.holder(950)["id"] == "run-1"
    mine.release(950, ME)
    assert mine.holder(950) is None
    mine.acquire(950, OTHER, [])


def test_a_run_that_its_controller_knows_to_be_dead_is_displaced_at_once(root, tmp_path):
    mine = Leases(root, str(tmp_path))
    mine.acquire(950, ME, [])
    assert mine.acquire(950, OTHER, ["run-1"]) == "run-1"


def age(root, seconds, boot=None):
    path = os.path.join(root, "leases", "950.json")
    with open(path, encoding="ascii") as file:
        data = json.load(file)
    data["beat"] -= seconds
    data["boot_of_node"] = boot or data["boot_of_node"]
    with open(path, "w", encoding="ascii") as file:
        json.dump(data, file)


def test_a_silent_run_elsewhere_is_displaced_after_two_minutes(root, tmp_path):
    mine = Leases(root, str(tmp_path))
    mine.acquire(950, ME, [])
    age(root, 100)
    with pytest.raises(LeaseHeldError):
        mine.acquire(950, OTHER, [])
    age(root, 21)
    assert mine.acquire(950, OTHER, []) == "run-1"


def test_a_run_at_work_inside_the_container_is_never_displaced(root, tmp_path):
    """A task may take hours: while its command runs, the kernel holds the connection plugin's lock."""
    mine = Leases(root, str(tmp_path))
    mine.acquire(950, ME, [])
    age(root, 86400)
    with open(tmp_path / "950.busy", "w", encoding="ascii") as busy:
        fcntl.flock(busy, fcntl.LOCK_SH)
        with pytest.raises(LeaseHeldError):
            mine.acquire(950, OTHER, [])
    assert mine.acquire(950, OTHER, []) == "run-1"


def test_what_a_dead_run_left_at_work_inside_is_awaited(root, tmp_path):
    mine = Leases(root, str(tmp_path))
    mine.acquire(950, ME, [])
    with open(tmp_path / "950.busy", "w", encoding="ascii") as busy:
        fcntl.flock(busy, fcntl.LOCK_SH)
        with pytest.raises(leases.LeaseBusyError, match="pct exec 950"):
            mine.acquire(950, OTHER, ["run-1"], busy_timeout=0.1)


INSIDE = """exec 9<{busy}; flock -s 9; PATH={bin}:$PATH; {command} 9<&- & echo $! > {pid}; wait; exec 9<&-"""


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """Start a command as the connection does, its process counting as one of a container; return its number."""
    started = []

    def start(command, *runs):
        (tmp_path / "950.busy").touch()
        pid = tmp_path / "pid"
        script = INSIDE.format(busy=tmp_path / "950.busy", bin=tmp_path, command=command, pid=pid)
        started.append(subprocess.Popen(["sh", "-c", script, "phoenix-pct", *runs]))
        while not pid.exists() or not pid.read_text().strip():
            assert started[0].poll() is None
        child = int(pid.read_text())
        while command.split()[0] != Path(f"/proc/{child}/comm").read_text().strip():
            assert started[0].poll() is None
        monkeypatch.setattr(processes, "is_inside", lambda found, _proc: found == child)
        return child

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_what_a_dead_run_left_inside_the_container_is_ended(root, tmp_path, inside):
    mine = Leases(root, str(tmp_path))
    mine.acquire(950, ME, [])
    child = inside("sleep 600", "run-1")
    started = time.monotonic()
    assert mine.acquire(950, OTHER, ["run-1"], busy_timeout=20) == "run-1"
    assert time.monotonic() - started < 60
    assert processes.read(child) is None


def test_what_somebody_else_does_inside_the_container_is_awaited(root, tmp_path, inside):
    mine = Leases(root, str(tmp_path))
    mine.acquire(950, ME, [])
    child = inside("sleep 600", "run-9")
    with pytest.raises(leases.LeaseBusyError):
        mine.acquire(950, OTHER, ["run-1"], busy_timeout=1)
    assert processes.read(child) is not None
    os.kill(child, 9)


def test_a_package_manager_has_a_short_time_to_end_by_itself(root, tmp_path, inside, monkeypatch):
    (tmp_path / "dpkg").symlink_to("/bin/sleep")
    mine = Leases(root, str(tmp_path))
    mine.acquire(950, ME, [])
    child = inside("dpkg 600", "run-1", "run-2")
    with pytest.raises(leases.LeaseBusyError):
        mine.acquire(950, OTHER, ["run-1"], busy_timeout=1)
    assert processes.read(child) is not None
    monkeypatch.setattr(leases, "Leftovers", functools.partial(leases.Leftovers, patience=0.3))
    mine.acquire(950, {"id": "run-3"}, ["run-2"], busy_timeout=20)
    assert processes.read(child) is None


def test_a_module_that_outlives_its_controller_is_awaited_and_stops(root, tmp_path):
    orphan, mine = Leases(root, str(tmp_path)), Leases(root, str(tmp_path))
    with orphan.working(950, ME, []):
        with pytest.raises(leases.LeaseBusyError, match="left by an interrupted run"):
            mine.acquire(950, OTHER, ["run-1"], busy_timeout=0.1)
        with pytest.raises(leases.LeaseLostError, match="run run-2 has taken container 950 over"):
            orphan.check(950, ME)
    with mine.working(950, OTHER, []):
        mine.check(950, OTHER)
    assert mine.holder(950)["id"] == "run-2"


def test_a_module_at_work_is_alive_however_long_its_task(root, tmp_path):
    theirs = Leases(root, str(tmp_path))
    with theirs.working(950, ME, []):
        age(root, 4000)
        with pytest.raises(LeaseHeldError):
            Leases(root, str(tmp_path)).acquire(950, OTHER, [])
    Leases(root, str(tmp_path)).acquire(950, OTHER, [])


def test_a_run_displaced_before_it_was_at_work_does_nothing(root, tmp_path, monkeypatch):
    mine = Leases(root, str(tmp_path))
    monkeypatch.setattr(Leases, "acquire", lambda *_args: None)  # and another takes it in that moment
    with pytest.raises(leases.LeaseLostError), mine.working(950, ME, []):
        pytest.fail("working without a lease")


def test_a_lease_from_before_the_nodes_boot_is_void(root, tmp_path):
    mine = Leases(root, str(tmp_path))
    mine.acquire(950, ME, [])
    age(root, 0, boot="another")
    assert mine.acquire(950, OTHER, []) == "run-1"


def test_a_displaced_run_never_gets_the_lease_again(root, tmp_path):
    """It was stopped and continued: the run that displaced it has ended, and the lease is free."""
    mine = Leases(root, str(tmp_path))
    mine.acquire(950, ME, [])
    mine.acquire(950, OTHER, ["run-1"])
    mine.release(950, OTHER)
    for act in (mine.acquire, lambda *_args: mine.refuse_displaced(950, ME), lambda *_args: mine.check(950, ME)):
        with pytest.raises(
            leases.LeaseLostError, match=r"run run-2 has taken container 950 over at 20.*start it again"
        ):
            act(950, ME, ["run-2"])
    with pytest.raises(leases.LeaseLostError), mine.working(950, ME, []):
        pytest.fail("a displaced run works")
    assert mine.holder(950) is None
    mine.acquire(951, ME, [])  # another container is not concerned
    mine.acquire(950, {**ME, "id": "run-3"}, [])


def test_the_fence_outlives_the_destruction_of_the_container_and_stays_small(root, tmp_path, monkeypatch):
    mine = Leases(root, str(tmp_path))
    monkeypatch.setattr(fence, "KEEP", 3)
    for number in range(5):
        mine.acquire(950, {**ME, "id": f"run {number}"}, [f"run {number - 1}"])
    Store(root).forget(950)
    with open(fence.path(root), encoding="ascii") as file:
        assert [line.split()[:3] for line in file] == [
            ["950", f"run_{number}", f"run_{number + 1}"] for number in (1, 2, 3)
        ]
    assert os.stat(fence.path(root)).st_mode & 0o777 == 0o600


def test_runs_without_an_identity_are_not_fenced(root, tmp_path):
    """A module without its action plugin: each call is a run of its own."""
    mine = Leases(root, str(tmp_path))
    manual = {"id": "manual"}
    mine.acquire(950, manual, [])
    mine.acquire(950, OTHER, ["manual"])
    mine.release(950, OTHER)
    mine.acquire(950, manual, [])


def test_a_lease_that_somebody_removed_stops_the_run(root, tmp_path):
    mine = Leases(root, str(tmp_path))
    with mine.working(950, ME, []):
        os.unlink(os.path.join(root, "leases", "950.json"))
        with pytest.raises(leases.LeaseLostError, match="the lease of container 950 is gone"):
            mine.check(950, ME)


def test_the_files_of_a_destroyed_container_go_with_it(root, tmp_path):
    store, mine = Store(root), Leases(root, str(tmp_path / "run"))
    for ctid in (950, 951):
        with mine.working(ctid, ME, []):
            store.write_word(ctid, "completed")
            store.update_record(ctid, ours=True)
            (tmp_path / "run" / f"{ctid}.clones").touch()
            if ctid == 950:
                store.forget(ctid)
                mine.forget(ctid)
        mine.release(ctid, ME)
    left = sorted(path.name for folder in (tmp_path / "run", tmp_path) for path in folder.rglob("*950*"))
    assert left == []
    assert (tmp_path / "run" / "951.busy").exists()
    mine.acquire(950, OTHER, [])
