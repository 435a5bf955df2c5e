# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only the node knows of a wanted container: the device nodes behind a class, and the facts in its digests.

The controller describes a container without having seen its node. Before the planning, the node completes that
description with what its driver tells, in the one call that observes it anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...gpu import devices, vendors
from ...gpu.vendor import Vendor
from ...pve import forms, passthrough, properties, rawlines
from ...pve.conffile import ConfFile
from ...pve.passthrough import Device
from ..applied.work import Feature
from ..desired import Desired
from ..model import Wanted
from ..refusal import Code, Refusal
from ..registry import table
from ..registry.device_rows import WantedDevice
from ..registry.option import has_reached
from ..registry.wanted_options import WantedOption

SOURCE = "gpu_assignment"
OWN = "devices"
FEATURES = "features"
WAY = "gpu_passthrough"
OWN_WAY = "device_passthrough"
ACCESS = ("mode", "uid", "gid")  # what raw lines can't say of a device
SLOTS = 256  # dev0 to dev255


@dataclass(frozen=True)
class Node:
    """A path of the node: its (major, minor), None for what is no device; whether it is a block device; its rights."""

    number: tuple[int, int] | None
    block: bool = False
    rights: int = passthrough.OPEN


def since(value: Mapping[str, str]) -> tuple[int, int]:
    """The first Proxmox VE that has a ``devN`` with these parts."""
    newer = value.get(passthrough.DENY_WRITE, "0") == "1"
    return passthrough.DENY_WRITE_SINCE if newer else table.row("dev").since


def paths(wanted: Wanted) -> set[str]:
    """The device nodes that are named by their paths, and folders with an owner: what must be looked up on the node."""
    own = {device.path for device in wanted.desired.devices if device.path} | _folders(wanted) | _of_features(wanted)
    return own | (paths(wanted.source) if wanted.source is not None else set())


def _folders(wanted: Wanted) -> set[str]:
    return {place.parts["volume"] for place in wanted.desired.places if place.owner is not None}


def _of_features(wanted: Wanted) -> set[str]:
    """The device nodes that manifests name by their paths."""
    return {path for path in classes(wanted) if path.startswith("/")}


def place_of(desired: Desired, path: str) -> tuple[str | int, ...]:
    """The place in the configuration of what asks for a device."""
    for device in desired.devices:
        if device.path and forms.path(device.path) == forms.path(path):
            return (OWN, device.index, "path")
    return (SOURCE,)


def classes(wanted: Wanted) -> set[str]:
    """The classes of devices that the container needs: its own, those of its features and of its clone sources."""
    own = (feature.devices for feature in wanted.features)
    named = (device.gpus for device in wanted.desired.devices if device.gpus)
    return {*wanted.classes, *named, *(name for names in own for name in names)}


def looks(wanted: Wanted) -> bool:
    """Whether anything must be known of the node's GPUs for this container, or for a source of it."""
    facts = any(feature.facts for feature in wanted.features)
    return bool(_vendors(wanted)) or facts or (wanted.source is not None and looks(wanted.source))


def complete(
    wanted: Wanted, *nodes: devices.Gpus, there: Mapping[str, Node] | None = None, version: str = ""
) -> Wanted:
    """The container with its devices, and with digests that count the node's facts.

    ``nodes`` are the node's GPUs, those of each vendor for itself. One that is left out has no driver there.
    ``there`` are those of `paths`, and of the device nodes of GPUs, that the node has; None where nobody has looked.
    ``version`` is the node's Proxmox VE.
    """
    source = complete(wanted.source, *nodes, there=there, version=version) if wanted.source is not None else None
    features, changed = _features(wanted.features, {gpus.vendor.driver_fact: gpus.version for gpus in nodes})
    application = wanted.application
    if application and changed:
        application = application.on_top_of(changed)
    missing = frozenset(_folders(wanted) - there.keys()) if there is not None else frozenset()
    completed = replace(
        wanted, source=source, features=features, application=application, missing=missing, version=version
    )
    needed = classes(wanted)
    error = _missing(wanted, there)
    # A device that a manifest names by its path: PVE itself says so when it is missing.
    named = [_seen(Device(path, key=FEATURES), there) for path in sorted(_of_features(wanted))]
    known = {gpus.vendor.device_class: gpus for gpus in nodes}
    needed_gpus = [known.get(vendor.device_class, devices.Gpus(vendor=vendor)) for vendor in _vendors(wanted)]
    found: list[Device] = []
    try:
        found = devices.devices_of_vendors(needed_gpus, wanted.assignment, needed) if needed_gpus else []
    except devices.GpuError as missing:
        error = error or Refusal(Code.DEVICE_MISSING, missing.got, missing.remedy, SOURCE)
    if error is not None:
        return replace(completed, device_error=error)
    own = _own(wanted, there or {})
    every = {
        device.path: device for device in (*named, *(_as_asked(_seen(device, there), wanted) for device in found), *own)
    }
    cards = (gpus.vendor.card_path(gpu.minor) for gpus in needed_gpus for gpu in gpus.gpus)
    none = () if needed_gpus else None
    return replace(
        completed,
        devices=tuple(every.values()) or none,
        spare=tuple(sorted(path for path in cards if path not in every)),
    )


def _missing(wanted: Wanted, there: Mapping[str, Node] | None) -> Refusal | None:
    """Names the devices of `devices` that the node does not have, all at once."""
    if there is None:
        return None
    own = [(device.index, device.path) for device in wanted.desired.devices if device.path]
    absent = [(index, path) for index, path in own if path not in there]
    other = [(index, path) for index, path in own if path in there and there[path].number is None]
    if absent:
        got = f"{_devices([path for _index, path in absent])} not exist on node {wanted.node}"
        remedy = "load the kernel module or connect the hardware that makes it, or remove the entry"
        return Refusal(Code.DEVICE_MISSING, got, remedy, f"{OWN}/{absent[0][0]}/path")
    if other:
        got = f"{', '.join(path for _index, path in other)} of node {wanted.node} is not a device"
        remedy = "write the path of a device node; folders belong in mount_points"
        return Refusal(Code.DEVICE_MISSING, got, remedy, f"{OWN}/{other[0][0]}/path")
    return None


def _devices(names: list[str]) -> str:
    return f"device {names[0]} does" if len(names) == 1 else f"devices {', '.join(names)} do"


def _own(wanted: Wanted, there: Mapping[str, Node]) -> tuple[Device, ...]:
    """The devices that the configuration names by their paths, as the node has them."""
    found: dict[str, Device] = {}
    for asked in wanted.desired.devices:
        if asked.path:
            found[asked.path] = _with_access(_seen(Device(asked.path, key=OWN), there), asked)
    return tuple(found.values())


def _seen(device: Device, there: Mapping[str, Node] | None) -> Device:
    """A device as the node has it."""
    node = (there or {}).get(device.path)
    if node is None:
        return device
    return replace(device, number=node.number or device.number, block=node.block, rights=node.rights)


def _as_asked(device: Device, wanted: Wanted) -> Device:
    """A device of the GPUs with what `devices` says of its vendor's class, or of every vendor's."""
    own = (asked for asked in wanted.desired.devices if asked.gpus in (device.gpus, vendors.ANY))
    return next((_with_access(device, asked) for asked in own), device)


def _with_access(device: Device, asked: WantedDevice) -> Device:
    return replace(
        device,
        mode=asked.mode or device.mode,
        uid=asked.uid,
        gid=asked.gid,
        deny_write=bool(asked.deny_write),
    )


def desired_devices(wanted: Wanted, conf: ConfFile) -> dict[str, WantedOption]:
    """The ``devN`` options of the container's devices: an existing device keeps its slot, a new one takes a free slot.

    A device whose deletion waits is there: it keeps its slot, and the deletion is reverted.
    """
    going = {path: key for key, path in _there(conf.head) if conf.is_going(key)}
    slots = {**going, **{path: key for key, path in _there(conf.merged())}}
    taken = {*conf.head, *conf.pending}
    result: dict[str, WantedOption] = {}
    for device in wanted.devices or ():
        if _by_lines(wanted, device):
            continue
        key = slots.get(device.path) or next(_free(taken, set(result)))
        result[key] = WantedOption(key, device.key, parts=passthrough.parts(device), without=_off(device))
    return result


def not_assigned(wanted: Wanted, actual: Mapping[str, str], options: Mapping[str, Any]) -> list[str]:
    """The ``devN`` of GPUs that the container's assignment doesn't name. Other devices are foreign and stay."""
    if wanted.devices is None or not _vendors(wanted):
        return []
    # What an assignment decides on, whoever passed it on: a clone has its source's devices (PVE facts, 'Clones').
    return [key for key, path in _there(actual) if key not in options and _is_assigned(path, wanted)]


def wanted_lines(wanted: Wanted) -> list[rawlines.Line]:
    """The raw lines of the container: those that its configuration has, and those of its GPUs, each once."""
    own = (passthrough.lines(device) for device in wanted.devices or () if _by_lines(wanted, device))
    return list(dict.fromkeys([*wanted.desired.lines, *(line for lines in own for line in lines)]))


def lines_not_assigned(wanted: Wanted, there: Iterable[rawlines.Line]) -> list[rawlines.Line]:
    """The raw lines of GPUs that the container's assignment doesn't name, as a clone has those of its source."""
    needed = _vendors(wanted)
    if wanted.devices is None or not needed:
        return []
    kept = set(wanted_lines(wanted))
    # By devN a card that is assigned needs no line of its own, and one that stays does no harm.
    assigned = {device.path for device in wanted.devices}
    return [line for line in there if line not in kept and _is_of_a_card(line, assigned, wanted)]


def _is_of_a_card(line: rawlines.Line, assigned: set[str], wanted: Wanted) -> bool:
    key, value = line
    if key == "lxc.mount.entry":
        path = value.partition(" ")[0]
        return _is_assigned(path, wanted) and path not in assigned
    if key != "lxc.cgroup2.devices.allow":
        return False
    found = [(vendor, vendor.permitted(value)) for vendor in _vendors(wanted)]
    allowed = [path for vendor, path in found if path is not None and (vendor.own_names or path in wanted.spare)]
    return bool(allowed) and not assigned.intersection(allowed)


def _is_assigned(path: str, wanted: Wanted) -> bool:
    """Whether the assignment decides on a device: by its name, or where several vendors share names by the node."""
    return path in wanted.spare or any(vendor.own_names and vendor.is_assigned(path) for vendor in _vendors(wanted))


def _vendors(wanted: Wanted) -> tuple[Vendor, ...]:
    """The vendors whose GPUs the container's features need."""
    return vendors.of_classes(classes(wanted))


def source_of(wanted: Wanted, lines: Iterable[rawlines.Line]) -> str:
    """The key of the configuration that raw lines which come or go are there for."""
    own = set(wanted.desired.lines)
    others = [line for line in lines if line not in own]
    for device in wanted.devices or ():
        if _by_lines(wanted, device) and not set(passthrough.lines(device)).isdisjoint(others):
            return device.key if falls_back(wanted, device) else way_of(device.key)
        if device.key != FEATURES and not set(passthrough.lines(device)).isdisjoint(others):
            return way_of(device.key)
    names = [vendor.own_paths for vendor in vendors.VENDORS]
    return WAY if any(name in value for name in names for _key, value in others) else "lxc_options"


def way_of(key: str) -> str:
    """The key that chooses between ``devN`` and raw lines, for the key that asks for a device."""
    return OWN_WAY if key == OWN else WAY


def _by_lines(wanted: Wanted, device: Device) -> bool:
    """Whether a device goes by raw lines."""
    return device.number is not None and (_lines_asked(wanted, device) or falls_back(wanted, device))


def _lines_asked(wanted: Wanted, device: Device) -> bool:
    """Whether the configuration asks for raw lines. What a manifest names by a path has no such key."""
    asked = wanted.desired.devices_by_lines if device.key == OWN else wanted.desired.gpus_by_lines
    return asked and device.key != FEATURES


def falls_back(wanted: Wanted, device: Device) -> bool:
    """Whether a device goes by raw lines since the node's Proxmox VE has no devN for it, and loses nothing by that."""
    old = not has_reached(wanted.version, since(passthrough.parts(device)))
    if not old or _lines_asked(wanted, device) or device.number is None:
        return False
    opens = wanted.desired.unprivileged is False or passthrough.is_open(device)
    return opens and not access_asked(wanted.desired, device.path, device.gpus)


def access_asked(desired: Desired, path: str, gpus: str = "") -> tuple[str | int, ...]:
    """The place in the configuration of what raw lines can't say of a device: they leave its mode and its owner."""
    for asked in desired.devices:
        same = asked.path and forms.path(asked.path) == forms.path(path)
        if same or (asked.gpus and asked.gpus in (gpus or _word_of(path), vendors.ANY)):
            found = next((key for key in ACCESS if getattr(asked, key) is not None), None)
            return (OWN, asked.index, found) if found else ()
    return ()


def _word_of(path: str) -> str:
    """The word of the vendor whose GPUs have a device node of this name alone; empty for none."""
    named = [vendor.device_class for vendor in vendors.VENDORS if vendor.own_names and vendor.is_assigned(path)]
    return next(iter(named), "")


def notes(wanted: Wanted, lines: Iterable[rawlines.Line]) -> list[str]:
    """Names the devices for which raw lines come in place of a devN, which the node's Proxmox VE does not have."""
    new = set(lines)
    named = [
        device.path
        for device in wanted.devices or ()
        if falls_back(wanted, device) and not new.isdisjoint(passthrough.lines(device))
    ]
    if not named:
        return []
    note = (
        f"devices: Proxmox VE {wanted.version} has no devN for {', '.join(named)}, so raw lines pass on what the node "
        "has, with its mode and owner; once the node is upgraded, a run replaces them"
    )
    return [note]


def _off(device: Device) -> frozenset[str]:
    """The switches that an entry of `devices` keeps off."""
    return frozenset({passthrough.DENY_WRITE}) if device.key == OWN and not device.deny_write else frozenset()


def _features(features: Iterable[Feature], facts: Mapping[str, str]) -> tuple[tuple[Feature, ...], dict[str, str]]:
    """The features with their facts, and name -> digest of those whose digest is another one by that."""
    result: list[Feature] = []
    changed: dict[str, str] = {}
    for feature in features:
        found = feature.on_top_of(changed) if changed else feature
        if found.facts:
            found = found.with_facts(facts)
        if found.facts or changed:
            changed[found.name] = found.digest
        result.append(found)
    return tuple(result), changed


def _there(actual: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in actual.items():
        if key != "dev" and key.rstrip("0123456789") == "dev":
            yield key, properties.parse(value, "path").get("path", "")


def _free(there: set[str], taken: set[str]) -> Iterator[str]:
    return (key for key in (f"dev{number}" for number in range(SLOTS)) if key not in there and key not in taken)
