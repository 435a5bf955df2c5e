# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall of datacenter and node, with groups, IP sets and aliases: current state -> calls to the desired one.

Three-way, as for a container's firewall: what we set and is gone from the configuration goes, what others set stays.
The rule that keeps SSH and the web interface open is ours, comes first of all rules at both levels, and before any
other change. PVE asks the node's rules before the datacenter's (public source of pve-firewall, PVE/Firewall.pm).
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..container.cluster import firewall_changes
from ..container.desired import wanted_firewall
from ..pve import canonical
from ..pve.apicalls import Call, Calls, Kind, show
from ..pve.fwfile import Firewall, Rule, rule_of, rule_of_answer

CLUSTER = "/cluster/firewall"
PORTS = (22, 8006)
COMMENT = "phoenix.hypervisor: SSH and the web interface stay open"
LEVELS = ("datacenter", "node")


@dataclass
class FirewallPlan(Calls):
    """The calls, why, what forbids them, and what the record then holds."""

    reasons: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    applied: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What the node shows, as its API answers: options and rules by level; groups (rules by name), sets and aliases."""

    options: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Sequence[Mapping[str, Any]]]
    groups: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    ipsets: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    aliases: Sequence[Mapping[str, Any]] = ()
    guests: str = ""  # the texts of all guests' firewalls


def keeping_open(management: Sequence[str], ports: Iterable[int]) -> list[Rule]:
    """The rules that come first: one for everybody, or one for each IP version of the networks that may."""
    dport = ",".join(str(port) for port in sorted({*PORTS, *ports}))
    anybody = Rule("in", "ACCEPT", proto="tcp", dport=dport, comment=COMMENT)
    if not management:
        return [anybody]
    versions: dict[int, list[str]] = {}
    for network in management:
        versions.setdefault(ipaddress.ip_network(network, strict=False).version, []).append(network)
    return [dataclasses.replace(anybody, source=",".join(versions[version])) for version in sorted(versions)]


def plan(node: str, wanted: Mapping[str, Any], seen: Seen, applied: Any, ports: Iterable[int] = ()) -> FirewallPlan:
    """The comparison.

    Args:
        node: the node's name in the API's paths.
        wanted: `options` and `rules` by level (`datacenter`, `node`), `groups`, `ipsets`, `entry_comments`, `aliases`,
            `management`; {} undoes what was applied, the rules that keep the ways in open too.
        seen: the current state.
        applied: what the record holds, in the same shape as the plan's.
        ports: on which the connection of this run comes in, besides the usual ones.
    """
    earlier = applied if isinstance(applied, Mapping) else {}
    work = _Work(wanted, seen, earlier)
    bases = {"datacenter": CLUSTER, "node": f"/nodes/{node}/firewall"}
    first = keeping_open(wanted.get("management") or (), ports) if wanted else []
    there = {level: [rule_of_answer(row) for row in seen.rules.get(level, ())] for level in LEVELS}
    for level in reversed(LEVELS):  # the node's rules are asked first
        there[level] = work.lead(bases[level], there[level], first)
    switches = [call for level in LEVELS for call in work.options(level, bases[level])]
    work.calls += [call for call, on in switches if not on]
    work.aliases()
    work.ipsets()
    work.groups()
    for level in LEVELS:
        items = [*({**_item(rule)} for rule in first), *((wanted.get("rules") or {}).get(level) or ())]
        found = firewall_changes.changes(
            wanted_firewall({"rules": items}),
            Firewall(rules=tuple(there[level])),
            (earlier.get("rules") or {}).get(level),
        )
        work.take(found, f"{bases[level]}/rules")
        work.applied("rules", level, found.applied)
    work.leftovers()
    work.calls += [call for call, on in switches if on]
    work.judge()
    result = FirewallPlan(reasons=work.reasons, refusals=work.refusals, applied=work.record, notes=work.notes)
    result.calls = work.calls
    return result


def _item(rule: Rule) -> dict[str, Any]:
    return {key: value for key, value in vars(rule).items() if value not in ("", None)}


class _Work:
    """The plan in the making."""

    def __init__(self, wanted: Mapping[str, Any], seen: Seen, earlier: Mapping[str, Any]) -> None:
        self.wanted = wanted
        self.seen = seen
        self.earlier = earlier
        self.calls: list[Call] = []
        self.late: list[Call] = []
        self.reasons: list[str] = []
        self.refusals: list[str] = []
        self.notes: list[str] = []
        self.record: dict[str, Any] = {}

    def applied(self, part: str, name: str, value: Any) -> None:
        """Remember what was applied; nothing is not kept."""
        if value:
            self.record.setdefault(part, {})[name] = value

    def call(self, method: str, path: str, params: Mapping[str, Any], reason: str, late: bool = False) -> None:
        """One call, and why."""
        (self.late if late else self.calls).append(Call(method, path, dict(params)))
        self.reasons.append(reason)

    def take(self, found: firewall_changes.Changes, rules: str) -> None:
        """The calls for the list of rules with this path."""
        self.calls += [change.in_list(rules) for change in found.calls]
        self.reasons += found.reasons

    def lead(self, base: str, rules: Sequence[Rule], first: Sequence[Rule]) -> list[Rule]:
        """Put the rules that keep the ways in open before all others; the rules afterwards."""
        result: tuple[Rule, ...] = tuple(rules)
        if [rule.key for rule in result[: len(first)]] == [rule.key for rule in first]:
            return list(result)
        for rule in reversed(first):
            position = next((place for place, one in enumerate(result) if one.key == rule.key), None)
            if position is None:
                change = firewall_changes.Change(Kind.RULE_ADD, rule.params())
            else:
                change = firewall_changes.Change(Kind.RULE_CHANGE, {"moveto": 0}, position)
            if position != 0:
                self.calls.append(change.in_list(f"{base}/rules"))
                self.reasons.append(f"comes first: {rule.line()}")
                result = firewall_changes.follow(result, change)
        return list(result)

    def options(self, level: str, base: str) -> list[tuple[Call, bool]]:
        """(the call, whether it switches on or tightens, so that it comes last)."""
        wanted = (self.wanted.get("options") or {}).get(level) or {}
        there = {key: str(value) for key, value in (self.seen.options.get(level) or {}).items()}
        before = (self.earlier.get("options") or {}).get(level) or {}
        params: dict[str, Any] = {}
        for key, value in wanted.items():
            now = there.get(key)
            now = str(int(now != "0")) if key == "enable" and now is not None else now
            text = show(value)
            if now != text and not (key == "enable" and now is None and text == ("1" if level == "node" else "0")):
                params[key] = text
                self.reasons.append(f"{level}: {key}: {now or 'not set'} -> {text}")
        gone = [key for key, value in before.items() if key not in wanted and there.get(key) == value]
        self.applied("options", level, {key: show(value) for key, value in wanted.items()})
        self.reasons += [
            f"{level}: {key}: an earlier run set it, and the configuration no longer has it" for key in gone
        ]
        result = []
        if params:
            loosens = params.get("enable") == "0"
            result.append((Call("PUT", f"{base}/options", params), not loosens))
        if gone:
            result.append((Call("PUT", f"{base}/options", {"delete": ",".join(gone)}), "enable" not in gone))
        return result

    # -- groups, sets, aliases: made before the rules that name them, removed after -----------------------------------

    def aliases(self) -> None:
        """Keep the names for addresses."""
        there = {canonical.name(str(row["name"])): row for row in self.seen.aliases}
        wanted = _by_name(self.wanted.get("aliases"))
        for name, value in wanted.items():
            params = {"cidr": value["cidr"], **({"comment": value["comment"]} if value.get("comment") else {})}
            row = there.get(name)
            if row is None:
                self.call("POST", f"{CLUSTER}/aliases", {"name": name, **params}, f"alias added: {name}")
            elif not _same_alias(row, params):
                self.call("PUT", f"{CLUSTER}/aliases/{quote(name, safe='')}", params, f"alias changed: {name}")
            self.applied("aliases", name, params["cidr"])
        for name, value in _by_name(self.earlier.get("aliases")).items():
            row = there.get(name)
            if name in wanted or row is None or canonical.network(str(row.get("cidr"))) != canonical.network(value):
                continue
            if not self._used("aliases", name, value, rf"(?i)(?<![\w/+-])(?:dc/)?{re.escape(name)}(?![\w-])"):
                path = f"{CLUSTER}/aliases/{quote(name, safe='')}"
                self.call("DELETE", path, {}, f"alias removed, we set it earlier: {name}", late=True)

    def ipsets(self) -> None:
        """Keep the sets of addresses; entries of others stay in ours."""
        there, wanted = _by_name(self.seen.ipsets), _by_name(self.wanted.get("ipsets"))
        before = _by_name(self.earlier.get("ipsets"))
        for name, entries in wanted.items():
            record = before.get(name) or {}
            if name not in there:
                self.call("POST", f"{CLUSTER}/ipset", {"name": name}, f"IP set added: {name}")
            self._entries(name, entries, there.get(name, ()), record.get("entries") or ())
            made = name not in there or bool(record.get("made"))
            self.applied("ipsets", name, {"made": made, "entries": list(entries)})
        for name, record in before.items():
            if name in wanted or name not in there or not record.get("made"):
                continue
            if not self._used("ipsets", name, record, rf"(?i)\+(?:dc/)?{re.escape(name)}(?![\w-])"):
                base = f"{CLUSTER}/ipset/{quote(name, safe='')}"
                for row in there[name]:
                    path = f"{base}/{quote(str(row['cidr']), safe='')}"
                    self.call("DELETE", path, {}, f"IP set {name}: removed {row['cidr']}", late=True)
                self.call("DELETE", base, {}, f"IP set removed, we made it earlier: {name}", late=True)

    def _entries(
        self, name: str, entries: Sequence[str], rows: Sequence[Mapping[str, Any]], before: Sequence[str]
    ) -> None:
        """Keep the addresses of one set; `!` in front of one excludes it. PVE's own spelling names what goes."""
        base = f"{CLUSTER}/ipset/{quote(name, safe='')}"
        there = {canonical.set_entry(_entry(row)): str(row["cidr"]) for row in rows}
        said = {canonical.set_entry(_entry(row)): str(row.get("comment") or "") for row in rows}
        given = _by_name(self.wanted.get("entry_comments")).get(name) or {}
        comments = {canonical.set_entry(entry): str(text).strip() for entry, text in given.items()}
        wanted = {canonical.set_entry(entry): entry for entry in entries}
        bare = {entry.lstrip("!") for entry in wanted}
        ours = {entry for entry in map(canonical.set_entry, before) if entry.lstrip("!") not in bare}
        turned = {entry for entry in there if entry.lstrip("!") in bare and entry not in wanted}
        for entry in sorted(there.keys() & (ours | turned)):
            path = f"{base}/{quote(there[entry], safe='')}"
            self.call("DELETE", path, {}, f"IP set {name}: removed {entry}")
        for entry in wanted:
            if entry not in there:
                params = {"cidr": entry.lstrip("!"), **({"nomatch": 1} if entry.startswith("!") else {})}
                params.update({"comment": comments[entry]} if comments.get(entry) else {})
                self.call("POST", base, params, f"IP set {name}: added {entry}")
            elif entry in comments and comments[entry] != said[entry]:
                params = {"comment": comments[entry], **({"nomatch": 1} if entry.startswith("!") else {})}
                path = f"{base}/{quote(there[entry], safe='')}"
                self.call("PUT", path, params, f"IP set {name}: comment of {entry} changed")

    def groups(self) -> None:
        """Keep the security groups, each a list of rules that others name."""
        seen, wanted = _by_name(self.seen.groups), _by_name(self.wanted.get("groups"))
        earlier = _by_name(self.earlier.get("groups"))
        for name, rules in wanted.items():
            there = seen.get(name)
            before = earlier.get(name) or {}
            if there is None:
                self.call("POST", f"{CLUSTER}/groups", {"group": name}, f"group added: {name}")
            found = firewall_changes.changes(
                wanted_firewall({"rules": rules}),
                Firewall(rules=tuple(rule_of_answer(row) for row in there or ())),
                before.get("applied"),
            )
            base = f"{CLUSTER}/groups/{quote(name, safe='')}"
            self.take(found, base)
            self.applied("groups", name, {"made": there is None or bool(before.get("made")), "applied": found.applied})
        for name, record in earlier.items():
            if name in wanted or name not in seen or not record.get("made"):
                continue
            if not self._used("groups", name, record, rf"(?im)^\|?GROUP {re.escape(name)}(?:\s|$)"):
                base = f"{CLUSTER}/groups/{quote(name, safe='')}"
                for position in range(len(seen[name]) - 1, -1, -1):
                    self.call("DELETE", f"{base}/{position}", {}, f"group {name}: a rule removed", late=True)
                self.call("DELETE", base, {}, f"group removed, we made it earlier: {name}", late=True)

    def _used(self, part: str, name: str, record: Any, pattern: str) -> bool:
        """Whether a guest's firewall names it; then it stays, and the run reports it."""
        if not re.search(pattern, self.seen.guests):
            return False
        self.applied(part, name, record)
        told = "is no longer in the configuration and stays: a guest's firewall uses it"
        self.notes.append(f"{name} ({part}) {told}")
        return True

    def leftovers(self) -> None:
        """What is removed once no rule names it."""
        self.calls += self.late

    def judge(self) -> None:
        """Rules name groups, sets and aliases that are there or come."""
        known = {
            "groups": {*_by_name(self.seen.groups), *_by_name(self.wanted.get("groups"))},
            "ipsets": {*_by_name(self.seen.ipsets), *_by_name(self.wanted.get("ipsets")), "management", "blacklist"},
            "aliases": {
                *(canonical.name(str(row["name"])) for row in self.seen.aliases),
                *_by_name(self.wanted.get("aliases")),
                "local_network",
            },
        }
        lists = [("firewall.rules", (self.wanted.get("rules") or {}).get("datacenter") or ())]
        lists.append(("firewall.node.rules", (self.wanted.get("rules") or {}).get("node") or ()))
        lists += [(f"firewall.groups.{name}", rules) for name, rules in (self.wanted.get("groups") or {}).items()]
        for where, items in lists:
            for index, item in enumerate(items):
                for part, name in _names(rule_of(item)):
                    if canonical.name(name) not in known[part]:
                        there = ", ".join(sorted(known[part])) or "none"
                        self.refusals.append(
                            f"{where}[{index}] names {name}, which is none of the {part} of the datacenter's firewall "
                            f"({there}). Add it to firewall.{part}, or correct the name"
                        )


def _by_name(items: Mapping[str, Any] | None) -> dict[str, Any]:
    return {canonical.name(name): value for name, value in (items or {}).items()}


def _same_alias(row: Mapping[str, Any], params: Mapping[str, str]) -> bool:
    same = canonical.network(str(row.get("cidr") or "")) == canonical.network(params["cidr"])
    return same and ("comment" not in params or str(row.get("comment") or "") == params["comment"])


def _entry(row: Mapping[str, Any]) -> str:
    return ("!" if str(row.get("nomatch") or "0") not in ("0", "") else "") + str(row["cidr"])


def _names(rule: Rule) -> Iterable[tuple[str, str]]:
    """What of the datacenter's firewall a rule names."""
    if rule.type == "group":
        yield "groups", rule.action
    for text in (rule.source, rule.dest):
        if text.startswith("+"):
            if not text.startswith(("+guest/", "+sdn/")):
                yield "ipsets", text.lstrip("+").rpartition("/")[2]
        elif canonical.NAME.match(text) and not text.startswith("guest/"):
            yield "aliases", text.rpartition("/")[2]
