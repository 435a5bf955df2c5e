# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plans of a run ask of their node: storages with room, templates, bridges, folders.

Read from the very calls that the plans will make, so that nothing is judged that nothing needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..container import harules
from ..container.cluster import availability
from ..container.config import hostneeds
from ..container.config.growth import GIB, disk_size, disks
from ..container.origin.restores import owner
from ..container.registry import table
from ..container.wanted_places import DEFAULT_POOL, SHARED, VOLUMES
from ..pve import forms, properties
from ..pve.apicalls import Kind
from . import optionneeds
from .candidates import Candidate, Path, changed

DISK = "disk"
FREED = "freed"
TEMPLATE = "template"
BACKUP = "backup"
BRIDGE = "bridge"
FOLDER = "folder"
DEVICE = "device"
LAYERS = "layers"

PVE_DEFAULT_SIZE = 4 * GIB
_NEW_VOLUME = re.compile(r"^([A-Za-z][A-Za-z0-9._-]*):(\d+(?:\.\d+)?)\Z")
_TEMPLATE = re.compile(r"^([A-Za-z][A-Za-z0-9._-]*):vztmpl/(.+)\Z")


@dataclass(frozen=True)
class Demand:
    """One thing that a plan asks of the node. ``size`` is in bytes, for a disk what the volume may grow to.

    ``name`` is a storage, a bridge, a folder, an option, or what optionneeds says; ``detail`` the template's file name,
    the CTID of a backup, the disk's slot, the device, the VLANs of a bridge, or the first Proxmox VE that has the
    option; ``at_least`` names the template whose contents the disk will hold for certain; ``implied`` says that the
    file names no storage;
    ``since`` is the first Proxmox VE that has a device's option.
    """

    kind: str
    name: str
    ctid: int
    path: Path
    detail: str = ""
    size: int = 0
    at_least: str = ""
    implied: bool = False
    since: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Asked:
    """What must be known of the node before the demands can be judged."""

    storages: frozenset[str] = frozenset()
    templates: frozenset[tuple[str, str]] = frozenset()
    bridges: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    containers: frozenset[int] = field(default_factory=frozenset)
    version: bool = False
    scripts: frozenset[str] = frozenset()
    zones: bool = False
    pools: bool = False
    ha_groups: bool = False
    ha_rules: bool = False
    mtus: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        named = self.storages or self.bridges or self.folders or self.scripts
        return bool(named or self.version or self.zones or self.pools or self.ha_groups or self.ha_rules)


def template_of(volume: Any) -> tuple[str, str] | None:
    """``local:vztmpl/debian.tar.zst`` -> (storage, file name), None for what is no template of a storage."""
    match = _TEMPLATE.match(str(volume or ""))
    return (match.group(1), match.group(2)) if match else None


def heads_needed(candidates: Iterable[Candidate]) -> frozenset[int]:
    """The containers whose configs tell how large something is, or who may change it: clone sources among them."""
    needed = set()
    for candidate in candidates:
        for kind, ctid, params in candidate.calls():
            by_root = kind is Kind.CONFIG and any(table.row(name).root_privileged for name in changed(params))
            if by_root or kind in (Kind.CLONE, Kind.RESIZE, Kind.DESTROY):
                needed.add(ctid)
    return frozenset(needed)


def demands(candidates: Iterable[Candidate], heads: Mapping[int, Mapping[str, str]]) -> list[Demand]:
    """Everything that the plans ask for. ``heads`` are the configs of heads_needed() that exist.

    The containers of a run come in clone order, so a source's disks are known before its clones are looked at.
    """
    items = list(candidates)
    found = _layers(items)
    # Disks by container and slot: (storage, bytes). What a run makes is known from its own calls.
    known = {ctid: _disks(head) for ctid, head in heads.items()}
    for candidate in items:
        for kind, ctid, params in candidate.calls():
            if kind is Kind.DESTROY:
                found += _freed(candidate, known.pop(ctid, {}))
            elif kind is Kind.CREATE:
                known[candidate.ctid] = {}
                found += _creation(candidate, params, known)
            elif kind is Kind.CLONE:
                found += _clone(candidate, ctid, params, known)
            elif kind is Kind.RESIZE:
                found += _growth(candidate, params, known)
            if kind in (Kind.CREATE, Kind.CLONE, Kind.POOL) and candidate.desired.resource_pool:
                pool = candidate.desired.resource_pool
                found.append(Demand(optionneeds.POOL, pool, candidate.ctid, candidate.place("pool")))
            if kind is Kind.HA:
                for need, name, detail, setting in optionneeds.of_ha(ctid, params):
                    found.append(Demand(need, name, ctid, candidate.place("ha", setting), detail))
            if kind is Kind.HA_RULE:
                found += [each for each in _rules(candidate) if each not in found]
            if kind in (Kind.CREATE, Kind.CONFIG):
                found += _options(candidate, params, known)
    return found


def asked(wanted: Iterable[Demand], heads: Iterable[int] = ()) -> Asked:
    """What to look up on the node for these demands."""
    items = list(wanted)
    return Asked(
        frozenset(item.name for item in items if item.kind in (BACKUP, DISK, LAYERS, TEMPLATE)),
        frozenset((item.name, item.detail) for item in items if item.kind == TEMPLATE),
        frozenset(item.name for item in items if item.kind == BRIDGE),
        frozenset(item.name for item in items if item.kind == FOLDER),
        frozenset(heads),
        any(item.kind in (DEVICE, *optionneeds.BY_VERSION) for item in items),
        frozenset(item.name for item in items if item.kind == optionneeds.SCRIPT),
        any(item.kind == optionneeds.ZONE for item in items),
        any(item.kind == optionneeds.POOL for item in items),
        any(item.kind == optionneeds.HA_GROUP for item in items),
        any(item.kind == optionneeds.HA_RULE for item in items),
        frozenset(item.name for item in items if item.kind == optionneeds.MTU),
    )


_Known = dict[int, dict[str, tuple[str, int]]]


def _layers(candidates: Iterable[Candidate]) -> list[Demand]:
    """The storage that the inventory source names for layers, asked for by each container that takes part in them."""
    place = ("layers", "storage")
    return [Demand(LAYERS, each.layer_storage, each.ctid, place) for each in candidates if each.layer_storage]


def _disks(head: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    result = {}
    for key in disks(head):
        volume = properties.parse(head[key], "volume").get("volume", "")
        if ":" in volume and not volume.startswith("/"):
            result[key] = (volume.partition(":")[0], disk_size(head, key) or 0)
    return result


def _freed(candidate: Candidate, disks_gone: Mapping[str, tuple[str, int]]) -> Iterator[Demand]:
    """What a container that is recreated gives back before."""
    for key, (storage, size) in disks_gone.items():
        yield Demand(FREED, storage, candidate.ctid, candidate.place("storage_pool"), key, -size)


def _creation(candidate: Candidate, params: Mapping[str, Any], known: _Known) -> Iterator[Demand]:
    volume = template_of(params.get("ostemplate"))
    if volume is not None and candidate.desired.template:
        volume = template_of(candidate.desired.template)  # a layer of it counts only while it is there
    if params.get("restore"):
        backup = str(params["ostemplate"])
        place = candidate.place("restore_from")
        yield Demand(BACKUP, backup.partition(":")[0], candidate.ctid, place, str(owner(backup) or ""))
    if volume is not None:
        yield Demand(TEMPLATE, volume[0], candidate.ctid, candidate.place("template"), volume[1])
    match = _NEW_VOLUME.match(str(params.get("rootfs", "")).partition(",")[0])
    storage = match.group(1) if match else str(params.get("storage") or DEFAULT_POOL)
    size = int(float(match.group(2)) * GIB) if match else PVE_DEFAULT_SIZE
    known.setdefault(candidate.ctid, {})["rootfs"] = (storage, size)
    archive = f"{volume[0]}:{volume[1]}" if volume else ""
    implied = not candidate.desired.pool
    yield Demand(DISK, storage, candidate.ctid, candidate.place("storage_pool"), "rootfs", size, archive, implied)


def _clone(candidate: Candidate, source: int, params: Mapping[str, Any], known: _Known) -> Iterator[Demand]:
    """A full clone copies every disk; a linked one takes next to nothing and stays on its source's storage."""
    copied = {}
    for key, (storage, size) in known.get(source, {}).items():
        copied[key] = (str(params.get("storage") or storage), size)
    known[candidate.ctid] = copied
    if not int(params.get("full") or 0):
        return
    if params.get("storage") and not copied:
        copied["rootfs"] = (str(params["storage"]), 0)
    where = "storage_pool" if params.get("storage") else "clone_from_ctid"
    for key, (storage, size) in copied.items():
        yield Demand(DISK, storage, candidate.ctid, candidate.place(where), key, size)


def _growth(candidate: Candidate, params: Mapping[str, Any], known: _Known) -> Iterator[Demand]:
    disk = str(params.get("disk"))
    if disk not in known.get(candidate.ctid, {}):
        return
    storage, size = known[candidate.ctid][disk]
    try:
        wanted = properties.parse_size(str(params.get("size", "")))
    except ValueError:
        return
    known[candidate.ctid][disk] = (storage, wanted)
    if wanted > size:
        yield Demand(DISK, storage, candidate.ctid, _size_place(candidate, disk), disk, wanted - size)


def _rules(candidate: Candidate) -> Iterator[Demand]:
    """The rules of the HA manager that the container is to be in."""
    for index, name in enumerate(candidate.desired.ha_rules):
        place = candidate.place(availability.KEY, harules.KEY, index)
        yield Demand(optionneeds.HA_RULE, name, candidate.ctid, place, str(candidate.ctid))


def _options(candidate: Candidate, params: Mapping[str, Any], known: _Known) -> Iterator[Demand]:
    for key in sorted(params):
        kind = key.rstrip("0123456789") if key[-1:].isdigit() else ""
        parts = properties.parse(str(params[key]), properties.default_key(key))
        if kind == "net" and parts.get("bridge"):
            place = _interface_place(candidate, key, parts, "bridge")
            vlans = ";".join(each for each in (parts.get("tag"), parts.get("trunks")) if each)
            yield Demand(BRIDGE, parts["bridge"], candidate.ctid, place, vlans)
        elif kind == "mp":
            yield from _mount(candidate, key, parts, known)
        elif kind == "dev":
            path = parts.get("path", "")
            asks = hostneeds.access_asked(candidate.desired, path)
            place = candidate.place(*(asks or hostneeds.place_of(candidate.desired, path)))
            yield Demand(DEVICE, key, candidate.ctid, place, path, since=hostneeds.since(parts))
        source = table.row(key).source
        place = candidate.place(*((source,) if source in candidate.desired.keys else ()))
        if kind == "net":
            place = _interface_place(candidate, key, parts)
        elif kind == "mp":
            place = _mount_place(candidate, parts.get("mp", ""))
        for need, name, detail in optionneeds.of(key, str(params[key]), parts):
            yield Demand(need, name, candidate.ctid, place, detail)


def _interface_place(candidate: Candidate, key: str, parts: Mapping[str, str], *below: str) -> Path:
    """Where an interface stands in the file: the first one in its own key, the others by their names."""
    names = [network.get("name") for network in candidate.desired.networks]
    if key == "net0" or parts.get("name") not in names:
        return candidate.place("network_config", *below)
    return candidate.place("networks", names.index(parts["name"]), *below)


def _mount(candidate: Candidate, key: str, parts: Mapping[str, str], known: _Known) -> Iterator[Demand]:
    volume, inside = parts.get("volume", ""), parts.get("mp", "")
    match = _NEW_VOLUME.match(volume)
    if volume.startswith("/"):
        for wanted in candidate.desired.places:
            if wanted.source != VOLUMES and wanted.path == forms.path(inside):
                # A shared volume's stands in the host's file, under the CTID.
                where = () if wanted.source == SHARED else (*wanted.keys, "host_path")
                # What the run makes itself needs the folder around it: nothing else is made, as below a missing mount.
                needs = volume.rstrip("/").rpartition("/")[0] or "/" if volume in candidate.made() else volume
                yield Demand(FOLDER, needs, candidate.ctid, candidate.place(*where), key)
    elif match:
        size = int(float(match.group(2)) * GIB)
        known.setdefault(candidate.ctid, {})[key] = (match.group(1), size)
        yield Demand(DISK, match.group(1), candidate.ctid, _pool_place(candidate, inside), key, size)


def _mount_place(candidate: Candidate, inside: str) -> Path:
    """Where a mount point stands in the file; a shared volume's stands in the host's file, under the CTID."""
    found = [each for each in candidate.desired.places if each.path == forms.path(inside) and each.source != SHARED]
    return candidate.place(*(found[0].keys if found else ()))


def _pool_place(candidate: Candidate, inside: str) -> Path:
    for wanted in candidate.desired.places:
        if wanted.source == VOLUMES and wanted.path == forms.path(inside):
            return candidate.place(*wanted.keys, "pool") if wanted.pool else candidate.place("storage_pool")
    return candidate.place("restore_from" if candidate.desired.restore_from else VOLUMES)


def _size_place(candidate: Candidate, disk: str) -> Path:
    return candidate.place("storage_size_gb") if disk == "rootfs" else candidate.place(VOLUMES)
