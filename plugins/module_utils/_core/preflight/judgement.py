# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The live preflight's judgement: what the plans of a run ask of their node against what the node has.

Everything that is wrong is found at once. Pure: the facts were gathered before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..container.model import Plan, Step, entry_of
from ..container.registry.option import has_reached
from ..gpu import memory_budget
from ..pve.apicalls import Call, Kind
from ..pve.storagecfg import BACKUPS, ROOTDIR, TEMPLATES, Storage
from . import layerstorage, optionneeds, privileges, storageuse, subids
from .candidates import Candidate, Path
from .demands import BACKUP, BRIDGE, DEVICE, DISK, FOLDER, FREED, LAYERS, TEMPLATE, Demand, demands
from .node_faults import Finding

GIB = 1024**3


@dataclass(frozen=True)
class Room:
    """What a storage has, in bytes. ``problem`` says why nothing is known: it does not answer, it is not active."""

    free: int | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Facts:
    """What was looked up on the node, for what the plans ask for and nothing else.

    ``templates`` holds the templates of each storage that was asked for (name -> bytes), None where they can't be
    listed; ``appliances`` is PVE's appliance index, None when it wasn't needed or can't be read. ``coming`` names the
    storages, bridges and folders that the hypervisor's configuration makes: in check mode they need not exist yet.
    ``scripts`` says what is wrong with each hook script, None for nothing; ``zones`` are the time zones that PVE takes.
    ``vnets`` are the virtual networks that are in force, each with its zone.
    ``loads`` are what is on the GPUs, by vendor, none where nothing is to be started on one; ``shares`` is what the
    containers of the file that this run leaves alone say that they take. ``guests`` are those of the cluster, as far as
    containers depend on them and the file does not have them.
    """

    node: str
    storages: Mapping[str, Storage] = field(default_factory=dict)
    rooms: Mapping[str, Room] = field(default_factory=dict)
    templates: Mapping[str, Mapping[str, int] | None] = field(default_factory=dict)
    appliances: frozenset[str] | None = None
    appliances_problem: str = ""
    bridges: frozenset[str] = frozenset()
    vnets: Mapping[str, str] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()
    heads: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    ours_to_be: frozenset[int] = frozenset()
    coming: frozenset[str] = frozenset()
    credential: str = privileges.ROOT
    permissions: Mapping[str, Mapping[str, object]] | None = None
    loads: tuple[memory_budget.Load, ...] = ()
    shares: Mapping[int, float | None] = field(default_factory=dict)
    version: str = ""
    guests: frozenset[int] = frozenset()
    scripts: Mapping[str, str | None] = field(default_factory=dict)
    zones: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()
    mtus: Mapping[str, int] = field(default_factory=dict)
    ha_groups: frozenset[str] = frozenset()
    ha_rules: frozenset[str] = frozenset()
    subids: Mapping[str, Sequence[subids.Range]] | None = None


@dataclass(frozen=True)
class Verdict:
    """The whole answer for one node. ``steps`` are downloads that must be made before any container."""

    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()

    def plan(self) -> Plan:
        """The steps as a plan, for results and ``--diff``."""
        return Plan(state="", steps=self.steps)


def judge(candidates: Iterable[Candidate], facts: Facts, check: bool = False) -> Verdict:
    """All findings, warnings and downloads for the containers that a run would work on, in the run's order."""
    items = list(candidates)
    wanted = demands(items, facts.heads)
    judgement = _Judgement(facts, check, [item.ctid for item in items])
    judgement.refusals(items)
    for item in wanted:
        judgement.demand(item)
    judgement.layers([item for item in wanted if item.kind == LAYERS])
    judgement.room([item for item in wanted if item.kind in (DISK, FREED)])
    judgement.privileges(items, wanted)
    judgement.gpus(items)
    judgement.subids(items)
    judgement.dependencies(items)
    return judgement.verdict()


class _Judgement:
    """Collects while it goes over the demands."""

    def __init__(self, facts: Facts, check: bool, order: Iterable[int]) -> None:
        self._facts = facts
        self._order = [str(ctid) for ctid in order]
        self._check = check
        self._findings: list[Finding] = []
        self._warnings: list[str] = []
        self._downloads: dict[tuple[str, str], list[Demand]] = {}
        self._unusable: set[str] = set()

    def verdict(self) -> Verdict:
        """What was collected, and the downloads of the containers that have no fault."""
        # By container, in the order of the run; what belongs to a whole storage lies with its first container.
        order = {ctid: number for number, ctid in enumerate(self._order)}
        found = sorted(dict.fromkeys(self._findings), key=lambda finding: order.get(str(finding.path[1]), 0))
        unique = tuple(found)
        faulty = {ctid for finding in unique for ctid in finding.concerned}
        steps = tuple(
            download(self._facts.node, *what)
            for what, items in self._downloads.items()
            if any(item.ctid not in faulty for item in items)
        )
        return Verdict(unique, tuple(dict.fromkeys(self._warnings)), steps)

    def _fault(
        self,
        item: Demand,
        got: str,
        expected: str,
        remedy: str,
        nearest: str | None = None,
        path: Path | None = None,
        ctids: Iterable[int] = (),
    ) -> None:
        self._findings.append(Finding(path or item.path, got, expected, remedy, nearest, tuple(ctids)))

    def refusals(self, candidates: Iterable[Candidate]) -> None:
        """What the planner refused. A creation that an earlier run began is settled by the container's own module."""
        for candidate in candidates:
            refused = candidate.refusal
            if refused is None or candidate.ctid in self._facts.ours_to_be:
                continue
            keys = refused.key.split("/")
            written = keys[0] in candidate.desired.keys
            path = candidate.place(*keys) if written else candidate.place()
            remedy = refused.remedy[:1].upper() + refused.remedy[1:]
            # A path that ends with the key says it already.
            got = refused.got if written and not refused.name else replace(refused, remedy="").text()
            self._findings.append(Finding(path, got, "", remedy))

    def subids(self, candidates: Iterable[Candidate]) -> None:
        """The host IDs of `lxc.idmap` lines: without them the container is made, and never starts."""
        facts = self._facts
        for candidate in candidates if facts.subids is not None else ():
            for one in subids.lacking(candidate.desired.written, facts.subids or {}, facts.coming):
                if one.comes and self._check:
                    self._warnings.append(f"{one.got}; hypervisor_config.json has it, so a real run adds it first")
                    continue
                path = candidate.place("lxc_options", one.index)
                remedy = _PLAYBOOK if one.comes else one.remedy
                self._findings.append(Finding(path, f"{one.got} on node {facts.node}", one.expected, remedy))

    def dependencies(self, candidates: Iterable[Candidate]) -> None:
        """A guest that the file does not have may be a virtual machine or another inventory's, so it is no fault."""
        for candidate in candidates:
            for ctid in candidate.outside:
                if ctid not in self._facts.guests:
                    self._warnings.append(
                        f"container {candidate.ctid} depends on {ctid}, and no guest of node {self._facts.node} or its "
                        "cluster has that number; the run goes on. Create the guest, or remove it from dependencies"
                    )

    def demand(self, item: Demand) -> None:
        """One thing that a plan asks for."""
        facts = self._facts
        if item.kind == DISK:
            self._storage(item, ROOTDIR)
        elif item.kind == BACKUP:
            self._storage(item, BACKUPS)
        elif item.kind == TEMPLATE and self._storage(item, TEMPLATES):
            self._template(item)
        elif item.kind == BRIDGE and item.name not in facts.bridges and not self._to_come(item, "bridge"):
            known = sorted(facts.bridges)
            self._fault(
                item,
                f'bridge "{item.name}" does not exist on node {facts.node}',
                f"one of {', '.join(known)}" if known else "a bridge",
                "Write an existing bridge, or make it on the node (network.interfaces of hypervisor_config.json, "
                "or Node > Network in the web interface).",
                storageuse.nearest(item.name, known),
            )
        elif item.kind == FOLDER and item.name not in facts.folders and not self._to_come(item, "folder"):
            by_hand = f"Correct the path, or make it on the node: mkdir -p '{item.name}'"
            self._fault(
                item,
                f'got "{item.name}", which is not on node {facts.node}',
                "a file or folder of the node",
                _PLAYBOOK if item.name in facts.coming else by_hand,
            )
        elif item.kind == DEVICE and not has_reached(facts.version, item.since):
            self._fault(item, *optionneeds.device_fault(item.path, item.detail, item.since, facts.node, facts.version))
        elif item.kind in optionneeds.KINDS:
            there = optionneeds.Known(
                facts.version, facts.scripts, facts.zones, facts.pools, facts.mtus, facts.ha_groups, facts.ha_rules
            )
            found = optionneeds.fault(item.kind, item.name, item.detail, facts.node, there)
            if found is not None:
                self._fault(item, *found)

    def _to_come(self, item: Demand, what: str) -> bool:
        """In check mode, report what the hypervisor play would have made by then, as a note and not as a fault."""
        if not self._check or item.name not in self._facts.coming:
            return False
        self._warnings.append(
            f"{what} {item.name} is not on node {self._facts.node} yet; hypervisor_config.json has it, so a real run "
            "makes it first"
        )
        return True

    def _storage(self, item: Demand, content: str) -> bool:
        """Whether the storage can be used for this content; what is wrong with it is noted."""
        facts, name = self._facts, item.name
        storage = facts.storages.get(name)
        if storage is None:
            if not self._to_come(item, "storage"):
                known = sorted(
                    s.name
                    for s in facts.storages.values()
                    if content in s.content and not storageuse.elsewhere(s, facts.node)
                )
                self._fault(
                    item,
                    f'storage "{name}" does not exist on node {facts.node}{_default(item)}',
                    f"a storage for {storageuse.holds(content)}" + (f": {', '.join(known)}" if known else ""),
                    f"Write an existing storage (pvesm status), or add it: pvesm add TYPE {name} --content {content} …",
                    storageuse.nearest(name, known),
                )
            return False
        problem = storageuse.problem(storage, content, facts.node, facts.rooms.get(name, Room()).problem)
        if problem is not None:
            self._unusable.add(name)
            self._fault(item, f'got "{name}"{_default(item)}, which {problem[0]}', problem[1], problem[2])
        return problem is None

    def _template(self, item: Demand) -> None:
        facts = self._facts
        there = facts.templates.get(item.name)
        if there is None or item.detail in there:
            return  # a storage that can't be listed just now has said so itself
        if facts.appliances is not None and item.detail in facts.appliances:
            self._downloads.setdefault((item.name, item.detail), []).append(item)
            return
        indexed, why = facts.appliances, facts.appliances_problem
        self._fault(item, *storageuse.missing_template(item.name, item.detail, there, indexed, why))

    def layers(self, items: list[Demand]) -> None:
        """The storage of layers, which is the same for all containers."""
        if items and (items[0].name in self._facts.storages or not self._to_come(items[0], "storage")):
            found = layerstorage.finding(items, self._facts.storages, self._facts.node)
            self._findings += [found] if found else []

    def room(self, disks: list[Demand]) -> None:
        """The sum of all that goes to a storage. Only where a volume takes its whole size is too little a fault."""
        for name in dict.fromkeys(item.name for item in disks if item.kind == DISK):
            storage, room = self._facts.storages.get(name), self._facts.rooms.get(name)
            if storage is None or name in self._unusable or room is None or room.free is None:
                continue
            here = [item for item in disks if item.name == name]
            total = sum(item.size for item in here)
            # What a template unpacks to is more than its archive: less than that can't work on any storage.
            least = total if storage.exact else sum(self._archive(item) for item in here)
            per_container: dict[int, int] = {}
            for item in here:
                per_container[item.ctid] = per_container.get(item.ctid, 0) + item.size
            who = ", ".join(f"{ctid}: {_gib(size)}" for ctid, size in per_container.items())
            if least > room.free:
                first = next(item for item in here if item.kind == DISK)
                place = (*first.path[:2], "storage_size_gb") if first.detail == "rootfs" else first.path
                self._fault(
                    first,
                    f"storage {name} has {_gib(room.free)} free, this run's new disks take {_gib(least)} at least "
                    f"({who})",
                    "room for all of them",
                    f"Make room on {name}, ask for smaller disks, or spread them over other storages.",
                    path=place,
                    ctids=dict.fromkeys(item.ctid for item in here if item.kind == DISK),
                )
            elif total > room.free:
                self._warnings.append(
                    f"storage {name} on node {self._facts.node} has {_gib(room.free)} free, and this run's new disks "
                    f"may grow to {_gib(total)} ({who}); they begin small ({storage.kind}), so this is no fault yet"
                )

    def _archive(self, item: Demand) -> int:
        storage, _separator, name = item.at_least.partition(":")
        return (self._facts.templates.get(storage) or {}).get(name, 0)

    def gpus(self, candidates: Iterable[Candidate]) -> None:
        """The memory of the GPUs that something is about to be started on."""
        claims = [claim for item in candidates for claim in item.claims]
        for load in self._facts.loads:
            faults, warnings = memory_budget.judge(claims, self._facts.shares, load)
            self._findings += [Finding(*fault[:4], ctids=fault[4]) for fault in faults]
            self._warnings += warnings

    def privileges(self, candidates: list[Candidate], wanted: list[Demand]) -> None:
        """What a credential other than root@pam lacks, with the commands that grant it."""
        facts = self._facts
        if facts.permissions is None:
            return
        loads = [
            (item.ctid, privileges.download_need(name, item.path))
            for (name, _file), items in self._downloads.items()
            for item in items
        ]
        needs = privileges.needs(candidates, wanted, facts.vnets, facts.version) + [need for _ctid, need in loads]
        for need, names in privileges.missing(facts.permissions, needs):
            ctids = privileges.asking(need, names, candidates, wanted, facts.vnets, facts.version)
            ctids += [ctid for ctid, other in loads if other.where == need.where and other.privilege in names]
            self._findings.append(
                Finding(
                    need.path,
                    f"{facts.credential} has no {', '.join(names)} on {need.where}",
                    "a credential that may do what this run does",
                    f"On the node: {privileges.grant(facts.credential, need.where, names)}",
                    ctids=tuple(dict.fromkeys(ctids)),
                )
            )
        for path, what in privileges.only_root(candidates, facts.heads):
            self._findings.append(
                Finding(
                    path,
                    f"{what} can't be set by {facts.credential}",
                    "root@pam itself, no role can grant it",
                    "Run this as root on the node (over SSH, without an entry api), or take the key out.",
                )
            )


_PLAYBOOK = "hypervisor_config.json makes it: run the playbook hypervisor first, or site without --limit."


def download(node: str, storage: str, template: str) -> Step:
    """The step that fetches a template from PVE's appliance index."""
    params = {"storage": storage, "template": template}
    call = entry_of(Call("POST", f"/nodes/{node}/aplinfo", params, kind=Kind.DOWNLOAD))
    return Step("download", f"not on storage {storage}, and PVE's appliance index has it", (call,), name=template)


def _default(item: Demand) -> str:
    """Where the file names no storage, the one that PVE takes by itself."""
    return " (PVE's default, since storage_pool is not set)" if item.implied else ""


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB".replace(".0 GiB", " GiB")
