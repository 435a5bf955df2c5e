# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a row of the registry holds: the keys of the JSON file with their schema, and what PVE makes of the option."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from .codecs import Codec

# When a change applies to a running container (PVE facts, 'Pending changes').
AT_ONCE = "at once"
HOTPLUG = "hot"
NEW_ONLY = "hot when new"
"""A new one is plugged in; a changed or deleted one waits."""
AT_RESTART = "at restart"
# What that disrupts, in the words of the schema and of a plan's steps.
DISRUPTS = {AT_ONCE: "nothing", HOTPLUG: "hot", NEW_ONLY: "hot", AT_RESTART: "restart"}

# What the texts of a key must not have, as values of PVE's config.
VALUE = re.compile(r"[,\x00-\x1f\x7f\x85\u2028\u2029]")
"""Part of a property string: a comma would end it."""
LINE = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
"""One line."""
LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
"""Lines, which PVE encodes."""


Version = tuple[int, int]
FIRST: Version = (8, 0)
"""The first Proxmox VE that the collection supports."""


def has_reached(version: str, since: Version) -> bool:
    """Whether a version of Proxmox VE is this one or a later one. What is no version counts as the newest."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return found is None or (int(found.group(1)), int(found.group(2))) >= since


@dataclass(frozen=True)
class Key:
    """One key of a container: its piece of the schema, and what its texts must not have.

    ``synonyms`` are names that people and other tools give it, with which it is suggested.
    """

    name: str
    schema: Mapping[str, Any]
    unfit: re.Pattern[str] = VALUE
    synonyms: tuple[str, ...] = ()


def same_text(left: str, right: str) -> bool:
    """Whether two plain values mean the same to PVE."""
    return left.strip() == right.strip()


@dataclass(frozen=True)
class Option:
    """One option of PVE's config, without the number that some have (``net`` for net0).

    Attributes:
        name: the option.
        purpose: what it is, for the documentation.
        keys: the keys that ask for it; the first one stands for it in reasons and messages.
        codec: both directions of the value; None where it depends on the node or on the record, too.
        asked_by: the key that stands for it, where the row has none.
        number: the number of the one option that the keys ask for.
        many: whether the keys ask for options of any number.
        applies: when a change applies to a running container.
        privilege: the privilege that PVE asks for, on the container.
        root_only: what of a value only root@pam itself may set, in words; None for nothing.
        root_words: the same for the documentation.
        root_privileged: what of it only root@pam itself may change in a privileged container; empty for nothing.
        since: the first Proxmox VE that has it.
        parts_since: the same for sub-options that came later.
        same: whether two plain values mean the same.
        structured: whether the value is a property string.
        whole: whether it goes as a whole once nothing of ours is left in it.
        reset: the value that it falls back to, where PVE refuses to delete it.
        kept: whether it stays as it is when its key goes.
        switches: the sub-options that mean the same when they are 0 and when they are not there.
        at_creation: whether the creation takes it, because it decides how PVE sets the container up.
    """

    name: str
    purpose: str
    keys: tuple[Key, ...] = ()
    codec: Codec | None = None
    asked_by: str = ""
    number: str = ""
    many: bool = False
    applies: str = AT_RESTART
    privilege: str = "VM.Config.Options"
    root_only: Callable[[str], str | None] = lambda _value: None
    root_words: str = ""
    root_privileged: str = ""
    since: Version = FIRST
    parts_since: Mapping[str, Version] = field(default_factory=dict)
    same: Callable[[str, str], bool] = same_text
    structured: bool = False
    whole: bool = False
    reset: str | None = None
    kept: bool = False
    switches: frozenset[str] = frozenset()
    at_creation: bool = False

    @property
    def option(self) -> str:
        """The option that the keys ask for, with its number."""
        return self.name + self.number

    def names_in(self, config: Mapping[str, str]) -> list[str]:
        """The options of a container's config that the keys ask for, in the order of their numbers."""
        if not self.many:
            return [self.option] if self.option in config else []
        found = (re.fullmatch(rf"{re.escape(self.name)}(\d+)", name) for name in config)
        return [f"{self.name}{number}" for number in sorted(int(each.group(1)) for each in found if each)]

    @property
    def source(self) -> str:
        """The key that stands for it, or an empty text."""
        return self.keys[0].name if self.keys else self.asked_by

    @property
    def has_lines(self) -> bool:
        """Whether its value is text of several lines."""
        return any(key.unfit is LINES for key in self.keys)

    def schema(self, key: Key) -> dict[str, Any]:
        """The piece of a key in the schema file; what it changes and what that disrupts follows from the row."""
        told: dict[str, Any] = {"x-phoenix-effect": self.option, "x-phoenix-disrupts": DISRUPTS[self.applies]}
        piece = dict(key.schema)
        first: dict[str, Any] = {name: piece.pop(name) for name in ("type", "description") if name in piece}
        told.update({name: piece.pop(name) for name in told if name in piece})
        # People write PVE's own name for it; a property string says more than one key does.
        own = (self.name,) if len(self.keys) == 1 and self.name != key.name and not self.structured else ()
        synonyms = [*dict.fromkeys((*own, *key.synonyms))]
        return {**first, **told, **piece, **({"x-phoenix-synonyms": synonyms} if synonyms else {})}
