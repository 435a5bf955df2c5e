# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planted links are refused and never followed; every file that a drive makes is 0600, every directory 0750."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from fault_node import FaultNode, wanted
from proof_counts import COUNTS
from pure_parts import audit, bounded, executor, guest, lease, store, waiting

CANARY = "not ours\n"
RUN = {"id": "run-1", "user": "u", "controller": "c", "pid": 1}


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """What the links lead to: a file that nothing of ours may read or change."""
    path = tmp_path / "victim"
    path.write_text(CANARY)
    path.chmod(0o644)
    return path


def untouched(victim: Path) -> None:
    """It is as it was."""
    COUNTS["planted links"] += 1
    assert victim.read_text() == CANARY
    assert stat.S_IMODE(victim.stat().st_mode) == 0o644


@pytest.mark.parametrize("name", ["state/950.state", "records/950.json"])
def test_a_link_in_the_place_of_a_file_is_refused(tmp_path: Path, victim: Path, name: str) -> None:
    kept = store.Store(str(tmp_path / "lib"))
    place = tmp_path / "lib" / name
    place.parent.mkdir(parents=True, mode=0o750)
    place.symlink_to(victim)
    with pytest.raises(store.StoreError, match=str(place)):
        kept.load(950)
    untouched(victim)
    kept.write_word(950, "created")  # what is written replaces the link, and goes not through it
    untouched(victim)


@pytest.mark.parametrize("name", ["state/.950.state.new", "records/.950.json.new"])
def test_a_link_in_the_place_of_a_temporary_file_is_replaced(tmp_path: Path, victim: Path, name: str) -> None:
    kept = store.Store(str(tmp_path / "lib"))
    place = tmp_path / "lib" / name
    place.parent.mkdir(parents=True, mode=0o750)
    place.symlink_to(victim)
    kept.write_word(950, "created")
    kept.update_record(950, ours=True)
    untouched(victim)
    assert kept.load(950).word == "created"


@pytest.mark.parametrize("name", [".", "state", "records", "leases"])
def test_a_link_in_the_place_of_a_directory_is_refused(tmp_path: Path, victim: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "records").mkdir(parents=True)
    (elsewhere / "950.json").write_text('{"ours": true}')
    place = tmp_path / "lib" if name == "." else tmp_path / "lib" / name
    place.parent.mkdir(exist_ok=True, mode=0o750)
    place.symlink_to(elsewhere)
    kept = store.Store(str(tmp_path / "lib"))
    leases = lease.Leases(str(tmp_path / "lib"), str(tmp_path / "busy"))
    before = sorted(path.name for path in elsewhere.rglob("*"))
    refused = 0
    for act in (
        lambda: kept.write_word(950, "created"),
        lambda: kept.update_record(950, ours=True),
        lambda: leases.acquire(950, RUN, []),
    ):
        try:
            act()
        except store.StoreError as error:
            refused += "move it away" in str(error)
    assert refused == (3 if name == "." else 1)
    assert sorted(path.name for path in elsewhere.rglob("*")) == before
    untouched(victim)


@pytest.mark.parametrize("what", ["link", "fifo"])
@pytest.mark.parametrize("name", ["leases/.lock", "leases/950.json", "busy/950.busy"])
def test_a_planted_lock_file_is_refused_and_holds_nobody_up(tmp_path: Path, victim: Path, name: str, what: str) -> None:
    leases = lease.Leases(str(tmp_path / "lib"), str(tmp_path / "busy"))
    place = tmp_path / ("lib" if name.startswith("leases") else "") / name
    place.parent.mkdir(parents=True, mode=0o750)
    place.symlink_to(victim) if what == "link" else os.mkfifo(place, 0o600)
    told = str(place)
    try:
        with leases.working(950, RUN, []):
            assert what == "fifo"  # whose lock is as good as a file's
    except store.StoreError as error:
        told = str(error)
    assert str(place) in told
    untouched(victim)


@pytest.mark.parametrize("what", ["file", "directory"])
def test_a_link_in_the_log_directory_is_refused(tmp_path: Path, victim: Path, what: str) -> None:
    trail = audit.Audit("run-1", directory=str(tmp_path / "log"))
    trail.write(950, "first", "ok")
    (name,) = os.listdir(tmp_path / "log")
    if what == "file":
        (tmp_path / "log" / name).unlink()
        (tmp_path / "log" / name).symlink_to(victim)
    else:
        (tmp_path / "log" / name).unlink()
        (tmp_path / "log").rmdir()
        (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").mkdir()
    with pytest.raises(store.StoreError, match=str(tmp_path / "log")):
        trail.write(950, "second", "ok")
    untouched(victim)


@pytest.mark.parametrize("place", ["ledger.json", "ledger.json.new", "."])
def test_a_link_inside_a_guest_leads_nowhere_outside(
    tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The scripts run inside the guest: here in a folder of the test, as its root would."""
    home = tmp_path / "guest"
    home.mkdir()
    seen: list[list[str]] = []
    path = str(home / "ledger.json")
    scripts = {name: getattr(guest, name).replace(guest.ledger.PATH, path) for name in ("_LOOK", "_WRITE")}
    for name, script in scripts.items():
        monkeypatch.setattr(guest, name, script)

    def inside(argv: list[str], timeout: float, **options: Any) -> Any:
        seen.append(argv)
        return real(argv[argv.index("--") + 1 :], timeout, **options)

    real = bounded.run
    monkeypatch.setattr(bounded, "run", inside)
    if place == ".":
        home.rmdir()
        home.symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").mkdir()
    elif place == "ledger.json":
        (home / place).symlink_to("/dev/zero")
        assert "not a regular file" in str(guest.look(950, "boot").error)
    else:
        (home / place).symlink_to(tmp_path / "of the guest")
    guest.write_ledger(950, '{"version": 1}')
    untouched(victim)
    assert all(argv[0] == "lxc-attach" and argv[argv.index("-n") + 1] == "950" for argv in seen)


# --------------------------------------------------------------------------------------------------- permission bits
def test_every_file_of_a_whole_drive_is_for_its_owner_alone(faults: FaultNode) -> None:
    faults.fresh()
    before = os.umask(0)  # what an odd umask must not loosen
    try:
        faults.drive(wanted(lxc_options=["lxc.cap.drop: mknod"]))
        leases = lease.Leases(str(faults.directory / "state"), str(faults.directory / "busy"))
        with leases.working(950, RUN, []):
            pass
    finally:
        os.umask(before)
    found = 0
    for root in ("state", "log", "busy"):
        for path in (faults.directory / root, *(faults.directory / root).rglob("*")):
            found += 1
            wanted_mode = 0o750 if path.is_dir() else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == wanted_mode, path
    COUNTS["files and directories whose permission bits were looked at"] += found
    assert found >= 9
    assert stat.S_IMODE((faults.conf_dir / "950.conf").stat().st_mode) == 0o640  # as PVE has it


# ---------------------------------------------------------------------------------------------------------- full disk
def test_a_full_disk_at_any_write_of_ours_is_told_and_resumed(
    faults: FaultNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write in turn finds the disk full; the file is named, nothing half is left, and the next run ends well."""
    real, left = os.fsync, [0]

    def full(handle: int) -> None:
        if str(faults.directory / "state") in os.readlink(f"/proc/self/fd/{handle}"):
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(store.os, "fsync", full)
    for at in range(1, 60):
        faults.fresh()
        left[0] = at
        try:
            text = faults.attempt(wanted())
        except store.StoreError as error:  # in the play's part
            text = f"{error}: make room"
        if left[0] > 0:
            break
        COUNTS["writes that found the disk full"] += 1
        assert "No space left on device" in text
        assert str(faults.directory / "state") in text
        assert "make room" in text
        assert list((faults.directory / "state").rglob("*.new")) == []
        left[0] = 0
        assert faults.attempt(wanted(), resumes=True) is None
        faults.settled(wanted())
        assert faults.made("POST /nodes/pve/lxc") == 1
    assert at > 5


def test_a_full_disk_under_the_trail_does_not_hide_what_failed(
    faults: FaultNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.fresh()
    faults.backend.failures[("create", 950, None)] = "archive is broken"
    real = os.write

    def full(handle: int, data: bytes) -> int:
        if b"outcome=failed" in data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, data)

    monkeypatch.setattr(audit.os, "write", full)
    assert "archive is broken" in str(faults.attempt(wanted()))


def test_a_line_of_the_trail_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    trail = audit.Audit("run-1", directory=str(tmp_path / "log"))
    trail.write(950, "first", "ok")
    (path,) = (tmp_path / "log").iterdir()
    path.write_bytes(path.read_bytes()[:-10])
    trail.write(950, "second", "ok")
    assert [line.count("run=") for line in path.read_text().splitlines()] == [1, 1]


def test_a_clock_that_is_set_back_makes_nothing_wait(faults: FaultNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every look at the clock it is an hour earlier: waits go by the kernel's monotonic clock."""
    faults.fresh()
    now = [time.time()]

    def back() -> float:
        now[0] -= 3600
        return now[0]

    faults.pve.task_delay["vzcreate"] = 40
    begun = time.monotonic()
    for module in (executor, waiting, lease):
        monkeypatch.setattr(module, "time", type("Clock", (), {**vars(time), "time": staticmethod(back)}))
    leases = lease.Leases(str(faults.directory / "state"), str(faults.directory / "busy"))
    with leases.working(950, RUN, []):
        assert faults.attempt(wanted()) is None
    with pytest.raises(lease.LeaseHeldError):
        leases.acquire(950, {**RUN, "id": "run-2"}, [])
    assert leases.acquire(950, {**RUN, "id": "run-2"}, ["run-1"]) == "run-1"
    assert time.monotonic() - begun < 60
    faults.settled(wanted())
