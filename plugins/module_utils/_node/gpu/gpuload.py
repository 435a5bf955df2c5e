# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is on the node's GPUs now: by the containers' configs, and by what the vendor's tool tells of processes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from ..._core.gpu.devices import Gpus
from ..._core.gpu.memory_budget import Load, cards, container_of
from ..._core.pve.conffile import ConfFile
from ..container.conf import observe
from . import driver_files

TIMEOUT = 30  # seconds: a driver may initialize each GPU first


def read(node: str, pve: str = observe.PVE, proc: str = "/proc") -> tuple[Load, ...]:
    """Everything at once, for each vendor. Without a driver there is nothing to ask."""
    found = driver_files.read_all()
    if not any(gpus.gpus for gpus in found):
        return tuple(Load(gpus) for gpus in found)
    running = observe.running_ctids() & observe.existing_ctids(node, pve)
    read_confs = {ctid: observe.read_conf(node, ctid, pve)[0] for ctid in running}
    confs = {ctid: conf for ctid, conf in read_confs.items() if conf is not None}
    return tuple(_load(gpus, confs, proc) if gpus.gpus else Load(gpus) for gpus in found)


def _load(gpus: Gpus, confs: dict[int, ConfFile], proc: str) -> Load:
    tool = gpus.vendor.memory
    held = {ctid: cards(conf.head, conf.raw, gpus.vendor) for ctid, conf in confs.items()}
    holders = {ctid: minors for ctid, minors in held.items() if minors}
    if tool is None:
        return Load(gpus, holders)
    memory = tool.parse_memory(_ask(tool.memory))
    taken: dict[tuple[str, int | None], int] = {}
    for uuid, pid, used in tool.parse_processes(_ask(tool.processes)):
        where = (uuid, _container(pid, proc))
        taken[where] = taken.get(where, 0) + used
    return Load(gpus, holders, memory, taken)


def _ask(command: Sequence[str]) -> str:
    """The tool's answer, empty when it has none: then the shares of the files are all that is known."""
    try:
        done = subprocess.run(list(command), capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _container(pid: int, proc: str) -> int | None:
    try:
        with open(f"{proc}/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            return container_of(file.read())
    except OSError:
        return None  # ended meanwhile
