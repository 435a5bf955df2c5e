# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One container that exists -> the piece of the JSON file that asks for exactly what it has.

The rows of the registry give most keys. The planner is the judge: a key with which it would change something is left
out, and an absent key is not managed. So an imported container, adopted with `record`, is never configured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ... import secretwords
from ...pve import conffile, forms, properties, rawlines
from ...pve.fwfile import Firewall
from .. import states
from ..config.growth import GIB, disk_size
from ..desired import EXISTING
from ..model import Observation, Plan, Record, Wanted
from ..plan import planner
from ..registry import table
from ..registry.device_rows import mount_keys
from ..registry.option import has_reached
from .names import Names

# The steps of a plan that takes a container over as it is.
TAKING_OVER = frozenset({"adopt", "assume", "complete", "record", "mark"})
_OPTIONS_OF_A_BIND = frozenset({"id_map", "keep_attributes", "read_only", "mount_options", "replicate", "shared"})
# A volume on the base volume of a template: STORE:base-900-disk-0/vm-950-disk-0.
_BASE = re.compile(r"[:/](?:base|basevol|basedisk)-(\d+)-[^/]+/")
_IDENTITY = ("name", "template", "clone_from_ctid", "unprivileged", "is_template", "target_state")
Complete = Callable[[Wanted], Wanted]


@dataclass(frozen=True)
class Imported:
    """The keys of a container, and what is not among them, in words."""

    config: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def read_container(
    seen: Observation,
    node: str,
    version: str = "",
    sources: frozenset[int] = frozenset(),
    complete: Complete = lambda wanted: wanted,
) -> Imported:
    """The keys that ask for what a container has.

    Args:
        seen: the container.
        node: its node.
        version: the node's Proxmox VE; empty for the newest.
        sources: the CTIDs that are imported too, any of which it may be a linked clone of.
        complete: adds what only the node knows of a wanted container.
    """
    reading = _Reading(seen, version, sources)
    config, notes = dict(reading.keys()), reading.notes
    if "hostname" not in seen.conf.head:
        named = replace(seen.conf, head={**seen.conf.head, "hostname": str(config["name"])})
        seen = replace(seen, conf=named)
    judge = _Judge(seen, node, complete)
    kept = judge.fitting(config, notes)
    return Imported(kept, tuple(notes))


class _Reading:
    """Reads the keys of one container; ``notes`` are what no key can say or what must not be in the file."""

    def __init__(self, seen: Observation, version: str, sources: frozenset[int]) -> None:
        self.seen, self.version, self.sources = seen, version, sources
        self.actual = seen.conf.merged()
        self.notes: list[str] = []

    def keys(self) -> Iterator[tuple[str, Any]]:
        """Each key with its value."""
        found = table.from_pve(self.actual)
        name = found.pop("name", "")
        if not name:
            name = f"CT{self.seen.ctid}"
            self.notes.append(f"name: it has no host name; the first run sets {name}")
        yield "name", name
        source = self._source()
        yield ("clone_from_ctid", str(source)) if source is not None else ("template", EXISTING)
        yield "unprivileged", forms.flag(self.actual.get("unprivileged", "0")) == "1"
        if self.seen.template:
            yield "is_template", True
        elif not self.seen.running:
            yield "target_state", states.CONFIGURED
        yield from self._root_disk()
        for key, value in found.items():
            if self._may_stand(key, value):
                yield key, value
        yield from self._mounts()
        yield from self._beside()

    def _source(self) -> int | None:
        """The template that the root disk is a linked clone of, where that is imported too."""
        volume = properties.parse(self.actual.get("rootfs", ""), "volume").get("volume", "")
        base = _BASE.search(volume)
        found = int(base.group(1)) if base else None
        return found if found in self.sources and found != self.seen.ctid else None

    def _root_disk(self) -> Iterator[tuple[str, Any]]:
        pool = properties.parse(self.actual.get("rootfs", ""), "volume").get("volume", "").partition(":")[0]
        if pool and not pool.startswith("/"):
            yield "storage_pool", pool
        size = disk_size(self.actual, "rootfs")
        if size and size % GIB == 0:
            yield "storage_size_gb", size // GIB
        elif size:
            self.notes.append("storage_size_gb: the root disk is no whole number of GiB; its size is not managed")

    def _may_stand(self, key: str, value: Any) -> bool:
        """Whether a value may stand in the file: it is none of a later Proxmox VE, and no secret."""
        rows = [row for row in table.TABLE if any(each.name == key for each in row.keys)]
        if rows and not any(has_reached(self.version, row.since) for row in rows):
            return False
        if _holds_secret(key, value):
            self.notes.append(f"{key}: it has what looks like a secret, which is never written; the key is left out")
            return False
        return True

    def _mounts(self) -> Iterator[tuple[str, Any]]:
        binds: list[dict[str, Any]] = []
        volumes: list[dict[str, Any]] = []
        names = Names()
        slots = [key for key in self.actual if key != "mp" and key.rstrip("0123456789") == "mp"]
        for slot in sorted(slots, key=lambda key: int(key[2:])):
            parts = properties.parse(self.actual[slot], "volume")
            volume, path = parts.get("volume", ""), parts.get("mp", "")
            options = mount_keys(parts)
            if volume.startswith("/"):
                own = {key: value for key, value in options.items() if key in _OPTIONS_OF_A_BIND}
                binds.append({"host_path": volume, "container_path": path, **own})
                continue
            size = disk_size(self.actual, slot)
            if not size or size % GIB:
                self.notes.append(f"{slot} ({path}): its size is no whole number of GiB; the volume is not managed")
                continue
            pool = volume.partition(":")[0]
            sized = {"name": names.of_path(path), "pool": pool, "size_gb": size // GIB, "mount_point": path}
            volumes.append({**sized, **options})
        yield from ((key, items) for key, items in (("mount_points", binds), ("volumes", volumes)) if items)

    def _beside(self) -> Iterator[tuple[str, Any]]:
        """What stands beside the options of the config: raw lines, firewall, resource pool, HA."""
        lines = list(self._lines())
        if lines:
            yield "lxc_options", lines
        firewall = _firewall(self.seen.firewall)
        if firewall:
            yield "firewall", firewall
        if self.seen.pool:
            yield "pool", self.seen.pool
        if self.seen.ha is not None:
            rules = sorted(self.seen.ha_rules)
            yield "ha", {**_entry(self.seen.ha), **({"rules": rules} if rules else {})}

    def _lines(self) -> Iterator[str]:
        by_option = has_reached(self.version, table.row("env").since)
        for key, value in dict.fromkeys(self.seen.conf.raw):
            if key == conffile.ENVIRONMENT and by_option:
                continue  # the lines of the option `env`
            name, _separator, text = value.partition("=")
            secret = key.startswith("lxc.environment") and _holds_secret(name, text)
            if secret or secretwords.holds_secret(value):
                self.notes.append(f"lxc_options: a line {key} has what looks like a secret, which is never written")
            elif rawlines.parse_line(f"{key}: {value}") == (key, value):
                yield f"{key}: {value}".rstrip()


class _Judge:
    """Leaves out each key, or entry of a list, with which the planner would change the container."""

    def __init__(self, seen: Observation, node: str, complete: Complete) -> None:
        self.seen, self.node, self.complete = replace(seen, creating=None), node, complete

    def fitting(self, config: dict[str, Any], notes: list[str]) -> dict[str, Any]:
        """The keys without those that would change something."""
        if not self._fault(config):
            return config
        least = {key: config[key] for key in _IDENTITY if key in config}
        fault = self._fault(least)
        if fault:
            notes.append(f"it can't be taken over as it is, and is left out: {fault}")
            return {}
        for key, value in config.items():
            if key in least:
                continue
            fits = self._fitting_value(least, key, value, notes)
            if fits is not None:
                least[key] = fits
        return least

    def _fitting_value(self, least: dict[str, Any], key: str, value: Any, notes: list[str]) -> Any:
        """As much of a value as changes nothing beside what was found to change nothing; None for nothing of it."""
        fault = self._fault({**least, key: value})
        if not fault:
            return value
        kept: Any = None
        if isinstance(value, list):
            kept = []
            for item in value:
                if not self._fault({**least, key: [*kept, item]}):
                    kept.append(item)
        elif isinstance(value, dict):
            kept = {}
            for name, item in value.items():
                if not self._fault({**least, key: {**kept, name: item}}):
                    kept[name] = item
        notes.append(f"{key}: not all that the container has can be written so that nothing changes ({fault})")
        return kept or None

    def _fault(self, config: Mapping[str, Any]) -> str:
        """What a run with these keys would change, or why it would refuse; empty for nothing."""
        plan = self.planned(config)
        if plan.error:
            return plan.error
        return "; ".join(step.reason for step in plan.steps if step.kind not in TAKING_OVER)

    def planned(self, config: Mapping[str, Any]) -> Plan:
        """The plan of the adoption with `record`."""
        target = str(config.get("target_state") or states.COMPLETED)
        own = {key: value for key, value in config.items() if key != "clone_from_ctid"}
        wanted = Wanted(self.seen.ctid, self.node, own, adopt="record", target=target)
        return planner.plan(self.complete(wanted), self.seen, Record())


def _holds_secret(key: str, value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_secret(str(name), item) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return any(_holds_secret(key, item) for item in value)
    return secretwords.is_secret_name(key) or (isinstance(value, str) and secretwords.holds_secret(value))


def _firewall(there: Firewall) -> dict[str, Any]:
    rules = [rule.line() for rule in there.rules if not secretwords.holds_secret(rule.comment)]
    switch = {"enabled": there.options["enable"] != "0"} if "enable" in there.options else {}
    return {**switch, **({"rules": rules} if rules else {})}


def _entry(there: Mapping[str, str]) -> dict[str, Any]:
    """An entry of the HA manager as the key `ha` has it."""
    found: dict[str, Any] = {}
    for name in ("state", "group", "comment"):
        if there.get(name):
            found[name] = there[name]
    for name in ("max_restart", "max_relocate"):
        if there.get(name, "").isdigit():
            found[name] = int(there[name])
    if "failback" in there:
        found["failback"] = forms.flag(there["failback"]) == "1"
    return found
