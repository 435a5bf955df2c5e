# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an interrupted run left running inside a container is ended, not awaited.

The busy file leads to it: who has it open on the node on behalf of that run, which its arguments name, and what
descends from these into the container. A foreign command is left alone. A package manager gets a short time
first, since one that is ended while it unpacks leaves work for ``dpkg --configure -a``, which the next run does. An
application's supervisor descends from nobody by then, and goes on to be adopted.
"""

from __future__ import annotations

import signal
import time

from . import processes

PATIENCE = 60.0
"""Seconds that a running package manager gets to end by itself."""
GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""
PACKAGE_MANAGERS = frozenset(
    {
        "apt",
        "apt-get",
        "aptitude",
        "dpkg",
        "dpkg-deb",
        "unattended-upgr",
        "dnf",
        "yum",
        "rpm",
        "zypper",
        "apk",
        "pacman",
    }
)


class Leftovers:
    """The processes inside a container that descend from a run's commands: those that have its busy file open."""

    def __init__(
        self, busy: str, run: str, proc: str = "/proc", patience: float = PATIENCE, grace: float = GRACE
    ) -> None:
        self._busy = busy
        self._run = run.encode()
        self._proc = proc
        self._tree = processes.Tree(proc=proc)
        self._patient_until = time.monotonic() + patience
        self._grace = grace
        self._killing: float | None = None

    def end(self) -> None:
        """Look for them, and send those what is due: nothing yet, SIGTERM, or SIGKILL. Call it until nothing is busy.

        A running module of the node is no leftover: it looks at the lease and ends by itself.
        """
        holders = processes.holders(self._busy, self._proc)
        members = self._tree.grow(pid for pid in holders if self._run in _arguments(pid, self._proc))
        inside = {pid for pid in members if processes.is_inside(pid, self._proc)}
        if not inside:
            return
        now = time.monotonic()
        if now < self._patient_until and any(_name(pid, self._proc) in PACKAGE_MANAGERS for pid in inside):
            return
        if self._killing is None:
            self._killing = now + self._grace
        self._tree.signal(signal.SIGTERM if now < self._killing else signal.SIGKILL, inside)


def _arguments(pid: int, proc: str) -> list[bytes]:
    try:
        with open(f"{proc}/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def _name(pid: int, proc: str) -> str:
    try:
        with open(f"{proc}/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read(64).rstrip("\n")
    except OSError:
        return ""
