# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The memory of a node's GPUs against what a run is about to start on them.

The check of the files knows what stands in them. Only the node knows how many GPUs there are, that two assignments mean
the same card, what runs there although no file says so, and what a program outside of any container has taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from ..pve import properties
from .devices import GpuError, Gpus, chosen

SHARE = "vllm_gpu_memory_utilization"
RANKS = "vllm_tensor_parallel_size"
MODEL = "vllm_model"
DEFAULT_SHARE = 0.92
"""vLLM 0.32's own, for a container that says nothing."""
RUNNING = ("running", "customizing", "completed")
_CARD = re.compile(r"/dev/nvidia(\d+)\b")
_CGROUP = re.compile(r"/lxc(?:\.payload\.|\.monitor\.|/)(\d+)(?:/|$)", re.MULTILINE)

Path = tuple[Union[str, int], ...]
Fault = tuple[Path, str, str, str, tuple[int, ...]]
"""Path in the containers' file, actual value, expected value, remedy, and the containers that can't continue."""


@dataclass(frozen=True)
class Claim:
    """A container that this run leaves running, and what it takes of each of its GPUs.

    ``assignment``: as in gpu_assignment, None for all GPUs. ``told``: the share stands in the file.
    """

    ctid: int
    assignment: str | None
    share: float | None = None
    told: bool = True
    ranks: int = 1

    def place(self, key: str) -> Path:
        """The path of a key of it."""
        return ("lxc_configs", str(self.ctid), key)


@dataclass(frozen=True)
class Memory:
    """Of one GPU, in MiB."""

    total: int
    used: int


@dataclass(frozen=True)
class Load:
    """What is on the node's GPUs now.

    ``holders``: running container -> the minors of its GPUs. ``memory``: UUID -> its memory, empty where nvidia-smi
    can't tell. ``taken``: (UUID, container) -> MiB of its processes; container None for what is in none.
    """

    node: Gpus = field(default_factory=Gpus)
    holders: Mapping[int, frozenset[int]] = field(default_factory=dict)
    memory: Mapping[str, Memory] = field(default_factory=dict)
    taken: Mapping[tuple[str, int | None], int] = field(default_factory=dict)


def claim(ctid: int, config: Mapping[str, Any], assignment: str | None, final_state: str) -> Claim | None:
    """What a container that needs GPUs takes of them after the run; None for one that does not run then."""
    if config.get("is_template") or final_state not in RUNNING or assignment == "none":
        return None
    share, ranks = config.get(SHARE), config.get(RANKS)
    told = isinstance(share, (int, float)) and not isinstance(share, bool)
    if not told and not config.get(MODEL) and ranks is None:
        return None
    value = float(share) if told and share is not None else DEFAULT_SHARE if config.get(MODEL) else None
    return Claim(ctid, assignment, value, told, int(ranks or 1))


def cards(head: Mapping[str, str], raw: Iterable[tuple[str, str]]) -> frozenset[int]:
    """The minors of the GPUs that a container's config passes on, by devN or by raw lines."""
    paths = [properties.parse(text, "path").get("path", "") for key, text in head.items() if re.match(r"dev\d+\Z", key)]
    lines = [value for key, value in raw if key == "lxc.mount.entry"]
    return frozenset(int(found) for text in (*paths, *lines) for found in _CARD.findall(text))


def container_of(cgroup: str) -> int | None:
    """The container of a process, from its /proc/PID/cgroup."""
    found = _CGROUP.search(cgroup)
    return int(found.group(1)) if found else None


def parse_memory(text: str) -> dict[str, Memory]:
    """``nvidia-smi --query-gpu=uuid,memory.total,memory.used --format=csv,noheader,nounits``, what is N/A left out."""
    found = {}
    for fields in _rows(text, 3):
        if fields[1].isdigit() and fields[2].isdigit():
            found[fields[0]] = Memory(int(fields[1]), int(fields[2]))
    return found


def parse_processes(text: str) -> list[tuple[str, int, int]]:
    """(UUID, process, MiB) of ``nvidia-smi --query-compute-apps=gpu_uuid,pid,used_memory`` in the same format."""
    return [
        (fields[0], int(fields[1]), int(fields[2]))
        for fields in _rows(text, 3)
        if fields[1].isdigit() and fields[2].isdigit()
    ]


def judge(claims: Iterable[Claim], others: Mapping[int, float | None], load: Load) -> tuple[list[Fault], list[str]]:
    """(faults, warnings). ``others``: the share of each container of the file that this run leaves alone."""
    items = {item.ctid: item for item in claims}
    on: dict[int, list[Claim]] = {}
    faults: list[Fault] = []
    for item in items.values():
        try:
            gpus = chosen(load.node, item.assignment)
        except GpuError:
            continue  # the container's own plan says so
        if item.ranks > max(len(gpus), 1):
            faults.append(_too_many_ranks(item, len(gpus)))
        for gpu in gpus:
            on.setdefault(gpu.minor, []).append(item)
    warnings: list[str] = []
    for index, gpu in enumerate(load.node.gpus):
        mine = [item for item in on.get(gpu.minor, ()) if item.share is not None]
        if not mine:
            continue
        theirs, unknown = _theirs(gpu.minor, gpu.uuid, set(items), others, load)
        if unknown:
            warnings.append(
                f"GPU {index} is also passed on to {', '.join(map(str, unknown))}, which this run leaves running; what "
                "they take of its memory is unknown"
            )
        _sum(index, mine, theirs, faults, warnings)
    return _once(faults), list(dict.fromkeys(warnings))


def _theirs(
    minor: int, uuid: str, mine: set[int], others: Mapping[int, float | None], load: Load
) -> tuple[list[tuple[str, float]], list[int]]:
    """What this run does not start on a GPU: (who, share), and the containers with an unknown share."""
    memory = load.memory.get(uuid)
    found: list[tuple[str, float]] = []
    unknown: list[int] = []
    for ctid, minors in sorted(load.holders.items()):
        if ctid in mine or minor not in minors:
            continue
        share = others.get(ctid)
        if share is not None:
            found.append((f"{ctid}, which runs ({share:g})", share))
        elif memory is None or not memory.total:
            unknown.append(ctid)
        elif load.taken.get((uuid, ctid)):
            used = load.taken[uuid, ctid] / memory.total
            found.append((f"{ctid}, which runs and takes {load.taken[uuid, ctid]} MiB now ({used:.2f})", used))
    outside = load.taken.get((uuid, None), 0)
    if outside and memory is not None and memory.total:
        found.append((f"programs of the node itself with {outside} MiB", outside / memory.total))
    return found, unknown


def _sum(
    index: int, mine: list[Claim], theirs: list[tuple[str, float]], faults: list[Fault], warnings: list[str]
) -> None:
    total = sum(item.share or 0 for item in mine) + sum(share for _who, share in theirs)
    if round(total, 2) <= 1:
        return
    told = [item for item in mine if item.told]
    sure = sum(item.share or 0 for item in told) + sum(share for _who, share in theirs)
    at = (told or mine)[-1]
    with_it = [f"{item.ctid} ({item.share:g}{'' if item.told else ', as vLLM does by itself'})" for item in mine]
    with_it = [text for item, text in zip(mine, with_it) if item is not at] + [who for who, _share in theirs]
    together = f" together with {'; '.join(with_it)}" if with_it else ""
    if told and round(sure, 2) > 1:
        got = f"got {at.share:g}, which makes {total:.2f} of GPU {index}{together}"
        limit = "at most 1.0 of a GPU for all that runs on it at the same time"
        faults.append((at.place(SHARE), got, limit, _REMEDY, tuple(item.ctid for item in mine)))
    else:
        itself = "" if at.told else "as vLLM does by itself, "
        warnings.append(
            f"container {at.ctid} takes {at.share:g} of GPU {index}, {itself}which makes {total:.2f}{together}; "
            f"set {SHARE}"
        )


_REMEDY = "Lower it, assign another GPU, or stop what runs there."


def _too_many_ranks(item: Claim, have: int) -> Fault:
    counted = f"the number of its GPUs on the node ({have})"
    return (
        item.place(RANKS),
        f"got {item.ranks}",
        f"at most {counted}",
        "Lower it, or assign more GPUs.",
        (item.ctid,),
    )


def _rows(text: str, count: int) -> list[list[str]]:
    rows = ([part.strip() for part in line.split(",")] for line in text.splitlines())
    return [row for row in rows if len(row) == count]


def _once(faults: list[Fault]) -> list[Fault]:
    """One fault a key: of several full GPUs only the first one."""
    found: dict[Path, Fault] = {}
    for fault in faults:
        found.setdefault(fault[0], fault)
    return list(found.values())
