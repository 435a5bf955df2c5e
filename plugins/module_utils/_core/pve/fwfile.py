# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container's firewall as PVE keeps it in ``/etc/pve/firewall/CTID.fw``: options and rules, the first match wins.

Read from the public source of pve-firewall (PVE/Firewall.pm): a rule is one line, ``[|]TYPE ACTION`` or
``[|]TYPE MACRO(ACTION)``, then ``-option value`` pairs and a comment after ``#``; ``|`` in front says that it is off.
Lines that PVE can't read it skips, and does not count in a rule's position.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import canonical

_SECTION = re.compile(r"^\[(\S+)(?:\s+\S+)?\]")
_OPTION = re.compile(r"^([a-z0-9_]+):\s*(.*?)\s*\Z", re.IGNORECASE)
_MACRO = re.compile(r"^([A-Za-z0-9]+)\((ACCEPT|DROP|REJECT)\)\Z")
# Option words of a rule line, in the order in which PVE writes them, with the API's parameter and our field.
_WORDS = (
    ("-i", "iface", "iface"),
    ("-source", "source", "source"),
    ("-dest", "dest", "dest"),
    ("-p", "proto", "proto"),
    ("-dport", "dport", "dport"),
    ("-sport", "sport", "sport"),
    ("-log", "log", "log"),
    ("-icmp-type", "icmp-type", "icmp_type"),
)
_FIELD_OF = {word: name for word, _parameter, name in _WORDS}
_FIELD_OF.update({"-proto": "proto", "--proto": "proto"})
_FIELD_OF.update({f"-{word}": name for word, name in _FIELD_OF.items() if word.startswith("-") and len(word) > 3})
TYPES = ("in", "out", "forward", "group")
# A guest has no traffic of others: PVE skips such a line of its file.
GUEST_TYPES = ("in", "out", "group")


@dataclass(frozen=True)
class Rule:
    """One rule. What it matches and does is its identity; the last three can be changed in place."""

    type: str
    action: str
    macro: str = ""
    iface: str = ""
    source: str = ""
    dest: str = ""
    proto: str = ""
    dport: str = ""
    sport: str = ""
    icmp_type: str = ""
    log: str = ""
    enable: bool = True
    comment: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Return what tells it from other rules, in one form however its addresses and ports are written."""
        action = canonical.name(self.action) if self.type == "group" else self.action
        places = (canonical.addresses(self.source), canonical.addresses(self.dest))
        ports = (canonical.ports(self.dport), canonical.ports(self.sport))
        named = (self.iface, *places, canonical.protocol(self.proto), *ports, self.icmp_type)
        return (self.type, action, self.macro.lower(), *named)

    def params(self) -> dict[str, Any]:
        """The parameters of the call that creates it. PVE makes a rule that is off unless told (``enable``)."""
        result: dict[str, Any] = {"type": self.type, "action": self.action, "enable": int(self.enable)}
        if self.macro:
            result["macro"] = self.macro
        result.update((parameter, getattr(self, name)) for _word, parameter, name in _WORDS if getattr(self, name))
        if self.comment:
            result["comment"] = self.comment
        return result

    def line(self) -> str:
        """The line as PVE writes it."""
        words = ["" if self.enable else "|", self.type.upper()]
        text = "".join(words) + " " + (f"{self.macro}({self.action})" if self.macro else self.action)
        text += "".join(f" {word} {getattr(self, name)}" for word, _parameter, name in _WORDS if getattr(self, name))
        return f"{text} # {self.comment}" if self.comment else text


@dataclass(frozen=True)
class Firewall:
    """One ``.fw`` file."""

    options: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()


def parse_rule(text: str) -> Rule:
    """One line of the rules' section. Raises ValueError where PVE would skip it."""
    body, mark, comment = text.strip().partition("#")
    enable = not body.startswith("|")
    words = body.lstrip("|").split()
    if len(words) < 2:
        raise ValueError("a rule has a direction and an action")
    kind, action = words[0].lower(), words[1]
    values: dict[str, Any] = {"comment": comment.strip() if mark else ""}
    macro = _MACRO.match(action) if kind in ("in", "out", "forward") else None
    if macro:
        values["macro"], action = macro.groups()
    options = words[2:]
    for index in range(0, len(options), 2):
        name = _FIELD_OF.get(options[index])
        if name is None or (kind == "group" and name != "iface"):
            raise ValueError(f"{options[index]} is not an option of a rule")
        if index + 1 >= len(options):
            raise ValueError(f"{options[index]} has no value")
        values[name] = options[index + 1]
    return _checked(Rule(kind, action, enable=enable, **values))


def rule_of(item: Any) -> Rule:
    """Return a rule of the configuration: a line, or an object with the keys of the schema. Raises ValueError.

    PVE knows groups and IP sets by names in lower case, and looks up what a rule says as it stands.
    """
    if isinstance(item, str):
        rule = parse_rule(item)
        action = canonical.name(rule.action) if rule.type == "group" else rule.action.upper()
        return dataclasses.replace(rule, action=action, source=_reference(rule.source), dest=_reference(rule.dest))
    names = {each.name for each in dataclasses.fields(Rule)} - {"type", "action", "enable", "comment"}
    given = {**item, "dport": item.get("dport") or item.get("port")}
    values = {name: "".join(str(given[name]).split()) for name in sorted(names) if given.get(name) not in (None, "")}
    kind, action = str(item.get("type", "")).lower(), str(item.get("action", ""))
    values.update((name, _reference(values[name])) for name in ("source", "dest") if name in values)
    comment = str(item.get("comment") or "").strip()
    enable = bool(item.get("enable", True))
    action = canonical.name(action) if kind == "group" else action.upper()
    return _checked(Rule(kind, action, enable=enable, comment=comment, **values))


def _reference(text: str) -> str:
    return text.lower() if canonical.SET.match(text) else text


def _checked(rule: Rule) -> Rule:
    if rule.type not in TYPES:
        raise ValueError(f"{rule.type} is none of {', '.join(TYPES)}")
    if rule.type != "group" and rule.action.upper() not in ("ACCEPT", "DROP", "REJECT"):
        raise ValueError(f"{rule.action} is none of ACCEPT, DROP, REJECT")
    if rule.type == "forward" and rule.action.upper() == "REJECT":
        raise ValueError("PVE can't reject what it forwards, only DROP it")
    if rule.type == "group" and any((*rule.key[2:3], *rule.key[4:], rule.log)):
        raise ValueError("a group has its own rules, only iface, enable and comment stand beside its name")
    return rule


def repeated(rules: Sequence[Any]) -> dict[int, int]:
    """Index of each rule of the configuration that says the same as one before it -> the index of that one.

    The first that matches decides, so the others have no effect; one that is off is not the same as one that is on.
    """
    first: dict[tuple[Any, ...], int] = {}
    found = {}
    for index, item in enumerate(rules):
        try:
            rule = rule_of(item)
            before = first.setdefault((*rule.key, rule.enable), index)
        except (ValueError, TypeError, AttributeError):
            continue  # the checks of the configuration have told
        if before != index:
            found[index] = before
    return found


def rule_of_answer(item: Mapping[str, Any]) -> Rule:
    """A rule as ``GET …/firewall/rules`` shows it."""
    given = {str(key).replace("-", "_"): value for key, value in item.items()}
    enable = str(given.pop("enable", 1)) not in ("0", "False")
    names = {each.name for each in dataclasses.fields(Rule)}
    values = {key: str(value) for key, value in given.items() if key in names and value is not None}
    return Rule(**{"type": "", "action": "", **values, "enable": enable})  # type: ignore[arg-type]  # strings and one flag


def parse_file(text: str) -> Firewall:
    """The text of a ``.fw`` file."""
    options: dict[str, str] = {}
    rules: list[Rule] = []
    section = ""
    for raw in text.split("\n"):  # a comment may hold what else Python takes for the end of a line
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        found = _SECTION.match(line)
        if found:
            section = found.group(1).lower()
            continue
        option = _OPTION.match(line) if section == "options" else None
        if option:
            options[option.group(1).lower()] = option.group(2)
        elif section == "rules":
            try:
                rule = parse_rule(line)
            except ValueError:
                continue  # PVE skips it too
            if rule.type in GUEST_TYPES:
                rules.append(rule)
    return Firewall(options, tuple(rules))
