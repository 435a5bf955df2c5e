# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which processes of a container have a GPU open, seen from its node: the drivers don't tell inside of one."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..._core.gpu.vendor import Vendor
from .. import quickstat

# A container names its own control groups: only what systemd accepts as a unit's name counts as one.
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,247}\.(?:service|scope)\Z")


@dataclass(frozen=True)
class User:
    """A process: its number on the node, its name, the node's devices that it has open, and its container's unit."""

    pid: int
    name: str
    devices: tuple[str, ...]
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.name or 'a program'} (process {self.pid} of the node, {' '.join(self.devices)})"


def init_of(ctid: int) -> int | None:
    """The first process of a running container, None when it doesn't run."""
    done = subprocess.run(["lxc-info", "-n", str(ctid), "-p", "-H"], capture_output=True, text=True, check=False)
    return int(done.stdout) if done.stdout.strip().isdigit() else None


def users(init: int, vendor: Vendor, devices: Mapping[str, tuple[int, int]], proc: str = "/proc") -> list[User]:
    """The processes of the container with this first process that compute on one of these devices.

    devices: path of the node -> (major, minor). By these numbers, whatever the container calls its own node.
    """
    names: dict[tuple[int, int], str] = {}
    for path, number in devices.items():
        if vendor.computes(path):
            names.setdefault(number, path)
    found = []
    for pid in members(init, proc) if names else ():
        opened = {names[number] for number in _open_devices(f"{proc}/{pid}/fd") if number in names}
        if opened:
            found.append(User(pid, _name(pid, proc), tuple(sorted(opened)), unit_of(pid, init, proc)))
    return found


def members(init: int, proc: str = "/proc") -> list[int]:
    """The processes of a container: those of its PID namespace, and all that descend from them.

    Those of containers inside it have namespaces of their own, and descend from the container's.
    """
    own = _namespace(init, proc)
    parents = {pid: _parent(pid, proc) for pid in _pids(proc)}
    inside: dict[int, bool] = {0: False, init: True}

    def belongs(pid: int) -> bool:
        chain = []
        while pid not in inside:
            if own and _namespace(pid, proc) == own:
                inside[pid] = True
                break
            chain.append(pid)
            inside[pid] = False  # a parent that is gone, or a number used again meanwhile: no endless way up
            pid = parents.get(pid) or 0
        for passed in chain:
            inside[passed] = inside[pid]
        return inside[pid]

    return sorted(pid for pid in parents if belongs(pid))


def unit_of(pid: int, init: int, proc: str = "/proc") -> str:
    """The unit of the container's own systemd that a process is part of, by its control group; empty without one.

    A user's services count as that user's manager (user@1000.service), which no unit of the system is mistaken for.
    """
    top = _group(init, proc).rpartition("/")[0]  # init itself is in init.scope
    path = _group(pid, proc)
    parts = path[len(top) + 1 :].split("/") if path.startswith(f"{top}/") else []
    return next((part for part in parts if _UNIT.match(part)), "")


def _group(pid: int, proc: str) -> str:
    """The control group that systemd put a process into: that of version 2, or of version 1's name=systemd."""
    try:
        with open(f"{proc}/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return ""  # ended meanwhile
    groups = {fields[1]: fields[2] for fields in lines if len(fields) == 3}
    return groups.get("name=systemd") or groups.get("", "")


def _pids(proc: str) -> Iterable[int]:
    return [int(name) for name in os.listdir(proc) if name.isdigit()]


def _parent(pid: int, proc: str) -> int | None:
    try:
        with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None  # ended meanwhile


def _namespace(pid: int, proc: str) -> str:
    try:
        return os.readlink(f"{proc}/{pid}/ns/pid")
    except OSError:
        return ""


def _open_devices(folder: str) -> Iterator[tuple[int, int]]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            found = quickstat.look(f"{folder}/{name}")
        except OSError:
            continue
        if stat.S_ISCHR(found.mode):
            yield found.stands_for


def _name(pid: int, proc: str) -> str:
    try:
        with open(f"{proc}/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return "".join(char if char.isprintable() else "?" for char in file.read().strip())
    except OSError:
        return ""
