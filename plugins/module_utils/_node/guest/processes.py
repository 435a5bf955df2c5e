# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes and what descends from them, ended by their identity: a number and the time of the start.

The node sees the processes inside its containers too. Ending lxc-attach alone leaves what it started inside a container
running, as a child of the node's init; so the tree is remembered before anything of it is ended.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterable
from itertools import repeat
from typing import Callable, NamedTuple

from .. import quickstat
from ..waiting import Deadline, looks

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
_LAST_WAIT = 3.0
_PAUSE = 0.02


class Process(NamedTuple):
    """A process: its number on the node, its start in ticks since the node's boot, and its parent's number."""

    pid: int
    start: int
    parent: int


def table(proc: str = "/proc") -> dict[int, Process]:
    """Return all living processes by their number. Zombies are not living."""
    found = {}
    for name in os.listdir(proc):
        if name.isdigit():
            process = read(int(name), proc)
            if process is not None:
                found[process.pid] = process
    return found


def read(pid: int, proc: str = "/proc") -> Process | None:
    """Return one process, None when it is gone or a zombie."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return Process(pid, int(fields[19]), int(fields[1]))


class Tree:
    """Processes and all that was ever seen to descend from them, also after a parent in between has ended."""

    def __init__(self, roots: Iterable[int] = (), proc: str = "/proc") -> None:
        self._proc = proc
        self._members: dict[int, Process] = {}
        self.grow(roots)

    def grow(self, roots: Iterable[int] = ()) -> dict[int, Process]:
        """Add these processes, and what members have started since. Returns the living members by their number."""
        now = table(self._proc)
        self._members.update({pid: now[pid] for pid in roots if pid in now})
        self._members = {pid: known for pid, known in self._members.items() if _same(now.get(pid), known)}
        children: dict[int, list[int]] = {}
        for process in now.values():
            children.setdefault(process.parent, []).append(process.pid)
        waiting = list(self._members)
        while waiting:
            for pid in children.get(waiting.pop(), ()):
                if pid not in self._members:
                    self._members[pid] = now[pid]
                    waiting.append(pid)
        return dict(self._members)

    def signal(self, number: int, pids: Collection[int] | None = None) -> None:
        """Send a signal to the members, or to some of them. Those that are gone are fine."""
        for pid, known in list(self._members.items()):
            if pids is None or pid in pids:
                send(known, number, self._proc)

    def end(self, grace: float = GRACE, reap: Callable[[], object] = lambda: None) -> bool:
        """Terminate the members, and kill those that are left after the grace. Returns whether all have ended.

        Before any is killed all are stopped: a shell whose command is killed first would start its next one and die,
        and nobody would know whose child that was. ``reap`` is called between looks, for children of the caller.
        """
        for number, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, _LAST_WAIT)):
            told: set[Process] = set()
            if number == signal.SIGKILL:
                self._stop()
            for _look in looks(Deadline(wait), repeat(_PAUSE)):
                reap()
                members = self.grow()
                if not members:
                    return True
                for process in set(members.values()) - told:
                    send(process, number, self._proc)
                    told.add(process)
        return False

    def _stop(self) -> None:
        """Stop the members, and what they have started meanwhile: one that is stopped starts nothing more."""
        stopped: set[Process] = set()
        for _look in looks(Deadline(_LAST_WAIT), repeat(0.0)):
            new = set(self.grow().values()) - stopped
            if not new:
                return
            for process in new:
                send(process, signal.SIGSTOP, self._proc)
            stopped |= new


def send(process: Process, number: int, proc: str = "/proc") -> None:
    """Send a signal to exactly this process, never to a later one with its number. One that is gone is fine."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        if _same(read(process.pid, proc), process):
            signal.pidfd_send_signal(handle, number)
    except OSError:
        pass  # it has ended meanwhile
    finally:
        os.close(handle)


def is_inside(pid: int, proc: str = "/proc") -> bool:
    """Return whether a process runs inside a container: in another PID namespace than this one."""
    try:
        return os.readlink(f"{proc}/{pid}/ns/pid") != os.readlink(f"{proc}/self/ns/pid")
    except OSError:
        return False


def holders(path: str, proc: str = "/proc") -> list[int]:
    """Return the processes that have a file open, this one excepted."""
    try:
        if os.path.islink(path):
            return []
        wanted = quickstat.look(path)
    except OSError:
        return []
    others = (name for name in os.listdir(proc) if name.isdigit() and int(name) != os.getpid())
    return [int(name) for name in others if _has_open(f"{proc}/{name}/fd", path, wanted)]


def _has_open(folder: str, path: str, wanted: quickstat.Known) -> bool:
    try:
        for name in os.listdir(folder):
            # The link's text first: a guest has any number of files open.
            if os.readlink(f"{folder}/{name}") == path:
                found = quickstat.look(f"{folder}/{name}")
                if (found.device, found.inode) == (wanted.device, wanted.inode):
                    return True
    except OSError:
        pass  # it has ended meanwhile
    return False


def _same(found: Process | None, known: Process) -> bool:
    return found is not None and (found.pid, found.start) == (known.pid, known.start)
