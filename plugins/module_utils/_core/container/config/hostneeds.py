# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only the node knows of a wanted container: the device nodes behind a class, and the facts in its digests.

The controller describes a container without having seen its node. Before the planning, the node completes that
description with what its driver tells, in the one call that observes it anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...gpu import devices, vendors
from ...gpu.vendor import Vendor
from ...pve import properties, rawlines
from ...pve.conffile import ConfFile
from .. import digest
from ..model import Wanted
from ..refusal import Code, Refusal
from ..registry import table
from ..registry.option import has_reached
from ..registry.wanted_options import WantedOption

SOURCE = "gpu_assignment"
WAY = "gpu_passthrough"
SLOTS = 256  # dev0 to dev255


def has_devices(version: str) -> bool:
    """Whether containers of this Proxmox VE have devN. What can't be read counts as new: it refuses what it has not."""
    return has_reached(version, table.row("dev").since)


def classes(wanted: Wanted) -> set[str]:
    """The classes of devices that the container's features need, those of its clone sources too."""
    own = ((feature.get("container") or {}).get("devices") or () for feature in wanted.features)
    return {*wanted.classes, *(name for names in own for name in names)}


def looks(wanted: Wanted) -> bool:
    """Whether anything must be known of the node's GPUs for this container, or for a source of it."""
    facts = any((feature.get("container") or {}).get("facts") for feature in wanted.features)
    return bool(_vendors(wanted)) or facts or (wanted.source is not None and looks(wanted.source))


def complete(wanted: Wanted, *nodes: devices.Gpus) -> Wanted:
    """The container with the devices of its assignment, and with digests that count the node's facts.

    ``nodes`` are the node's GPUs, those of each vendor for itself. One that is left out has no driver there.
    """
    source = complete(wanted.source, *nodes) if wanted.source is not None else None
    features, changed = _features(wanted.features, {gpus.vendor.driver_fact: gpus.version for gpus in nodes})
    application = wanted.application
    if application and changed:
        application = _above(application, changed)
    completed = replace(wanted, source=source, features=features, application=application)
    needed = classes(wanted)
    # A device that a manifest names by its path: PVE itself says so when it is missing.
    named = tuple(devices.Device(path, mode="") for path in sorted(needed) if path.startswith("/"))
    needed_vendors = _vendors(wanted)
    if not needed_vendors:
        return replace(completed, devices=named or None)
    there = {gpus.vendor.device_class: gpus for gpus in nodes}
    needed_gpus = [there.get(vendor.device_class, devices.Gpus(vendor=vendor)) for vendor in needed_vendors]
    try:
        found = devices.devices_of_vendors(needed_gpus, wanted.assignment, needed)
    except devices.GpuError as error:
        return replace(completed, device_error=Refusal(Code.DEVICE_MISSING, error.got, error.remedy, SOURCE))
    return replace(completed, devices=(*named, *found))


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
        result[key] = WantedOption(key, SOURCE, parts=devices.passthrough(device))
    return result


def not_assigned(wanted: Wanted, actual: Mapping[str, str], options: Mapping[str, Any]) -> list[str]:
    """The ``devN`` of GPUs that the container's assignment doesn't name. Other devices are foreign and stay."""
    needed = _vendors(wanted)
    if wanted.devices is None or not needed:
        return []
    # What an assignment decides on, whoever passed it on: a clone has its source's devices (PVE facts, 'Clones').
    return [key for key, path in _there(actual) if key not in options and _is_assigned(path, needed)]


def wanted_lines(wanted: Wanted) -> list[rawlines.Line]:
    """The raw lines of the container: those that its configuration has, and those of its GPUs, each once."""
    own = (devices.raw_lines(device) for device in wanted.devices or () if _by_lines(wanted, device))
    return list(dict.fromkeys([*wanted.desired.lines, *(line for lines in own for line in lines)]))


def lines_not_assigned(wanted: Wanted, there: Iterable[rawlines.Line]) -> list[rawlines.Line]:
    """The raw lines of GPUs that the container's assignment doesn't name, as a clone has those of its source."""
    needed = _vendors(wanted)
    if wanted.devices is None or not needed:
        return []
    kept = set(wanted_lines(wanted))
    # By devN a card that is assigned needs no line of its own, and one that stays does no harm.
    assigned = {device.path for device in wanted.devices}
    return [line for line in there if line not in kept and _is_of_a_card(line, assigned, needed)]


def _is_of_a_card(line: rawlines.Line, assigned: set[str], needed: Iterable[Vendor]) -> bool:
    key, value = line
    if key == "lxc.mount.entry":
        path = value.partition(" ")[0]
        return _is_assigned(path, needed) and path not in assigned
    if key != "lxc.cgroup2.devices.allow":
        return False
    allowed = [path for path in (vendor.permitted(value) for vendor in needed) if path is not None]
    return bool(allowed) and not assigned.intersection(allowed)


def _is_assigned(path: str, needed: Iterable[Vendor]) -> bool:
    return any(vendor.is_assigned(path) for vendor in needed)


def _vendors(wanted: Wanted) -> tuple[Vendor, ...]:
    """The vendors whose GPUs the container's features need."""
    return vendors.of_classes(classes(wanted))


def source_of(wanted: Wanted, lines: Iterable[rawlines.Line]) -> str:
    """The key of the configuration that raw lines which come or go are there for."""
    own = set(wanted.desired.lines)
    paths = [vendor.own_paths for vendor in vendors.VENDORS]
    values = [value for key, value in lines if (key, value) not in own]
    return WAY if any(path in value for path in paths for value in values) else "lxc_options"


def _by_lines(wanted: Wanted, device: devices.Device) -> bool:
    """Whether a device is one of the GPUs' and goes by raw lines. What a manifest names by a path is always a devN."""
    return wanted.desired.gpus_by_lines and device.number is not None


def _features(
    features: Iterable[Mapping[str, Any]], facts: Mapping[str, str]
) -> tuple[tuple[Mapping[str, Any], ...], dict[str, str]]:
    """The features with their facts, and name -> digest of those whose digest is another one by that."""
    result: list[Mapping[str, Any]] = []
    changed: dict[str, str] = {}
    for feature in features:
        names = (feature.get("container") or {}).get("facts") or {}
        feature = _above(feature, changed) if changed else feature
        if names:
            values = {str(name): facts.get(str(fact), "") for name, fact in names.items()}
            parts = dict(feature["components"])
            hashes = {name: digest.value_hash(name, value) for name, value in values.items()}
            parts["variables"] = {**parts["variables"], **hashes}
            feature = {**feature, "components": parts, "digest": digest.digest(parts), "variables": values}
        if names or changed:
            changed[str(feature["name"])] = str(feature["digest"])
        result.append(feature)
    return tuple(result), changed


def _above(item: Mapping[str, Any], changed: Mapping[str, str]) -> Mapping[str, Any]:
    """A feature or an application on top of features that have other digests by now."""
    parts = dict(item.get("components") or {})
    if not parts.get("under"):
        return item
    parts["under"] = [[name, changed.get(name, under)[: digest.SHORT]] for name, under in parts["under"]]
    return {**item, "components": parts, "digest": digest.digest(parts)}


def _there(actual: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in actual.items():
        if key != "dev" and key.rstrip("0123456789") == "dev":
            yield key, properties.parse(value, "path").get("path", "")


def _free(there: set[str], taken: set[str]) -> Iterator[str]:
    return (key for key in (f"dev{number}" for number in range(SLOTS)) if key not in there and key not in taken)
