# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is on the node's GPUs now: by the containers' configs, and by what nvidia-smi tells of memory and processes."""

from __future__ import annotations

import subprocess

from ..._core.gpu.memory_budget import Load, cards, container_of, parse_memory, parse_processes
from ..container import observe
from . import driver_files

TIMEOUT = 30  # seconds: without persistence mode the driver initializes each GPU first
FORMAT = "--format=csv,noheader,nounits"


def read(node: str, pve: str = observe.PVE, proc: str = "/proc") -> Load:
    """Everything at once. Without a driver there is nothing to ask."""
    found = driver_files.read_gpus()
    if not found.gpus:
        return Load(found)
    holders = {}
    for ctid in observe.running_ctids() & observe.existing_ctids(node, pve):
        conf = observe.read_conf(node, ctid, pve)[0]
        minors = cards(conf.head, conf.raw) if conf is not None else frozenset()
        if minors:
            holders[ctid] = minors
    memory = parse_memory(_ask("--query-gpu=uuid,memory.total,memory.used"))
    taken: dict[tuple[str, int | None], int] = {}
    for uuid, pid, used in parse_processes(_ask("--query-compute-apps=gpu_uuid,pid,used_memory")):
        where = (uuid, _container(pid, proc))
        taken[where] = taken.get(where, 0) + used
    return Load(found, holders, memory, taken)


def _ask(query: str) -> str:
    """nvidia-smi's answer, empty when it has none: then the shares of the files are all that is known."""
    try:
        done = subprocess.run(
            ["nvidia-smi", query, FORMAT], capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _container(pid: int, proc: str) -> int | None:
    try:
        with open(f"{proc}/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            return container_of(file.read())
    except OSError:
        return None  # ended meanwhile
