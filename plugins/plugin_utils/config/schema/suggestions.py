# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an unknown key was meant to be: a key of the same meaning, a misspelled one, or one that has another place.

Only where that is as good as certain. Another name for a key stands in its schema (`x-phoenix-synonyms`); a misspelled
one differs in a letter or two; both only where the key takes the value that is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer

SYNONYMS = "x-phoenix-synonyms"
EMPTY = "x-phoenix-empty"
_UNITS = frozenset(
    ("b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib", "bytes", "s", "ms", "sec", "min", "seconds")
)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_OLD, _UNUSED = "read as ", "accepted, not acted on"


@dataclass(frozen=True)
class Suggestion:
    """The key that was meant.

    Attributes:
        key: its name.
        place: the keys from the object to the one that has it; empty where it is the same object.
        up: how many levels higher the object is that has it.
    """

    key: str
    place: tuple[str, ...] = ()
    up: int = 0


def suggestion(root: Mapping[str, Any], path: Pointer, key: str, value: Any) -> Suggestion | None:
    """The key of the schema that an unknown key at a path was meant to be, or None."""
    here = piece_at(root, path)
    if here is None:
        return None
    found = _called(here, root, key, value)
    if found is not None:
        return Suggestion(found)
    below = [
        (one_of_many, place, name)
        for place, inner, one_of_many in _objects(here, root)
        # What one of many is called says little of the whole, so only its very name counts.
        if (name := _called(inner, root, key, value, True)) is not None and (name == key or not one_of_many)
    ]
    for several in (False, True):
        found_below = [(place, name) for one_of_many, place, name in below if one_of_many is several]
        if len(found_below) == 1:
            return Suggestion(found_below[0][1], (found_below[0][0],))
        if found_below:
            break
    for up in range(1, len(path) + 1):
        above = piece_at(root, path[: len(path) - up])
        # A list has no keys; the levels are those of objects.
        name = _called(above, root, key, value, True) if above is not None and above.get("properties") else None
        if name is not None:
            return Suggestion(name, (), up)
    found = _misspelled(here, root, key, value)
    return None if found is None else Suggestion(found)


def piece_at(root: Mapping[str, Any], path: Pointer) -> Mapping[str, Any] | None:
    """The schema of what stands at a path, or None where no schema says what it is."""
    piece: Mapping[str, Any] | None = root
    for part in path:
        below = None
        for option in _options(piece or {}, root):
            if isinstance(part, int):
                below = option.get("items")
            else:
                below = option.get("properties", {}).get(part) or option.get("additionalProperties")
            if isinstance(below, Mapping):
                break
        piece = below if isinstance(below, Mapping) else None
        if piece is None:
            return None
    return _resolved(piece or {}, root)


def takes(piece: Mapping[str, Any], value: Any) -> bool:
    """Whether a key takes a value of this type, as files are read (`old_files.lenient`)."""
    if value in (None, "", {}) and not isinstance(value, (bool, int, float)):
        # An empty value is an absent key; elsewhere it is a value like any other.
        if EMPTY in piece:
            return True
        if value is None:
            return "null" in _kinds(piece) or not _kinds(piece)
    kinds = _kinds(piece)
    if not kinds:
        return True
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, int) and value in (0, 1) and kinds == ("boolean",):
        return True
    if isinstance(value, float) and value.is_integer() and "integer" in kinds:
        return True
    return any(isinstance(value, _TYPES[kind]) and kind != "boolean" for kind in kinds)


def same_meaning(piece: Mapping[str, Any], root: Mapping[str, Any], key: str) -> str | None:
    """The key of an object that an unknown key is another name of, whatever its value."""
    return next((name for name, inner in _targets(piece, root) if _is_name(key, name, inner)), None)


def _called(
    piece: Mapping[str, Any], root: Mapping[str, Any], key: str, value: Any, elsewhere: bool = False
) -> str | None:
    """The key of an object that is called so, or has it as a synonym, and takes the value."""
    for name, inner in _targets(piece, root):
        if _is_name(key, name, inner) and takes(inner, value):
            return name
    if elsewhere:
        return None
    # `memory` for `memory_mb`.
    plain = _plain(key)
    for name, inner in _targets(piece, root):
        stem, _line, unit = name.rpartition("_")
        if unit in _UNITS and plain == stem and takes(inner, value):
            return name
    return None


def _misspelled(piece: Mapping[str, Any], root: Mapping[str, Any], key: str, value: Any) -> str | None:
    plain = _plain(key)
    near = []
    for name, inner in _targets(piece, root, unused=True):
        allowed = min(2, min(len(plain), len(name)) // 4)
        # Another number, or another unit, is another thing.
        if re.sub(r"\D", "", plain) != re.sub(r"\D", "", name) or _unit(plain) != _unit(name):
            continue
        far = distance(plain, name, allowed)
        if far <= allowed and takes(inner, value):
            near.append((far, name))
    return min(near)[1] if near else None


def distance(left: str, right: str, limit: int) -> int:
    """How many letters must be added, removed, replaced or swapped; limit + 1 for more than the limit."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for index, letter in enumerate(left, 1):
        after = [index]
        for other, opposite in enumerate(right, 1):
            cost = min(row[other] + 1, after[other - 1] + 1, row[other - 1] + (letter != opposite))
            swapped = index > 1 and other > 1 and letter == right[other - 2] and left[index - 2] == opposite
            after.append(min(cost, before[other - 2] + 1) if swapped else cost)
        before, row = row, after
    return min(row[-1], limit + 1)


def _targets(
    piece: Mapping[str, Any], root: Mapping[str, Any], unused: bool = False
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The keys of an object that may be suggested: not old ones, and those that nothing acts on if they are wanted."""
    seen: set[str] = set()
    for option in _options(piece, root):
        for name, inner in option.get("properties", {}).items():
            if name in seen:
                continue
            seen.add(name)
            if not isinstance(inner, Mapping) or inner.get("deprecated") or "x-phoenix-renamed-to" in inner:
                continue
            effect = str(inner.get("x-phoenix-effect", ""))
            if not effect.startswith(_OLD) and (unused or effect != _UNUSED):
                yield name, _resolved(inner, root)


def _objects(piece: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """(key, object below it, whether it is one of a list) of an object."""
    for name, inner in _targets(piece, root):
        for option in _options(inner, root):
            items = option.get("items")
            if "properties" in option:
                yield name, option, False
            if isinstance(items, Mapping) and "properties" in items:
                yield name, items, True


def _is_name(key: str, name: str, piece: Mapping[str, Any]) -> bool:
    return _plain(key) in (name, *piece.get(SYNONYMS, ()))


def _plain(key: str) -> str:
    return re.sub(r"[\s-]", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key.strip())).lower()


def _unit(name: str) -> str:
    unit = name.rpartition("_")[2]
    return unit if unit in _UNITS else ""


def _kinds(piece: Mapping[str, Any]) -> tuple[str, ...]:
    kinds = piece.get("type")
    if kinds is None:
        return tuple(dict.fromkeys(kind for option in piece.get("anyOf", ()) for kind in _kinds(option)))
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def _resolved(piece: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A piece with what it refers to under its own words."""
    if "$ref" not in piece:
        return piece
    under = root["$defs"][piece["$ref"].rsplit("/", 1)[1]]
    properties = {**under.get("properties", {}), **piece.get("properties", {})}
    own = {word: item for word, item in piece.items() if word != "$ref"}
    return {**under, **own, "properties": properties}


def _options(piece: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The piece and its alternatives."""
    resolved = _resolved(piece, root)
    yield resolved
    for word in ("anyOf", "oneOf"):
        for option in resolved.get(word, ()):
            yield _resolved(option, root)
