# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sections of a node that are undone when they leave the file, each as the flat items that records hold.

Users, storages, datasets, packages and folders are never removed from a node, so they need no record.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ..pve import canonical
from ..pve.apicalls import show
from ..pve.fwfile import parse_rule, rule_of
from . import interfaces, ownership
from .node_firewall import COMMENT, LEVELS

WORKGROUP = "[global]"
MANAGEMENT = "management"
EVERYBODY = "everybody"


def wanted(section: str, shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return the items of a section as the file has it, in the one form that `host_config` gives."""
    if section == "ntp":
        return dict.fromkeys(map(str, shape.get("servers") or ()), "")
    if section == "sysctl":
        return {str(key): str(value) for key, value in (shape.get("values") or {}).items()}
    read = {"network": _network, "nfs": _exports, "samba": _samba, "firewall": _firewall}[section]
    return read(shape)


def differs(section: str, mine: Any, theirs: Any) -> bool:
    """Whether two inventories set an item differently. An interface may have keys from both."""
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        if section == "network":
            own, other = (value.get("params") or {} for value in (mine, theirs))
            return any(own[key] != other[key] for key in own.keys() & other.keys())
        if "rules" in mine:
            return not _same_rules(mine["rules"], theirs.get("rules") or ())
    if section == "firewall" and isinstance(mine, str) and isinstance(theirs, str) and " " in mine:
        return _rule(mine) != _rule(theirs)
    if section == "nfs":
        return sorted(mine["options"]) != sorted(theirs["options"])
    return ownership.plain_differs(mine, theirs)


def cuts_off(section: str, item: str, value: Any) -> bool:
    """Whether somebody loses an access when an item goes."""
    if section == "network":
        return bool(value.get("made"))
    if section == "firewall":
        level, _separator, key = item.partition("/")
        return item == MANAGEMENT or (level in LEVELS and key in ("enable", "policy_in", "policy_out"))
    return section == "nfs" or (section == "samba" and item != WORKGROUP)


def is_listed(section: str, value: Any) -> bool:
    """Whether an item is reported by name when it goes; the rules that keep the ways in open go with `management`."""
    return not (section == "firewall" and isinstance(value, str) and value.endswith(f"# {COMMENT}"))


# -- network, exports, shares ------------------------------------------------------------------------------------------


def _network(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(one["name"]): {"params": {key: interfaces.form(key, value) for key, value in one["params"].items()}}
        for one in shape.get("interfaces") or ()
    }


def _exports(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{row['path']}@{client}": {"path": row["path"], "client": client, "options": list(row["options"])}
        for row in shape.get("exports") or ()
        for client in row["clients"]
    }


def exports(all_items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the exports of several inventories, one for each path and options, in one order whoever writes them."""
    chosen: dict[str, Any] = {}
    for items in all_items:
        for item, value in items.items():
            chosen[item] = min(value, chosen.get(item, value), key=lambda one: list(one["options"]))
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for one in chosen.values():
        found.setdefault((str(one["path"]), tuple(one["options"])), []).append(str(one["client"]))
    return [
        {"path": path, "clients": sorted(clients), "options": list(options)}
        for (path, options), clients in sorted(found.items())
    ]


def _samba(shape: Mapping[str, Any]) -> dict[str, Any]:
    shares = {
        str(row["name"]).lower(): {"name": row["name"], "path": row["path"], "options": dict(row["options"])}
        for row in shape.get("shares") or ()
    }
    return {**shares, **({WORKGROUP: str(shape["workgroup"])} if shape.get("workgroup") else {})}


# -- the firewall ------------------------------------------------------------------------------------------------------


def _firewall(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return the items of a firewall; {} for an empty one, which undoes what was set."""
    if not shape:
        return {}
    options, rules = shape.get("options") or {}, shape.get("rules") or {}
    items: dict[str, Any] = {MANAGEMENT: managing(shape)}
    for level in LEVELS:
        items.update((f"{level}/{key}", show(value)) for key, value in (options.get(level) or {}).items())
        items.update(_rule_items(level, [rule_of(item).line() for item in rules.get(level) or ()]))
    for name, given in (shape.get("groups") or {}).items():
        items[f"group/{canonical.name(name)}"] = {"rules": [rule_of(item).line() for item in given]}
    for name, entries in (shape.get("ipsets") or {}).items():
        items[f"ipset/{canonical.name(name)}"] = {"entries": sorted(map(canonical.set_entry, entries))}
    for name, value in (shape.get("aliases") or {}).items():
        items[f"alias/{canonical.name(name)}"] = canonical.network(str(value["cidr"]))
    return items


def managing(shape: Mapping[str, Any]) -> Any:
    """Return who may reach SSH and the web interface, as an item's value."""
    return sorted(map(canonical.network, shape.get("management") or ())) or EVERYBODY


def _rule_items(level: str, lines: Iterable[str]) -> dict[str, str]:
    return {f"{level}/rule {canonical_line(line)}": line for line in lines}


def canonical_line(line: str) -> str:
    """Return a rule by what it matches and does, in one spelling."""
    rule = parse_rule(line)
    bare = dataclasses.replace(
        rule,
        action=canonical.name(rule.action) if rule.type == "group" else rule.action,
        macro=rule.macro.lower(),
        source=canonical.addresses(rule.source),
        dest=canonical.addresses(rule.dest),
        proto=canonical.protocol(rule.proto),
        dport=canonical.ports(rule.dport),
        sport=canonical.ports(rule.sport),
        log="",
        enable=True,
        comment="",
    )
    return bare.line()


def _same_rules(mine: Iterable[str], theirs: Iterable[str]) -> bool:
    return [_rule(line) for line in mine] == [_rule(line) for line in theirs]


def _rule(line: str) -> tuple[str, bool, str, str]:
    rule = parse_rule(line)
    return (canonical_line(line), rule.enable, rule.log, rule.comment)


def firewall_items(applied: Mapping[str, Any], shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the planner applied as the items of a record."""
    items: dict[str, Any] = {MANAGEMENT: managing(shape)} if shape else {}
    for level in LEVELS:
        items.update((f"{level}/{key}", value) for key, value in _part(applied, "options", level).items())
        items.update(_rule_items(level, _part(applied, "rules", level).get("rules") or ()))
    for name, one in (applied.get("groups") or {}).items():
        rules = (one.get("applied") or {}).get("rules") or ()
        items[f"group/{canonical.name(name)}"] = {"made": bool(one.get("made")), "rules": list(rules)}
    for name, one in (applied.get("ipsets") or {}).items():
        entries = sorted(map(canonical.set_entry, one.get("entries") or ()))
        items[f"ipset/{canonical.name(name)}"] = {"made": bool(one.get("made")), "entries": entries}
    for name, cidr in (applied.get("aliases") or {}).items():
        items[f"alias/{canonical.name(name)}"] = canonical.network(str(cidr))
    return items


def _part(applied: Mapping[str, Any], part: str, level: str) -> Mapping[str, Any]:
    found = (applied.get(part) or {}).get(level)
    return found if isinstance(found, Mapping) else {}


def firewall_applied(items: Mapping[str, Any]) -> dict[str, Any]:
    """Return the items of a record as the planner remembers what it applied."""
    applied: dict[str, Any] = {}
    for item, value in items.items():
        kind, _separator, name = item.partition("/")
        if kind in LEVELS and name.startswith("rule "):
            applied.setdefault("rules", {}).setdefault(kind, {}).setdefault("rules", []).append(value)
        elif kind in LEVELS:
            applied.setdefault("options", {}).setdefault(kind, {})[name] = value
        elif kind == "group":
            record = {"made": bool(value.get("made")), "applied": {"rules": list(value.get("rules") or ())}}
            applied.setdefault("groups", {})[name] = record
        elif kind == "ipset":
            applied.setdefault("ipsets", {})[name] = dict(value)
        elif kind == "alias":
            applied.setdefault("aliases", {})[name] = value
    return applied
