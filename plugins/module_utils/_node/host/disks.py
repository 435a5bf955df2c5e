# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at disks, pools and datasets of the node. Reads only, except for ``wipe``."""

from __future__ import annotations

import os
import re
import stat
import subprocess

from ..._core.host.storage import zpools
from ..failure import NodeError

SYS = "/sys/class/block"
# Where the names of `zpool status` lead; OpenZFS shows those that the pool was made or imported with.
NAMES = (
    "/dev/disk/by-id/",
    "/dev/",
    "/dev/disk/by-path/",
    "/dev/disk/by-partuuid/",
    "/dev/disk/by-vdev/",
    "/dev/mapper/",
)


class DiskError(NodeError):
    """A tool that is needed for a safe answer failed."""


def run(*command: str) -> str:
    """Standard output of a command. Raises DiskError when it is missing or fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, timeout=300, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DiskError(f"{command[0]}: {error}") from None
    if done.returncode:
        raise DiskError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def whole(name: str) -> str:
    """The whole disk's name of a block device's: sda of sda1."""
    folder = os.path.join(SYS, name)
    if os.path.exists(os.path.join(folder, "partition")):
        return os.path.basename(os.path.dirname(os.path.realpath(folder)))
    return name


def block_name(path: str) -> str:
    """The kernel's name of the block device that a path leads to, '' when it leads to none."""
    target = os.path.realpath(path)
    try:
        mode = os.stat(target).st_mode
    except OSError:
        return ""
    return os.path.basename(target) if stat.S_ISBLK(mode) else ""


def of_status(name: str) -> str:
    """The whole disk that a name of `zpool status` means; the name itself when it is no block device."""
    for path in [name] if name.startswith("/") else [prefix + name for prefix in NAMES]:
        found = block_name(path)
        if found:
            return whole(found)
    return name


class Look:
    """What is asked of the whole node once."""

    def __init__(self) -> None:
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            self.mounted = {line.split()[2]: line.split()[4] for line in file}
        with open("/proc/swaps", encoding="utf-8") as file:
            self.swaps = {block_name(line.split()[0]) for line in file.readlines()[1:]}
        self.pools: dict[str, dict[str, object]] = {}
        self.members: dict[str, str] = {}
        for name in run("zpool", "list", "-H", "-o", "name").split():
            status = run("zpool", "status", name)
            groups = {
                role: [(kind, [of_status(disk) for disk in names]) for kind, names in rows]
                for role, rows in zpools.groups(status).items()
            }
            self.pools[name] = {"groups": groups, "properties": pool_properties(name)}
            # Logs, caches and spares belong to the pool as well.
            text = status.partition("NAME ")[2]
            for line in text.splitlines()[1:]:
                if line.startswith("\t") and line.strip():
                    self.members.setdefault(of_status(line.split()[0]), name)

    def disk(self, path: str) -> zpools.Disk:
        """Everything about a disk that forbids to use it."""
        name = block_name(path)
        if not name:
            return zpools.Disk(path, trouble="is not there" if not os.path.exists(path) else "is no block device")
        folder = os.path.join(SYS, name)
        if read(os.path.join(folder, "size")) == "0":
            return zpools.Disk(path, whole(name), trouble="has no medium")
        partitions = sorted(
            part for part in os.listdir(folder) if os.path.exists(os.path.join(folder, part, "partition"))
        )
        uses = []
        for part in [name, *partitions]:
            where = self.mounted.get(read(os.path.join(SYS, part, "dev")))
            if where:
                uses.append(f"{part} is mounted on {where}")
            if part in self.swaps:
                uses.append(f"{part} is swap")
            uses += [f"{part} is held by {holder}" for holder in sorted(os.listdir(os.path.join(SYS, part, "holders")))]
        pool = self.members.get(whole(name))
        if pool:
            uses.append(f"member of pool {pool}")
        signatures = run("wipefs", "--noheadings", "--output", "TYPE", f"/dev/{name}").split()
        return zpools.Disk(path, whole(name), tuple(dict.fromkeys(signatures)), tuple(partitions), tuple(uses))


def read(path: str) -> str:
    """A file of one line, '' when it isn't there."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def pool_properties(name: str) -> dict[str, str]:
    """A pool's own properties."""
    rows = (line.split() for line in run("zpool", "get", "all", name).splitlines()[1:])
    return {row[1]: row[2] for row in rows if len(row) >= 4}


def datasets(names: list[str]) -> dict[str, dict[str, tuple[str, str]]]:
    """Property -> (value in bytes where it is a size, source) of those datasets that are there."""
    there = set(run("zfs", "list", "-H", "-o", "name").splitlines())
    wanted = [name for name in dict.fromkeys(names) if name in there]
    result: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in wanted}
    if wanted:
        for line in run("zfs", "get", "-H", "-p", "-o", "name,property,value,source", "all", *wanted).splitlines():
            name, key, value, source = line.split("\t")
            result[name][key] = (value, re.split(r"\s", source)[0])
    return result


def wipe(path: str) -> None:
    """Remove every signature of a disk, those of its partitions first. Raises DiskError."""
    name = block_name(path)
    folder = os.path.join(SYS, name)
    for part in sorted(os.listdir(folder)):
        if os.path.exists(os.path.join(folder, part, "partition")):
            run("wipefs", "--all", f"/dev/{part}")
    run("wipefs", "--all", f"/dev/{name}")
