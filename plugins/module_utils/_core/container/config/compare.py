# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The comparison of desired, actual and last applied config: which options change, and what that disrupts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...pve import properties, rawlines
from ...pve.conffile import ConfFile
from ...pve.fwfile import Firewall
from ..model import HOT, NOTHING, RESTART, Record, Wanted
from ..refusal import Code, Refusal
from ..registry.wanted_options import WantedOption
from ..wanted_places import DEFAULT_POOL
from . import firewall_changes, hostneeds, mounts, protection
from .changes import Changes
from .options import (
    claimed,
    is_at_once,
    is_hot,
    new_value,
    same_option,
    shown,
    undone_value,
)

GIB = 1024**3
RAW = "lxc"  # the key under which the record keeps the raw lines that we applied
ASIDE = frozenset({RAW, firewall_changes.KEY})  # in the record, and no options of the config
# What a clone does not take over from its source's config.
_NOT_COPIED = re.compile(r"(lock|template|parent|snaptime|snapstate|unused\d+)\Z")


def desired(wanted: Wanted, conf: ConfFile, places: mounts.Mounts) -> dict[str, WantedOption]:
    """The PVE options that the container's configuration and its features ask for."""
    actual = conf.merged()
    options = {
        **wanted.desired.options,
        **places.desired(),
        **hostneeds.desired_devices(wanted, conf),
    }
    if wanted.desired.firewall.enabled:
        # PVE filters nothing on an interface without its own switch.
        net0 = options.get("net0")
        if net0 is not None:
            options["net0"] = replace(net0, parts={**(net0.parts or {}), "firewall": "1"})
        elif "net0" in actual:
            options["net0"] = WantedOption("net0", "firewall/enabled", parts={"firewall": "1"})
    return options


@dataclass(frozen=True)
class Reverts:
    """The options whose waiting change goes first: why, and the live values that the record then claims as ours.

    PVE keeps the pending value of an option that is deleted, and so the option comes back with the next start; of a
    volume whose deletion waits only a revert keeps the data where they are (PVE facts, 'Pending changes').
    """

    reasons: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.reasons)

    def after(self, record: Record) -> Record:
        """The record once they are made: what is to be deleted then is known as ours."""
        return replace(record, applied={**record.applied, **self.claims}) if self.claims else record


def config_changes(wanted: Wanted, actual: Mapping[str, str] | ConfFile, record: Record, running: bool) -> Changes:
    """What one PUT must change, once what `reverts` names is reverted.

    ``actual`` is the config with what waits for a restart, or the values of one in which nothing waits.
    """
    conf = as_conf(actual)
    first = _judged(wanted, conf, record, running)
    if not first[1]:
        return first[0]
    return _judged(wanted, conf.reverted(first[1].reasons), first[1].after(record), running)[0]


def reverts(wanted: Wanted, conf: ConfFile, record: Record, running: bool) -> Reverts:
    """The options whose waiting change must go before `config_changes`."""
    return _judged(wanted, conf, record, running)[1]


def as_conf(actual: Mapping[str, str] | ConfFile) -> ConfFile:
    """A config from its values alone: nothing waits."""
    return actual if isinstance(actual, ConfFile) else ConfFile(head=actual)


def _judged(wanted: Wanted, conf: ConfFile, record: Record, running: bool) -> tuple[Changes, Reverts]:
    actual = conf.merged()
    places = mounts.find(wanted, conf, record, running)
    options = desired(wanted, conf, places)
    changes = _Writes(conf, record, set(places.live()))
    for key, option in options.items():
        value = new_value(option, actual.get(key), record.applied.get(key))
        if value is not None or key in changes.wanted_live:
            changes.put(key, value, option.source)
    for key, earlier in record.applied.items():
        if key in options or key in ASIDE:
            continue
        undone = undone_value(key, actual.get(key), earlier)
        if undone:
            changes.put(key, undone[1], None)
    for key in hostneeds.not_assigned(wanted, actual, options):
        if key not in changes.delete:
            changes.put(key, None, hostneeds.SOURCE)
    if protection.is_inherited(record) and protection.is_on(actual) and protection.KEY not in options:
        changes.put(protection.KEY, None, "clone_from_ctid")
    made = Changes(
        set=changes.set,
        delete=tuple(sorted(changes.delete)),
        reasons=changes.reasons,
        applied=_remembered(wanted, options),
        disrupts=_disruption(changes.set, changes.delete, conf.head, running),
        volumes=mounts.remembered(places, conf, record),
    )
    return made, Reverts(changes.reverts, changes.claims)


class _Writes:
    """Sorts each change into what is set, what is deleted, and what is reverted first."""

    def __init__(self, conf: ConfFile, record: Record, wanted_live: set[str]) -> None:
        self.conf, self.record, self.wanted_live = conf, record, wanted_live
        self.actual = conf.merged()
        self.set: dict[str, str] = {}
        self.delete: list[str] = []
        self.reasons: dict[str, str] = {}
        self.reverts: dict[str, str] = {}
        self.claims: dict[str, Any] = {}

    def put(self, key: str, value: str | None, source: str | None) -> None:
        """One option and the value that it gets, None for its deletion; ``source`` is its key in the configuration."""
        if self._waits_wrongly(key, value):
            pending = self.conf.pending.get(key)
            waits = "its deletion" if pending is None else pending
            live = self.conf.head.get(key)
            if value is None and live and key not in self.wanted_live and self._may_claim(key, live):
                self.claims[key] = claimed(key, live)
            self.reverts[key] = f"{key}: {waits} waits for a restart and is reverted{f' ({source})' if source else ''}"
        elif value is not None:
            self.set[key] = value
            was, now = shown(key, self.actual.get(key)), shown(key, value)
            self.reasons[key] = f"{key}: {was} -> {now} ({source})" if source else gone(key)
        else:
            self.delete.append(key)
            is_left = f"{key}: {shown(key, self.actual.get(key))} is not assigned ({source})"
            self.reasons[key] = is_left if source else gone(key)

    def _may_claim(self, key: str, live: str) -> bool:
        """Whether the live value can be an earlier one of ours: a volume is only when it is known as ours."""
        volume = mounts.volume_of(live) if mounts.is_mount(key) else ""
        waiting = self.conf.pending.get(key)
        known = {tied.get("volume") for tied in self.record.volumes.values()}
        return not volume or waiting is None or volume in {*known, mounts.volume_of(waiting)}

    def _waits_wrongly(self, key: str, value: str | None) -> bool:
        """Whether what waits of an option must be reverted, and whatever is left to change comes after that."""
        conf, live = self.conf, self.conf.head.get(key)
        if key not in conf.pending and key not in conf.deletions:
            return False
        if key in self.wanted_live or value is None:
            return True
        # Another value replaces what waits, a deletion too: at the start the value wins.
        return live is not None and same_option(key, value, live)


def gone(key: str) -> str:
    """The reason of what is undone."""
    return f"{key}: an earlier run set it, and the configuration no longer has it"


def _remembered(wanted: Wanted, options: Mapping[str, WantedOption]) -> dict[str, Any]:
    result = {key: option.remembered() for key, option in options.items()}
    lines = hostneeds.wanted_lines(wanted)
    if lines:
        result[RAW] = [list(line) for line in lines]
    rules = wanted.desired.firewall.remembered()
    return {**result, firewall_changes.KEY: rules} if rules else result


def firewall_change(wanted: Wanted, there: Firewall, record: Record) -> firewall_changes.Changes:
    """What is to change in the container's firewall."""
    return firewall_changes.changes(wanted.desired.firewall, there, record.applied.get(firewall_changes.KEY))


def raw_changes(wanted: Wanted, there: Iterable[rawlines.Line], record: Record) -> tuple[list[Any], list[Any]]:
    """Raw lines to add and to remove."""
    there = list(there)
    add, remove = rawlines.changes(hostneeds.wanted_lines(wanted), there, record.applied.get(RAW))
    return add, remove + [line for line in hostneeds.lines_not_assigned(wanted, there) if line not in remove]


def _disruption(to_set: Mapping[str, str], delete: Iterable[str], actual: Mapping[str, str], running: bool) -> str:
    if not running or all(is_at_once(key) for key in [*to_set, *delete]):
        return NOTHING
    return RESTART if _waiting(to_set, delete, actual) else HOT


def _waiting(to_set: Mapping[str, str], delete: Iterable[str], actual: Mapping[str, str]) -> list[str]:
    waiting = [key for key in to_set if not is_hot(key, actual)]
    return sorted(waiting + [key for key in delete if not is_hot(key, actual, deleted=True)])


def left_waiting(changes: Changes, conf: ConfFile) -> set[str]:
    """What waits for a restart of a running container after this write.

    PVE forgets what it held back of an option as soon as that is what the container runs with.
    """
    live = conf.head
    touched = {*changes.set, *changes.delete}
    waiting = _waiting(changes.set, changes.delete, live)
    return {key for key in conf.pending if key not in touched} | {
        key for key in waiting if changes.set.get(key) != live.get(key)
    }


def disk_size(actual: Mapping[str, str], disk: str) -> int | None:
    """A disk's size in bytes, or None when the storage doesn't report it (a plain directory)."""
    text = properties.parse(actual.get(disk, ""), "volume").get("size")
    try:
        return properties.parse_size(text) or None if text else None
    except ValueError:
        return None


def _sizes(wanted: Wanted, conf: ConfFile, record: Record) -> dict[str, tuple[Any, str]]:
    """{disk: (size in GiB, the key that asks for it)}."""
    asked: dict[str, tuple[Any, str]] = {}
    if wanted.desired.size_gb is not None:
        asked["rootfs"] = (wanted.desired.size_gb, "storage_size_gb")
    asked.update(mounts.find(wanted, conf, record).sizes())
    return asked


def disk_growth(
    wanted: Wanted, config: Mapping[str, str] | ConfFile, record: Record
) -> tuple[dict[str, str], Refusal | None]:
    """({disk: new size for ``PUT resize``}, refusal).

    PVE can't shrink a disk, and it makes the files of a template read-only.
    """
    growth: dict[str, str] = {}
    conf = as_conf(config)
    actual = {**conf.head, **conf.merged()}
    for disk, (size_gb, source) in _sizes(wanted, conf, record).items():
        there = disk_size(actual, disk)
        if there is None or int(size_gb) * GIB == there:
            continue
        if int(size_gb) * GIB < there:
            return {}, _too_small(source, size_gb, disk, there, _name_it(wanted, actual))
        volume = properties.parse(actual[disk], "volume").get("volume", "")
        if volume != properties.parse(conf.head.get(disk, ""), "volume").get("volume"):
            got = f"{disk} of container {wanted.ctid} ({actual[disk]}) waits for a restart, and PVE grows no such disk"
            remedy = f"restart the container (pct reboot {wanted.ctid}), or put {-(-there // GIB)} back"
            return {}, Refusal(Code.DISK_WAITS, got, remedy, source)
        if actual.get("template") == "1" and "/base-" in volume:  # a volume in a file, whatever the storage
            got = f"container {wanted.ctid} is a template, whose disks in files ({volume}) PVE can't grow"
            remedy = f"put {-(-there // GIB)} back and write the larger size at its clones"
            return {}, Refusal(Code.TEMPLATE_DISK_GROWS, got, f"{remedy}, or {_name_it(wanted, actual)}", source)
        growth[disk] = f"{size_gb}G"
    return growth, None


def _too_small(source: str, size_gb: Any, disk: str, there: int, otherwise: str) -> Refusal:
    """Says which key asks for less than a disk has, in bytes."""
    return Refusal(
        Code.DISK_SHRINKS,
        f"{size_gb} is less than the {properties.format_size(there)} that {disk} has, and PVE can't shrink a disk "
        "(impossible without recreating it)",
        f"set it to {-(-there // GIB)}, or {otherwise}",
        source,
    )


def clone_too_small(wanted: Wanted, ctid: int, copied: Mapping[str, str]) -> Refusal | None:
    """Why a clone's disks can't be as the file says: the source's, which are copied, are larger. None when they can."""
    for disk, (size_gb, source) in _sizes(wanted, ConfFile(head=copied), Record()).items():
        there = disk_size(copied, disk)
        if there is not None and int(size_gb) * GIB < there:
            return _too_small(source, size_gb, f"{disk} of its source {ctid}", there, "clone from another")
    return None


def _name_it(wanted: Wanted, actual: Mapping[str, str]) -> str:
    gone = ", ".join(volumes(actual)) or "none"
    return f"name {wanted.ctid} in phoenix_recreate_ctids: that destroys its volumes ({gone}) and recreates it"


def volumes(config: Mapping[str, str]) -> list[str]:
    """The volumes that PVE destroys with the container; bind and device mounts stay."""
    result = []
    for key in sorted(config):
        if key == "rootfs" or key.rstrip("0123456789") in ("mp", "unused"):
            volume = properties.parse(config[key], "volume").get("volume", "")
            if volume and not volume.startswith("/"):
                result.append(volume)
    return result


def fixed_error(wanted: Wanted, actual: Mapping[str, str]) -> Refusal | None:
    """What a container can't change once it exists."""
    asked = wanted.desired.unprivileged
    if asked is None:
        return None
    there = actual.get("unprivileged", "0") == "1"
    if asked == there:
        return None
    kind = "unprivileged" if there else "privileged"
    return Refusal(
        Code.PRIVILEGE_FIXED,
        f"{str(asked).lower()} is configured, but container {wanted.ctid} was created {kind}, which PVE can't change "
        "(impossible without recreating it)",
        f"put the value back, or {_name_it(wanted, actual)}",
        "unprivileged",
    )


def origin(wanted: Wanted) -> dict[str, str]:
    """What a container is made from, as its record keeps it: nothing in its config says so later."""
    asked = wanted.desired
    keys = (("clone_from_ctid", asked.clone_from), ("template", asked.template))
    return next(({key: str(value)} for key, value in keys if value is not None), {})


def fixed_notes(wanted: Wanted, conf: ConfFile, record: Record) -> list[str]:
    """What was decided when the container was made, and is other in the file by now. It runs on as it is."""
    notes = []
    made, asked = dict(record.origin or {}), origin(wanted)
    if made and asked and made != asked:
        was, now = ((f"{key} {value}" for key, value in each.items()) for each in (made, asked))
        notes.append((next(iter(asked)), f"it was made from {', '.join(was)}, and {', '.join(now)} is configured"))
    pool = wanted.desired.pool
    there = properties.parse(conf.head.get("rootfs", ""), "volume").get("volume", "").partition(":")[0]
    if pool and there and pool != there:
        notes.append(("storage_pool", f"its root disk is on {there}, and {pool} is configured"))
    notes += mounts.other_pools(mounts.find(wanted, conf, record), conf)
    ending = f"that takes effect only when it is recreated (phoenix_recreate_ctids: [{wanted.ctid}])"
    return [f"{key}: {what}; {ending}" for key, what in notes]


def created_config(wanted: Wanted, source: Mapping[str, str] | None) -> dict[str, str]:
    """The config that a create or a clone leaves, as far as it matters to what comes next.

    Recorded from a real node: a create without them writes memory and swap of 512 MiB; a clone copies everything
    but the MACs, the lock, the unused volumes, the place in the snapshots' row and the template mark.
    """
    name = wanted.desired.called(wanted.ctid)
    pool = wanted.desired.pool
    if source is not None:
        copied = {key: _copied(key, value, pool) for key, value in source.items() if not _NOT_COPIED.match(key)}
        return {**copied, "hostname": name}
    size = wanted.desired.rootfs_gb
    return {
        **wanted.desired.created_with,
        "hostname": name,
        "memory": "512",
        "swap": "512",
        "rootfs": f"{pool or DEFAULT_POOL}:new,size={size}G",
        "unprivileged": str(int(wanted.desired.is_unprivileged)),
    }


def _copied(key: str, value: str, pool: Any) -> str:
    """One option of a clone: a card with another MAC, a disk that has another name and may lie elsewhere."""
    kind = key.rstrip("0123456789")
    if kind == "net":
        return properties.compose({**properties.parse(value), "hwaddr": "MAC"})
    parts = properties.parse(value, "volume")
    if kind not in ("rootfs", "mp") or parts.get("volume", "/").startswith("/"):
        return value
    storage, _separator, name = parts["volume"].partition(":")
    if name.isdigit():  # asked for by this run, and made by the time of the clone
        parts.setdefault("size", f"{name}G")
    return properties.compose({**parts, "volume": f"{pool or storage}:new"}, "volume")
