# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arms, confirms and reports a change of the node that rolls back unless it is confirmed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..._core.host import self_revert
from ..._core.host.self_revert import Kind, Saved
from ..failure import NodeError
from ..store import lock_file, private_directory, read_private, write_atomic
from . import session

RECORDS = "/var/lib/phoenix_hypervisor/host"


class RevertError(NodeError):
    """The change can't be armed; the text says why and what to do."""


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RevertError(f"`{' '.join(words[:4])} …` failed: {done.stderr.strip()[-300:]}")
    return done.stdout


def read_record(name: str) -> dict[str, Any]:
    """What was applied last, {} when nothing was."""
    try:
        data = json.loads(read_private(f"{RECORDS}/{name}.json") or "{}")
    except (ValueError, RecursionError):
        data = {}
    return data if isinstance(data, dict) else {}


def write_record(name: str, data: Mapping[str, Any]) -> None:
    """Keep what was applied; the same is not written again."""
    if dict(data) != read_record(name):
        private_directory(os.path.dirname(RECORDS))
        write_atomic(f"{RECORDS}/{name}.json", json.dumps(data, indent=1, sort_keys=True) + "\n")


class Change:
    """The latest change of one kind."""

    def __init__(self, kind: Kind, root: str = self_revert.ROOT) -> None:
        self.kind = kind
        self.root = root
        self.folder = self_revert.folder(kind.name, root)

    def path(self, name: str) -> str:
        """A file of it."""
        return os.path.join(self.folder, name)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Against the script, and another run."""
        private_directory(os.path.dirname(self.root))
        private_directory(self.root)
        private_directory(self.folder)
        handle = lock_file(self.path("lock"), os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def phase(self) -> str:
        """The word, '' when there never was a change."""
        return (read_private(self.path("phase"), 64) or "").strip()

    def facts(self) -> dict[str, Any]:
        """What is known of it: token, timeout, since, …"""
        try:
            data = json.loads(read_private(self.path("change.json")) or "{}")
        except (ValueError, RecursionError):
            data = {}
        return data if isinstance(data, dict) else {}

    def note(self, **values: Any) -> None:
        """Keep more facts."""
        write_atomic(self.path("change.json"), json.dumps({**self.facts(), **values}, indent=1, sort_keys=True) + "\n")

    def _enter(self, phase: str) -> None:
        write_atomic(self.path("phase"), f"{phase}\n")

    # -- arming ------------------------------------------------------------------------------------------------------

    def refuse_pending(self, look: bool = False) -> None:
        """Raises RevertError while an earlier change awaits its confirmation: the current state may be rolled back.

        One whose timer is gone is rolled back now, unless this is only a look.
        """
        if self.phase() not in self_revert.PENDING:
            return
        unit = self_revert.timer_unit(self.kind.name)
        timer = subprocess.run(["systemctl", "is-active", "--quiet", f"{unit}.timer"], timeout=60, check=False)
        if timer.returncode == 0:
            seconds = self.facts().get("timeout")
            raise RevertError(
                f"a change of the node's {self.kind.what} by another run awaits its confirmation; without one it rolls "
                f"back after {seconds} s. Nothing was touched: run again then"
            )
        if not look:
            _run("systemd-run", "--quiet", "--collect", f"--unit={unit}", "/bin/sh", self.path("revert.sh"), "now")
        raise RevertError(
            f"a change of the node's {self.kind.what} was never confirmed, and its timer is gone: it "
            f"{'will be' if look else 'is being'} rolled back. Nothing else was touched: run again"
        )

    def arm(self, token: str, files: Sequence[str], timeout: int, record: Mapping[str, Any]) -> None:
        """Save the files and start the clock. Raises RevertError, StoreError, OSError; then nothing is armed."""
        with self._locked():
            self.refuse_pending()
            for stale in ("saved", "rejected"):
                shutil.rmtree(self.path(stale), ignore_errors=True)  # there only after an earlier change
            private_directory(self.path("saved"))
            saved = [self._save(number, path) for number, path in enumerate(files)]
            write_atomic(self.path("revert.sh"), self_revert.script(self.kind, saved, self.root))
            write_atomic(self.path("record.json"), json.dumps(record, sort_keys=True) + "\n")
            since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            facts = {"token": token, "timeout": timeout, "since": since, "files": list(files)}
            write_atomic(self.path("change.json"), json.dumps(facts, indent=1, sort_keys=True) + "\n")
            boot = self_revert.boot_unit(self.kind.name)
            with open(os.path.join(self_revert.UNITS, boot), "w", encoding="utf-8") as file:
                file.write(self_revert.unit(self.kind, self.root))
            os.sync()
            _run("systemctl", "--quiet", "enable", boot)
            self._enter(self_revert.ARMED)
            unit = self_revert.timer_unit(self.kind.name)
            # What an earlier script that failed left; mostly there is nothing.
            for words in (["stop", f"{unit}.timer"], ["reset-failed", f"{unit}.service"]):
                subprocess.run(["systemctl", *words], capture_output=True, timeout=60, check=False)
            try:
                _run(
                    "systemd-run", "--quiet", "--collect", f"--unit={unit}", f"--on-active={timeout}s",
                    "--timer-property=AccuracySec=200ms", "/bin/sh", self.path("revert.sh"), "now",
                )  # fmt: skip
            except (RevertError, OSError, subprocess.SubprocessError):
                self._settle(self_revert.REVERTED)
                raise

    def _save(self, number: int, path: str) -> Saved:
        try:
            with open(path, "rb") as file:
                content, mode = file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        except FileNotFoundError:
            return Saved(path, present=False)
        with open(self.path(f"saved/{number}"), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return Saved(path, present=True, mode=None if path.startswith("/etc/pve/") else mode)

    # -- the end -----------------------------------------------------------------------------------------------------

    def applied(self) -> None:
        """All of the change is in force: only a connection that began after now can confirm it."""
        with self._locked():
            if self.phase() == self_revert.ARMED:
                self.note(applied_at=session.boot_clock())
                self._enter(self_revert.APPLIED)

    def confirm(self, now: session.Session | None) -> bool:
        """Confirm it over this connection; False when the connection is none that proves anything, or too late."""
        with self._locked():
            if self.phase() != self_revert.APPLIED or now is None or now.since <= float(self.facts()["applied_at"]):
                return False
            text = read_private(self.path("record.json"))
            self._settle(self_revert.CONFIRMED)
            if text:
                write_record(self.kind.name, json.loads(text))
            return True

    def _settle(self, phase: str) -> None:
        self._enter(phase)
        subprocess.run(
            ["systemctl", "stop", f"{self_revert.timer_unit(self.kind.name)}.timer"],
            capture_output=True,
            timeout=60,
            check=False,  # it may have fired just now: the script waits for our lock and then sees the phase
        )
        boot = self_revert.boot_unit(self.kind.name)
        _run("systemctl", "--quiet", "disable", boot)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self_revert.UNITS, boot))
        for stale in ("saved", "rejected"):
            shutil.rmtree(self.path(stale), ignore_errors=True)  # there only after an earlier change
        for stale in ("revert.sh", "record.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(stale))

    def take_back(self) -> None:
        """Roll back at once instead of when its time is over; returns before it is done."""
        unit = self_revert.timer_unit(self.kind.name)
        _run("systemctl", "start", "--no-block", f"{unit}.service")
