# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits and figures of running guests, straight from the node's cgroup files, version 1 or 2."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Mapping

from fakepve.model import TaskError

from .lxc_config import UNIFIED, limits

ROOT = Path('/sys/fs/cgroup')


def folder(vmid: int, controller: str) -> Path:
    """The guest's group for a controller such as memory or cpu."""
    base = ROOT if UNIFIED else ROOT / controller
    return base / ('lxc.payload.%d' % vmid)


def apply(vmid: int, config: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    """Write the limits whose file names start with one of keys."""
    wanted = {name: value for name, value in limits(config).items() if name.startswith(keys)}
    order = list(wanted)
    for attempt in (order, order[::-1]):
        # memory may not exceed memsw: growing needs one order, shrinking the other.
        failed = [name for name in attempt if not _write(vmid, name, wanted[name])]
        if not failed:
            return
    raise TaskError('unable to set %s of container %d' % (', '.join(failed), vmid))


def _write(vmid: int, name: str, value: str) -> bool:
    top = folder(vmid, name.split('.')[0])
    if not (top / name).exists():
        return True
    groups = [top]
    if name == 'cpuset.cpus' and not UNIFIED:
        # A parent may not lose a CPU that a child has, nor a child have one that the parent lacks.
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


def usage(vmid: int, pid: int | None) -> dict[str, Any]:
    """mem in bytes, uptime in seconds and init's children's share of CPU time are what status/current shows."""
    if pid is None:
        return {}
    found: dict[str, Any] = {}
    memory = folder(vmid, 'memory') / ('memory.current' if UNIFIED else 'memory.usage_in_bytes')
    try:
        found['mem'] = int(memory.read_text())
        ticks = int(Path('/proc/%d/stat' % pid).read_text().rsplit(')', 1)[1].split()[19])
        found['uptime'] = int(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf('SC_CLK_TCK'))
    except (OSError, ValueError, IndexError):
        pass
    return found
