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
from .servers import Server
from .vendor import Memory, Vendor

__all__ = ["Claim", "Fault", "Load", "Memory", "cards", "claims", "container_of", "judge"]

RUNNING = ("running", "customizing", "completed")
_CGROUP = re.compile(r"/lxc(?:\.payload\.|\.monitor\.|/)(\d+)(?:/|$)", re.MULTILINE)

Path = tuple[Union[str, int], ...]
Fault = tuple[Path, str, str, str, tuple[int, ...]]
"""Path in the containers' file, actual value, expected value, remedy, and the containers that can't continue."""


@dataclass(frozen=True)
class Claim:
    """A server in a container that this run leaves running, and what it takes of each of its GPUs.

    ``assignment``: as in gpu_assignment, None for all GPUs. ``told``: the share stands in the file. ``classes``: the
    classes of devices that the container has; empty for whichever the node has.
    """

    ctid: int
    assignment: str | None
    server: Server
    share: float | None = None
    told: bool = True
    ranks: int = 1
    classes: frozenset[str] = frozenset()

    def place(self, key: str) -> Path:
        """The path of a key of it."""
        return ("lxc_configs", str(self.ctid), key)


@dataclass(frozen=True)
class Load:
    """What is on the node's GPUs of one vendor now.

    ``holders``: running container -> the minors of its GPUs. ``memory``: UUID -> its memory, empty where the vendor's
    tool can't tell. ``taken``: (UUID, container) -> MiB of its processes; container None for what is in none.
    """

    node: Gpus = field(default_factory=Gpus)
    holders: Mapping[int, frozenset[int]] = field(default_factory=dict)
    memory: Mapping[str, Memory] = field(default_factory=dict)
    taken: Mapping[tuple[str, int | None], int] = field(default_factory=dict)


def claims(
    ctid: int,
    config: Mapping[str, Any],
    assignment: str | None,
    final_state: str,
    servers: Iterable[Server],
    classes: Iterable[str] = (),
) -> tuple[Claim, ...]:
    """What the servers of a container that needs GPUs take of them after the run, if it runs then."""
    if config.get("is_template") or final_state not in RUNNING or assignment == "none":
        return ()
    found = []
    for server in servers:
        share, ranks = server.share(config), config.get(server.ranks) if server.ranks else None
        told, model = share is not None, bool(server.model and config.get(server.model))
        if not told and not model and ranks is None:
            continue
        if not told and model:
            share = server.default_memory_share
        found.append(Claim(ctid, assignment, server, share, told, int(ranks or 1), frozenset(classes)))
    return tuple(found)


def cards(head: Mapping[str, str], raw: Iterable[tuple[str, str]], vendor: Vendor) -> frozenset[int]:
    """The minors of a vendor's GPUs that a container's config passes on, by devN or by raw lines."""
    paths = [properties.parse(text, "path").get("path", "") for key, text in head.items() if re.match(r"dev\d+\Z", key)]
    lines = [value for key, value in raw if key == "lxc.mount.entry"]
    return frozenset(minor for text in (*paths, *lines) for minor in vendor.cards_in(text))


def container_of(cgroup: str) -> int | None:
    """The container of a process, from its /proc/PID/cgroup."""
    found = _CGROUP.search(cgroup)
    return int(found.group(1)) if found else None


def judge(claims: Iterable[Claim], others: Mapping[int, float | None], load: Load) -> tuple[list[Fault], list[str]]:
    """(faults, warnings). ``others``: the share of each container of the file that this run leaves alone."""
    items = [item for item in claims if not item.classes or load.node.vendor.device_class in item.classes]
    ctids = {item.ctid for item in items}
    on: dict[int, list[Claim]] = {}
    faults: list[Fault] = []
    for item in items:
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
        theirs, unknown = _theirs(gpu.minor, gpu.uuid, ctids, others, load)
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
    with_it = [
        f"{item.ctid} ({item.share:g}{'' if item.told else f', as {item.server.name} does by itself'})" for item in mine
    ]
    with_it = [text for item, text in zip(mine, with_it) if item is not at] + [who for who, _share in theirs]
    together = f" together with {'; '.join(with_it)}" if with_it else ""
    if told and round(sure, 2) > 1:
        got = f"got {at.share:g}, which makes {total:.2f} of GPU {index}{together}"
        limit = "at most 1.0 of a GPU for all that runs on it at the same time"
        faults.append((at.place(at.server.memory_share), got, limit, _REMEDY, tuple(item.ctid for item in mine)))
    else:
        itself = "" if at.told else f"as {at.server.name} does by itself, "
        warnings.append(
            f"container {at.ctid} takes {at.share:g} of GPU {index}, {itself}which makes {total:.2f}{together}; "
            f"set {at.server.memory_share or at.server.model}"
        )


_REMEDY = "Lower it, assign another GPU, or stop what runs there."


def _too_many_ranks(item: Claim, have: int) -> Fault:
    counted = f"the number of its GPUs on the node ({have})"
    return (
        item.place(item.server.ranks),
        f"got {item.ranks}",
        f"at most {counted}",
        "Lower it, or assign more GPUs.",
        (item.ctid,),
    )


def _once(faults: list[Fault]) -> list[Fault]:
    """One fault a key: of several full GPUs only the first one."""
    found: dict[Path, Fault] = {}
    for fault in faults:
        found.setdefault(fault[0], fault)
    return list(found.values())
