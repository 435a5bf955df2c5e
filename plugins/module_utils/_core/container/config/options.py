# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One PVE option that a configuration asks for, compared with the current one, by its row of the registry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...pve import forms, properties, tags
from ..registry import table
from ..registry.option import AT_ONCE, AT_RESTART, NEW_ONLY
from ..registry.wanted_options import WantedOption

# What PVE adds to a property string by itself.
_ADDED = frozenset({"type", "hwaddr", "volume", "size", "mp", "path", "name"})
# A switch on a NIC that is not ours: when it goes, the NIC stays.
SWITCHES = frozenset({"firewall"})
SHOWN = 60  # characters of a text with several lines


def is_hot(key: str, actual: Mapping[str, str], deleted: bool = False) -> bool:
    """Whether PVE applies a change of this option to a running container without a restart.

    A new mount point or device is plugged in; a changed or deleted one waits.
    """
    applies = table.row(key).applies
    return key not in actual and not deleted if applies == NEW_ONLY else applies != AT_RESTART


def is_at_once(key: str) -> bool:
    """Whether PVE applies a change of this option without touching what runs."""
    return table.row(key).applies == AT_ONCE


def is_drive(key: str) -> bool:
    """Whether an option is a disk or a mount point, which PVE doesn't change in a protected container."""
    return table.row(key).name in ("rootfs", "mp")


def new_value(wanted: WantedOption, actual: str | None, applied: Any) -> str | None:
    """The text to send for this option, or None when the current text already means the same.

    Three-way: sub-options that we applied earlier and no longer want go, foreign ones stay.
    """
    if wanted.key == tags.KEY:
        return tags.changed(actual, (wanted.parts or {}).values(), applied)
    if wanted.parts is None:
        same = actual is not None and same_text(wanted.key, actual, str(wanted.text))
        return None if same else wanted.text
    first = properties.default_key(wanted.key)
    there = properties.parse(actual or "", first)
    earlier = applied if isinstance(applied, Mapping) else {}
    merged = {key: value for key, value in there.items() if key not in earlier or key in wanted.parts}
    # A MAC that we set earlier stays with its NIC: sending none would draw a new one on every PUT.
    if "hwaddr" in there:
        merged["hwaddr"] = there["hwaddr"]
    for key, value in wanted.parts.items():
        if not properties.same_value(key, merged.get(key, ""), value):
            merged[key] = value
    for key in wanted.without:
        if forms.flag(merged.get(key, "0")) == "1":
            del merged[key]
    if properties.same(merged, there) and (actual is not None or not merged):
        return None
    return properties.compose(merged, first)


def undone_value(key: str, actual: str | None, applied: Any) -> tuple[str, str | None] | None:
    """How to undo an option that we applied earlier and the file no longer has.

    Returns ``("set", text)``, ``("delete", None)``, or None when nothing of ours is left there.
    """
    row = table.row(key)
    if row.name == "rootfs" and isinstance(applied, Mapping) and actual is not None:
        return _without(actual, {*applied} - {"volume", "size"})
    if actual is None or row.kept:
        return None
    if key == tags.KEY:
        left = tags.changed(actual, (), applied)
        return None if left is None else ("set", left) if left else _deletion(key)
    if row.name == "mp" and isinstance(applied, Mapping):
        # Somebody may have put another mount point into the slot since.
        same = forms.path(properties.parse(actual, "volume").get("mp", "")) == forms.path(applied.get("mp", ""))
        return _deletion(key) if same else None
    if row.name == "dev" and isinstance(applied, Mapping):
        # Somebody may have put another device into the slot since.
        return _deletion(key) if properties.parse(actual, "path").get("path") == applied.get("path") else None
    if _is_other_interface(row.name, actual, applied):
        return None
    if not isinstance(applied, Mapping):
        if not same_text(key, actual, str(applied)):
            return None  # somebody changed it since: it is theirs now
        return ("set", row.reset) if row.reset and actual.strip() != row.reset else _deletion(key)
    first = properties.default_key(key)
    there = properties.parse(actual, first)
    rest = {name: value for name, value in there.items() if name not in applied}
    # A NIC or a mount point without what we gave it is none: it goes as a whole. PVE keeps the volume as unusedN.
    if rest and (not row.whole or set(applied) <= SWITCHES):
        return None if len(rest) == len(there) else ("set", properties.compose(rest, first))
    return _deletion(key) if set(there) & set(applied) else None


def _without(actual: str, names: set[str]) -> tuple[str, str] | None:
    """The root disk without these of its options."""
    there = properties.parse(actual, "volume")
    rest = {name: value for name, value in there.items() if name not in names}
    return ("set", properties.compose(rest, "volume")) if len(rest) < len(there) else None


def _is_other_interface(option: str, actual: str, applied: Any) -> bool:
    """Whether somebody put another interface into the slot since."""
    name = applied.get("name") if option == "net" and isinstance(applied, Mapping) else None
    return bool(name) and properties.parse(actual).get("name") != name


def by_hand(wanted: WantedOption, actual: str | None, applied: Any) -> list[str]:
    """The sub-options that somebody set beside ours, as ``key=value``; what PVE adds by itself is not among them."""
    if wanted.parts is None or wanted.key == tags.KEY or actual is None:
        return []
    there = properties.parse(actual, properties.default_key(wanted.key))
    ours = {*wanted.parts, *(applied if isinstance(applied, Mapping) else ()), *_ADDED}
    return [f"{key}={value}" for key, value in sorted(there.items()) if key not in ours]


def claimed(key: str, value: str) -> Any:
    """What the record has of an option that is ours as it is."""
    if key == tags.KEY:
        return tags.split(value)
    return properties.parse(value, properties.default_key(key)) if table.row(key).structured else value


def same_text(key: str, left: str, right: str) -> bool:
    """Whether two values of a plain option mean the same to PVE."""
    return table.row(key).same(left, right)


def same_option(key: str, left: str, right: str) -> bool:
    """Whether two values of any option mean the same to PVE."""
    if key == tags.KEY:
        return tags.split(left).keys() == tags.split(right).keys()
    if same_text(key, left, right):
        return True
    first = properties.default_key(key)
    same = properties.same(properties.parse(left, first), properties.parse(right, first))
    return table.row(key).structured and same


def shown(key: str, value: str | None) -> str:
    """A value in a reason. Of text with several lines one line, and only enough to identify the text."""
    if value is None:
        return "not set"
    if not table.row(key).has_lines:
        return value.replace("\0", " ")
    plain = value.rstrip("\n")
    short = plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}…"
    return json.dumps(short, ensure_ascii=not short.replace("\n", "").isprintable())


def _deletion(key: str) -> tuple[str, None] | None:
    return None if table.row(key).reset else ("delete", None)
