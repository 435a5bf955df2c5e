# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which inventory set what on a node, section by section: who may undo it, and what contradicts.

A section is a flat mapping of items: an interface, an export, an option of the firewall. An inventory undoes only what
it set itself, what no other inventory sets too, and only in a section that its file has. What was set before
inventories had ids belongs to nobody: the first inventory that sets the same item adopts it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = ""
"""The id under which records from before the ids are kept."""
INVENTORY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
CONSENT = "phoenix_host_consent"
SECTIONS = ("network", "nfs", "samba", "firewall", "ntp", "sysctl")
"""What is undone when it leaves the file. Users, storages, datasets, packages and folders are never removed."""

Items = Mapping[str, Any]
Records = Mapping[str, Items]
Differs = Callable[[Any, Any], bool]


@dataclass(frozen=True)
class Verdict:
    """What the records say of one section of this inventory's file.

    Attributes:
        earlier: what this inventory set earlier and may undo, with what it adopts now.
        gone: the part of it that the file no longer has.
        shared: what the file no longer has and other inventories set, with their ids; it stays.
        others: what other inventories, or an unknown one, set and the file does not have; it stays.
        unknown: the part of it that no inventory has adopted.
        conflicts: items that another inventory set differently, one sentence each.
    """

    earlier: dict[str, Any]
    gone: dict[str, Any]
    shared: dict[str, list[str]]
    others: dict[str, Any]
    unknown: list[str]
    conflicts: list[str] = field(default_factory=list)


def plain_differs(mine: Any, theirs: Any) -> bool:
    """Whether two values of an item contradict; who made an item is no part of its value."""
    return bool(_bare(mine) != _bare(theirs))


def _bare(value: Any) -> Any:
    return {key: one for key, one in value.items() if key != "made"} if isinstance(value, Mapping) else value


def judge(
    section: str,
    inventory: str,
    wanted: Items,
    records: Records,
    differs: Differs = plain_differs,
    named: Collection[str] = (),
) -> Verdict:
    """Compare the items of a section with the records.

    Args:
        section: its key in the file.
        inventory: the id of this inventory.
        wanted: the items of the file.
        records: inventory id -> what it set.
        differs: whether two values of an item contradict.
        named: items without a known inventory that the operator gives to this one by naming them.
    """
    unknown = dict(records.get(UNKNOWN) or {})
    adopted = {item: value for item, value in unknown.items() if item in wanted or item in named}
    own = {**adopted, **(records.get(inventory) or {})}
    foreign = {one: items for one, items in sorted(records.items()) if one not in (inventory, UNKNOWN)}
    holders = {item: [one for one, items in foreign.items() if item in items] for item in {*own, *wanted}}
    conflicts = [
        f"{section}: {item} is set differently by the inventory {one} ({_shown(foreign[one][item])}) and by this one, "
        f"{inventory} ({_shown(value)}). Make both files say the same, or remove it from one of them"
        for item, value in wanted.items()
        for one in holders[item]
        if differs(value, foreign[one][item])
    ]
    left = {item: value for item, value in unknown.items() if item not in adopted}
    others = {item: value for items in foreign.values() for item, value in items.items()}
    return Verdict(
        earlier={item: value for item, value in own.items() if item in wanted or not holders[item]},
        gone={item: value for item, value in own.items() if item not in wanted and not holders[item]},
        shared={item: holders[item] for item in own if item not in wanted and holders[item]},
        others={item: value for item, value in {**left, **others}.items() if item not in wanted},
        unknown=sorted(left),
        conflicts=conflicts,
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(_bare(value), sort_keys=True, ensure_ascii=False)


def after(records: Records, inventory: str, items: Items, verdict: Verdict) -> dict[str, dict[str, Any]]:
    """Return the records once this inventory has set `items`. Who keeps a shared item may undo it later."""
    result = {one: dict(values) for one, values in records.items()}
    unknown = result.pop(UNKNOWN, {})
    mine = result.pop(inventory, {})
    for item in verdict.shared:
        if isinstance(mine.get(item), Mapping) and mine[item].get("made"):
            for one in verdict.shared[item]:
                result[one][item] = {**result[one][item], "made": True}
    left = {item: value for item, value in unknown.items() if item in verdict.unknown}
    result.update({one: values for one, values in ((UNKNOWN, left), (inventory, dict(items))) if values})
    return result


# -- consent -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Consent:
    """What the operator lets go: whole sections, and single items as `section:item`."""

    sections: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()

    def covers(self, section: str, item: str) -> bool:
        """Whether this item may go."""
        return section in self.sections or f"{section}:{item}" in self.items

    def named(self, section: str) -> set[str]:
        """The items of a section that are named one by one."""
        return {name.partition(":")[2] for name in self.items if name.partition(":")[0] == section}


def parse_consent(value: Any, sections: Sequence[str]) -> Consent:
    """Read the operator's variable: a list, or text with commas as a survey gives it. Raises ValueError."""
    given = [] if value is None else value
    if isinstance(given, str):
        given = _json_list(given) if given.strip().startswith("[") else given.split(",")
    if not isinstance(given, (list, tuple)):
        raise ValueError(f"{CONSENT}: got {given!r}, expected a list or text with commas")
    words = [str(word).strip() for word in given if str(word).strip()]
    for word in words:
        if word.partition(":")[0] not in sections:
            raise ValueError(
                f'{CONSENT}: "{word}" names no section. Expected one of {", ".join(sections)}, or one of them '
                "with an item, such as network:vmbr1"
            )
    return Consent(
        frozenset(word for word in words if ":" not in word), frozenset(word for word in words if ":" in word)
    )


def _json_list(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.split(",")


def option(names: Sequence[str]) -> str:
    """Return the exact option for the command line that consents to these items and to nothing else."""
    if any(re.search(r"[\s,\"']", name) for name in names):
        return "-e " + shlex.quote(json.dumps({CONSENT: list(names)}, ensure_ascii=False))
    return f"-e {shlex.quote(f'{CONSENT}={chr(44).join(names)}')}"
