# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits and figures of running guests, straight from the node's cgroup files, version 1 or 2."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakepve.model import TaskError

from .lxc_config import UNIFIED, limits

ROOT = Path('/sys/fs/cgroup')


def folder(pid: int, controller: str) -> Path:
    """The guest's group for a controller such as memory or cpu, from where its init runs.

    Not from its name: LXC adds -1 to it when a group of an earlier run is still there.
    """
    for line in Path(f'/proc/{pid}/cgroup').read_text().splitlines():
        _number, controllers, where = line.split(':', 2)
        payload = next((part for part in where.split('/') if part.startswith('lxc.payload.')), None)
        if payload and ((UNIFIED and not controllers) or controller in controllers.split(',')):
            return (ROOT if UNIFIED else ROOT / controller) / payload
    raise OSError(f'no {controller} group for process {pid}')


def apply(vmid: int, pid: int, config: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    """Write the limits whose file names start with one of keys."""
    wanted = {name: value for name, value in limits(config).items() if name.startswith(keys)}
    order = list(wanted)
    for attempt in (order, order[::-1]):
        # memory must not exceed memsw: growing needs one order, shrinking the other.
        failed = [name for name in attempt if not _write(pid, name, wanted[name])]
        if not failed:
            return
    raise TaskError(f"unable to set {', '.join(failed)} of container {vmid}")


def _write(pid: int, name: str, value: str) -> bool:
    top = folder(pid, name.split('.', maxsplit=1)[0])
    if not (top / name).exists():
        return True
    groups = [top]
    if name == 'cpuset.cpus' and not UNIFIED:
        # A parent cannot lose a CPU that a child has, nor a child have one that the parent lacks.
        groups = [Path(path) for path, _folders, _files in os.walk(top)]
        groups = groups + groups[::-1]
    done = False
    for group in groups:
        try:
            (group / name).write_text(value)
            done = done or group == top
        except OSError:
            continue
    return done


def usage(pid: int | None) -> dict[str, Any]:
    """mem in bytes and uptime in seconds, as status/current shows them."""
    if pid is None:
        return {}
    found: dict[str, Any] = {}
    try:
        memory = folder(pid, 'memory') / ('memory.current' if UNIFIED else 'memory.usage_in_bytes')
        found['mem'] = int(memory.read_text())
        ticks = int(Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[19])
        found['uptime'] = int(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf('SC_CLK_TCK'))
    except (OSError, ValueError, IndexError):
        pass
    return found
