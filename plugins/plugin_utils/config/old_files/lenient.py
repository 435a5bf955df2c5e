# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What files in the field write differently and mean the same, brought to one form before anything judges or reads it.

Only where the meaning is clear: an empty text or object, or null, as `not set` (keys whose schema has
`x-phoenix-empty`; an empty object stays where that says `undone`), 0 and 1 as false and true, and 2048.0 as 2048.
Everything else is left for the schema to refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EMPTY = "x-phoenix-empty"
UNDONE = "undone"


def settled(document: Any, schema: Mapping[str, Any]) -> Any:
    """The document in the one form; the document given is not changed, and pointers into it stay right."""
    return _settled(document, schema, schema)


def _settled(value: Any, piece: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    if "$ref" in piece:
        piece = root["$defs"][piece["$ref"].rsplit("/", 1)[1]]
    if isinstance(value, dict):
        return _object(value, piece, root)
    if isinstance(value, list):
        items = piece.get("items")
        return [_settled(item, items, root) for item in value] if isinstance(items, dict) else value
    kinds = piece.get("type")
    if kinds == "boolean" and isinstance(value, int) and not isinstance(value, bool) and value in (0, 1):
        return bool(value)
    if isinstance(value, float) and kinds in ("integer", "number") and value.is_integer():
        return int(value)
    return value


def _object(value: dict[str, Any], piece: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    properties, others = piece.get("properties", {}), piece.get("additionalProperties")
    result: dict[str, Any] = {}
    for key, item in value.items():
        below = properties.get(key, others)
        new = _settled(item, below, root) if isinstance(below, dict) else item
        if not (isinstance(below, dict) and EMPTY in below and _is_empty(new, below[EMPTY] == UNDONE)):
            result[key] = new
    return result


def _is_empty(value: Any, undone: bool) -> bool:
    return value is None or value == "" or (value == {} and not undone)
