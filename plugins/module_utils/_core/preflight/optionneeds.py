# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What single options of a container need of their node: a version of Proxmox VE, a hook script, a time zone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..container.cluster import availability
from ..container.config import hostneeds
from ..container.registry import table
from ..container.registry.option import FIRST, has_reached
from ..pve.passthrough import DENY_WRITE_SINCE

OPTION = "option"
SCRIPT = "script"
ZONE = "zone"
POOL = "pool"
MTU = "mtu"
HA_GROUP = "ha_group"
HA_RULE = "ha_rule"
KINDS = frozenset({OPTION, SCRIPT, ZONE, POOL, MTU, HA_GROUP, HA_RULE})
BY_VERSION = frozenset({OPTION, HA_GROUP, HA_RULE})
"""Those that are judged by the node's version."""

_RULES_SINCE = (9, 0)  # in place of groups
_NO_ZONES = frozenset({"host", "UTC"})  # what PVE takes besides the names of its list


@dataclass(frozen=True)
class Known:
    """What the node has: its version, faults of hook scripts, time zones, pools, MTUs of bridges, HA groups and rules.

    An empty version, a script that is missing here and no zones at all mean that nothing is known.
    """

    version: str = ""
    scripts: Mapping[str, str | None] = field(default_factory=dict)
    zones: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()
    mtus: Mapping[str, int] = field(default_factory=dict)
    ha_groups: frozenset[str] = frozenset()
    ha_rules: frozenset[str] = frozenset()


def of(option: str, value: str, parts: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(kind, name, detail) of each need of an option; the detail is the first Proxmox VE that has it."""
    row = table.row(option)
    later = [(option, row.since)] if row.name != "dev" else []  # devices have a fallback, which their own fault names
    later += [(f"{option}.{part}", since) for part, since in row.parts_since.items() if part in parts]
    for name, since in later:
        if since > FIRST:
            yield OPTION, name, ".".join(map(str, since))
    if option == "hookscript":
        yield SCRIPT, value, ""
    elif parts.get("bridge") and parts.get("mtu"):
        yield MTU, parts["bridge"], parts["mtu"]
    elif option == "timezone" and value not in _NO_ZONES:
        yield ZONE, value, ""


def of_ha(ctid: int, settings: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """(kind, name, detail, setting) of each need of an entry in the HA manager."""
    if availability.FAILBACK in settings:
        yield OPTION, f"{availability.KEY}.{availability.FAILBACK}", "9.0", availability.FAILBACK
    if settings.get(availability.GROUP):
        yield HA_GROUP, str(settings[availability.GROUP]), str(ctid), availability.GROUP


def fault(kind: str, name: str, detail: str, node: str, known: Known) -> tuple[str, str, str] | None:
    """(what is wrong, what was expected, what to do) of a need, None where the node has it."""
    if kind == OPTION:
        major, minor = detail.split(".")
        if has_reached(known.version, (int(major), int(minor))):
            return None
        got = f"node {node} has Proxmox VE {known.version}, which has no option {name}"
        return got, f"Proxmox VE {detail} or later", "Upgrade the node, or remove the key."
    if kind == SCRIPT:
        problem = known.scripts.get(name)
        if not problem:
            return None
        remedy = "Put the script into the folder snippets of the storage, and make it executable."
        return f'hook script "{name}" {problem} on node {node}', "an executable snippet", remedy
    if kind == MTU:
        largest = known.mtus.get(name)
        if largest is None or not detail.isdigit() or int(detail) <= largest:
            return None
        got = f'mtu {detail} is larger than the {largest} of bridge "{name}" on node {node}'
        return got, f"at most {largest}", "Write a smaller mtu, or raise that of the bridge."
    if kind == POOL:
        if name in known.pools:
            return None
        expected = f"one of {', '.join(sorted(known.pools))}" if known.pools else "a resource pool"
        remedy = f"Write an existing pool, or make it: pvesh create /pools --poolid {name}. A storage is storage_pool"
        return f'pool "{name}" does not exist', expected, remedy
    if kind == HA_GROUP:
        return _group_fault(name, detail, node, known)
    if kind == HA_RULE:
        return _rule_fault(name, detail, node, known)
    if not known.zones or name in known.zones:
        return None
    return (
        f'time zone "{name}" is not one that node {node} knows',
        "a zone of /usr/share/zoneinfo/zone.tab, UTC or host",
        "Write a name such as Europe/Berlin.",
    )


def device_fault(
    path: Sequence[str | int], device: str, since: tuple[int, int], node: str, version: str
) -> tuple[str, str, str]:
    """As ``fault``, of a device option that this Proxmox VE does not have, where raw lines can't do the same.

    ``path``: the key in the file that asks for it.
    """
    what = f"deny {device} writes (deny-write)" if since == DENY_WRITE_SINCE else "pass devices on as devN"
    key, way = str(path[-1]), hostneeds.way_of(str(path[2]))
    lost = f", and raw lines can't set {key}" if key in hostneeds.ACCESS else ""
    other = f"remove {key}: raw" if lost else f'write "{way}": "raw". Raw'
    return (
        f"node {node} has Proxmox VE {version}, which can't {what}{lost}",
        f"Proxmox VE {since[0]}.{since[1]} or later",
        f"Upgrade the node, or {other} lines leave mode and owner as the node has them.",
    )


def _group_fault(name: str, ctid: str, node: str, known: Known) -> tuple[str, str, str] | None:
    if has_reached(known.version, _RULES_SINCE):
        got = f'HA group "{name}": node {node} has Proxmox VE {known.version}, which has rules in place of HA groups'
        remedy = f'Write "rules": ["{name}"] in place of the group. {_make_rule(name, ctid, node)}'
        return got, "no group on Proxmox VE 9 and later", remedy
    if name in known.ha_groups:
        return None
    expected = f"one of {', '.join(sorted(known.ha_groups))}" if known.ha_groups else "an HA group"
    remedy = f"Write an existing group, or make it: ha-manager groupadd {name} --nodes {node}"
    return f'HA group "{name}" does not exist', expected, remedy


def _rule_fault(name: str, ctid: str, node: str, known: Known) -> tuple[str, str, str] | None:
    if not has_reached(known.version, _RULES_SINCE):
        got = f'HA rule "{name}": node {node} has Proxmox VE {known.version}, which has HA groups in place of rules'
        remedy = "Write group in place of rules (ha-manager groupconfig lists the groups), or upgrade the node."
        return got, "no rules before Proxmox VE 9", remedy
    if name in known.ha_rules:
        return None
    expected = f"one of {', '.join(sorted(known.ha_rules))}" if known.ha_rules else "an HA rule"
    return f'HA rule "{name}" does not exist', expected, f"Write an existing rule. {_make_rule(name, ctid, node)}"


def _make_rule(name: str, ctid: str, node: str) -> str:
    """How a rule is made: Proxmox VE makes none without a resource that HA manages."""
    command = f"ha-manager rules add node-affinity {name} --resources ct:{ctid} --nodes {node}"
    return f"Make a rule with a guest that is in HA, as this container is after a run without the rule: {command}"
