# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls that turn the firewall of a container into the one that its configuration describes.

Three-way: a rule that we set and that is gone from the configuration is removed; a foreign one is kept
where it is. Ours stand in the configuration's order among each other; new ones at the front of the list come first of
all. PVE inserts a new rule at the top always, and moves one in front of another (public source of pve-firewall,
PVE/API2/Firewall/Rules.pm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...pve.apicalls import Call, Kind, container_call
from ...pve.fwfile import Firewall, Rule, parse_rule
from ..desired import FIREWALL, WantedFirewall

KEY = FIREWALL  # under which the record keeps what we applied
_IN_PLACE = ("log", "comment")


@dataclass(frozen=True)
class Change:
    """One change of a firewall's switch or rules. ``position`` is that of the rule, as the calls before left it."""

    kind: Kind
    params: Mapping[str, Any]
    position: int = -1

    def on(self, node: str, ctid: int) -> Call:
        """The call that makes it in a container's firewall."""
        return container_call(self.kind, node, ctid, self.params, position=self.position)

    def in_list(self, rules: str) -> Call:
        """The call that makes it in the list of rules with this path."""
        path = rules if self.kind is Kind.RULE_ADD else f"{rules}/{self.position}"
        return Call(_METHODS[self.kind], path, dict(self.params), kind=self.kind, position=self.position)


_METHODS: Mapping[Kind, str] = {Kind.RULE_ADD: "POST", Kind.RULE_CHANGE: "PUT", Kind.RULE_DELETE: "DELETE"}


@dataclass(frozen=True)
class Changes:
    """What must be done, why, what it leaves, what the record then holds, and the rules that are not ours."""

    calls: tuple[Change, ...]
    reasons: tuple[str, ...]
    after: Firewall
    applied: Mapping[str, Any]
    foreign: tuple[Rule, ...]

    def __bool__(self) -> bool:
        return bool(self.calls)


@dataclass
class _Item:
    """An existing rule, and the wanted one that it matches."""

    rule: Rule
    index: int | None = None


def changes(desired: WantedFirewall, there: Firewall, applied: Any) -> Changes:
    """The comparison of wanted, actual and last applied firewall (``applied``: what the record holds)."""
    earlier = _earlier(applied)
    work = _Rules(there.rules)
    wanted = desired.rules
    work.remove({key for key in earlier if key not in {rule.key for rule in wanted}})
    work.match(wanted, earlier)
    foreign = tuple(item.rule for item in work.items if item.index is None)
    work.adapt(wanted, earlier)
    work.arrange(wanted)
    options, switch, why = _switch(desired.enabled, there.options, applied)
    calls, reasons = list(work.calls), list(work.reasons)
    if switch:
        # On last, off first: in between the container is never filtered by half of its rules.
        on = str(options.get("enable", "0")) == "1"
        calls, reasons = ([*calls, switch], [*reasons, why]) if on else ([switch, *calls], [why, *reasons])
    after = Firewall(options, tuple(item.rule for item in work.items))
    return Changes(tuple(calls), tuple(reasons), after, desired.remembered(), foreign)


def _earlier(applied: Any) -> dict[tuple[str, ...], Rule]:
    """The rules that the record says we set, by what tells them apart."""
    result: dict[tuple[str, ...], Rule] = {}
    for line in (applied or {}).get("rules") or () if isinstance(applied, Mapping) else ():
        try:
            rule = parse_rule(str(line))
        except ValueError:
            continue
        result[rule.key] = rule
    return result


def _switch(enabled: Any, options: Mapping[str, str], applied: Any) -> tuple[dict[str, str], Change | None, str]:
    """(the options afterwards, the call that switches, why)."""
    there = options.get("enable")
    rest = {key: value for key, value in options.items() if key != "enable"}
    if enabled is not None:
        value = str(int(bool(enabled)))
        if (there or "0") == value:
            return dict(options), None, ""
        call = Change(Kind.FIREWALL_OPTIONS, {"enable": int(value)})
        return {**rest, "enable": value}, call, f"enable: {there or 'not set'} -> {value} (firewall/enabled)"
    earlier = applied.get("enable") if isinstance(applied, Mapping) else None
    if earlier is not None and there == earlier:
        why = "enable: an earlier run set it, and the configuration no longer has it"
        return rest, Change(Kind.FIREWALL_OPTIONS, {"delete": "enable"}), why
    return dict(options), None, ""


def _in_place(want: Rule, there: Rule, before: Rule | None) -> tuple[dict[str, Any], Rule]:
    """(parameters of the call that makes ``there`` as ``want``, the rule after it); {} when nothing needs to change."""
    params: dict[str, Any] = {} if want.enable == there.enable else {"enable": int(want.enable)}
    values = {name: getattr(there, name) for name in _IN_PLACE}
    delete = []
    for name in _IN_PLACE:
        new, old = getattr(want, name), values[name]
        if new and new != old:
            params[name] = values[name] = new
        elif not new and old and before is not None and getattr(before, name) == old:
            delete.append(name)
            values[name] = ""
    if delete:
        params["delete"] = ",".join(delete)
    return params, Rule(**{**vars(there), **values, "enable": want.enable})


class _Rules:
    """The list of rules as the calls change it."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.items = [_Item(rule) for rule in rules]
        self.calls: list[Change] = []
        self.reasons: list[str] = []

    def _call(self, kind: Kind, params: Mapping[str, Any], position: int = -1, reason: str = "") -> None:
        self.calls.append(Change(kind, params, position))
        if reason:
            self.reasons.append(reason)

    def remove(self, gone: set[tuple[str, ...]]) -> None:
        """What we set and is no longer wanted; from the end, so that positions stay."""
        for position in range(len(self.items) - 1, -1, -1):
            rule = self.items[position].rule
            if rule.key in gone:
                self._call(Kind.RULE_DELETE, {}, position, f"removed, we set it earlier: {rule.line()}")
                del self.items[position]

    def match(self, wanted: Sequence[Rule], earlier: Mapping[tuple[str, ...], Rule]) -> None:
        """Say which of the rules that are there are wanted.

        Of equal ones those that stand in order already, and among these those that need no change: so a list that has
        been brought into order once is found in order again, whatever equal rules of others are in it.
        """
        indices = {rule.key: index for index, rule in enumerate(wanted)}
        places = [(place, indices[item.rule.key]) for place, item in enumerate(self.items) if item.rule.key in indices]
        best: list[tuple[int, int, tuple[int, ...]]] = []  # the best chain that ends at each place: length, unchanged
        for at, (place, index) in enumerate(places):
            before = [best[other] for other in range(at) if places[other][1] < index]
            length, same, chain = max(before, key=lambda one: one[:2], default=(0, 0, ()))
            rule = self.items[place].rule
            as_wanted = not _in_place(wanted[index], rule, earlier.get(rule.key))[0]
            best.append((length + 1, same + int(as_wanted), (*chain, at)))
        chosen = max(best, key=lambda one: one[:2], default=(0, 0, ()))[2]
        missing = set(indices.values())
        for at in (*chosen, *range(len(places))):
            place, index = places[at]
            if index in missing:
                self.items[place].index = index
                missing.discard(index)

    def adapt(self, wanted: Sequence[Rule], earlier: Mapping[tuple[str, ...], Rule]) -> None:
        """What can be changed in place: on or off, log level, comment; the last two only where we have a say."""
        for position, item in enumerate(self.items):
            if item.index is None:
                continue
            there = item.rule
            params, item.rule = _in_place(wanted[item.index], there, earlier.get(there.key))
            if params:
                self._call(Kind.RULE_CHANGE, params, position, f"changed: {there.line()} -> {item.rule.line()}")

    def arrange(self, wanted: Sequence[Rule]) -> None:
        """Bring ours into order with as few moves as there can be, and put the missing ones in."""
        keep = _longest_rising([item.index for item in self.items if item.index is not None])
        after = -1
        leading = []
        for index, rule in enumerate(wanted):
            position = next((place for place, item in enumerate(self.items) if item.index == index), None)
            if position is None and after < 0:
                leading.append((index, rule))
            elif position is None:
                self._insert(index, rule)
                after += 1
                self._move(0, after + 1)
            elif index in keep:
                after = position
            else:
                if position != after + 1:
                    self._move(position, after + 1)
                    self.reasons.append(f"moved: {rule.line()}")
                after += int(position > after)
        for index, rule in reversed(leading):
            self._insert(index, rule)

    def _insert(self, index: int, rule: Rule) -> None:
        self._call(Kind.RULE_ADD, rule.params(), reason=f"added: {rule.line()}")
        self.items.insert(0, _Item(rule, index))

    def _move(self, position: int, before: int) -> None:
        """In front of the rule that is at ``before``, counted before the move."""
        if before in (position, position + 1):
            return  # it is there
        self._call(Kind.RULE_CHANGE, {"moveto": before}, position)
        item = self.items.pop(position)
        self.items.insert(before - 1 if before > position else before, item)


def _longest_rising(values: Sequence[int]) -> set[int]:
    """The longest rising part of a list without repetitions: what need not be moved."""
    best: list[list[int]] = [[]]
    for value in values:
        longest: list[int] = max((chain for chain in best if not chain or chain[-1] < value), key=len)
        best.append([*longest, value])
    best.sort(key=len)
    return set(best[-1])


def follow(rules: Sequence[Rule], change: Change | Call) -> tuple[Rule, ...]:
    """The rules after one call below ``…/firewall``: what the next call's positions count in."""
    items, params, position = list(rules), change.params, change.position
    if change.kind is Kind.RULE_ADD:
        fields = {key.replace("-", "_"): value for key, value in params.items()}
        return (Rule(**{**fields, "enable": bool(fields.get("enable", 0))}), *items)
    if change.kind is Kind.FIREWALL_OPTIONS:
        return tuple(items)
    if change.kind is Kind.RULE_DELETE:
        del items[position]
    elif "moveto" in params:
        before = int(params["moveto"])
        item = items.pop(position)
        items.insert(before - 1 if before > position else before, item)
    else:
        fields = dict(vars(items[position]))
        fields.update({name: "" for name in str(params.get("delete", "")).split(",") if name})
        fields.update({name: str(params[name]) for name in _IN_PLACE if name in params})
        if "enable" in params:
            fields["enable"] = bool(int(params["enable"]))
        items[position] = Rule(**fields)
    return tuple(items)
