# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a violation of a schema means to somebody who edits the file: from an error of jsonschema to findings.

A schema says what it expects in people's words with `x-phoenix-expected`, and how to get there with `x-phoenix-remedy`;
`x-phoenix-others` has the remedies of keys that it refuses by name.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import (
    Finding,
    Pointer,
    is_secret,
    show,
    to_pointer,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import CTID
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.schema import meantforms, suggestions

_TYPES = {
    "string": "text in double quotes",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_TO_MIB = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024 * 1024}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt])?(?:i?b)?\s*\Z", re.IGNORECASE)
_PERCENT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*\Z")
_IPV6 = re.compile(r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:/[0-9]+)?\Z")
_SHORT = 120  # characters of a value that a remedy repeats
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

_LIMITS = {
    "minimum": "a number not lower than",
    "exclusiveMinimum": "a number greater than",
    "maximum": "a number not greater than",
    "exclusiveMaximum": "a number lower than",
}
_HIDDEN = object()
"""Stands for a value that a remedy must not repeat."""


class Explainer:
    """Turns the errors of one file into findings.

    Args:
        file: the file's name in findings.
        hidden: show no values at all (the file is vault-encrypted).
        root: the file's schema, in which keys to suggest are looked for.
    """

    def __init__(self, file: str, hidden: bool, root: Mapping[str, Any] = MappingProxyType({})) -> None:
        self._root = root
        self._file = file
        self._hidden = hidden

    def findings(self, error: Any, base: Pointer) -> Iterator[Finding]:
        """The findings of one `jsonschema.ValidationError` whose paths begin at `base`."""
        path: Pointer = base + tuple(error.absolute_path)
        schema: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
        if error.validator in ("anyOf", "oneOf"):
            yield from self._alternatives(error, base, path, schema)
        elif error.validator == "additionalProperties":
            yield from self._unknown_keys(error, path, schema)
        elif error.validator == "required":
            yield from self._missing_keys(error, path, schema)
        elif error.schema is False and path:
            yield Finding(
                self._file,
                path,
                "a key that must differ per container",
                f"no {path[-1]} here",
                "Move it into each container.",
                at_key=True,
            )
        elif error.validator == "uniqueItems" and error.validator_value:
            yield self._repeated(error.instance, path)
        elif list(error.absolute_schema_path)[-2:-1] == ["propertyNames"]:
            yield self._bad_key(path, str(error.instance), schema)
        else:
            yield self._value(error.validator, error.validator_value, error.instance, path, schema)

    def _bad_key(self, path: Pointer, key: str, schema: Mapping[str, Any]) -> Finding:
        """A key that `propertyNames` refuses; `path` leads to the object."""
        expected = str(schema.get("x-phoenix-expected") or "a key that matches {}".format(schema.get("pattern")))
        remedy = _ctid_remedy(key, expected) or "Rename the key."
        return Finding(self._file, (*path, key), show((), key) + " as key", expected, remedy, at_key=True)

    def _repeated(self, items: list[Any], path: Pointer) -> Finding:
        """The first item of a list that an earlier one equals."""
        texts = [json.dumps(item, sort_keys=True) for item in items]
        at = next((number for number, text in enumerate(texts) if text in texts[:number]), 0)
        shown = show((*path, at), items[at], self._hidden)
        return Finding(self._file, (*path, at), f"{shown} again", "each item once", "Remove the repeated item.")

    def _value(self, validator: str, limit: Any, value: Any, path: Pointer, schema: Mapping[str, Any]) -> Finding:
        expected = str(schema.get("x-phoenix-expected") or _expected(validator, limit, schema))
        nearest = None
        if validator == "enum" and isinstance(value, str):
            nearest = _nearest(value, [str(item) for item in limit], 0.75)
        # What a remedy repeats of a value would show it.
        open_value = not (self._hidden or is_secret(path, value))
        remedy = self._remedy_of_null(path) if value is None and validator == "type" else None
        if remedy is None and validator == "pattern":
            remedy = self._remedy_of_address(path, value)
        if remedy is None:
            shown = value if open_value else _HIDDEN
            remedy = _remedy(validator, limit, shown, schema, nearest if open_value else None)
        nearest = nearest if open_value else None
        return Finding(self._file, path, show(path, value, self._hidden), expected, remedy, nearest)

    def _remedy_of_null(self, path: Pointer) -> str | None:
        """What to do about a null where it means nothing; None where something must stand in its place."""
        if not path:
            return None
        if isinstance(path[-1], int):
            return "Remove the item."
        holder = suggestions.piece_at(self._root, path[:-1]) or {}
        return None if path[-1] in holder.get("required", ()) else "Remove the key: an absent key is not managed."

    def _remedy_of_address(self, path: Pointer, value: str) -> str | None:
        """What to do about an IPv6 address in the key for IPv4, where the key for it stands beside."""
        if not path or not _IPV6.match(value):
            return None
        other = f"{path[-1]}6"
        beside = suggestions.piece_at(self._root, path[:-1]) or {}
        return f"Write it as {other}." if other in beside.get("properties", {}) else None

    def _unknown_keys(self, error: Any, path: Pointer, schema: Mapping[str, Any]) -> Iterator[Finding]:
        for key, value in error.instance.items():
            if key in schema.get("properties", {}):
                continue
            # Keys of other tools for the same files are known by name: what looks alike may mean something else.
            remedy, nearest = schema.get("x-phoenix-others", {}).get(key), None
            if remedy is None:
                remedy, nearest = self._meant(path, key, value)
            yield Finding(
                self._file, (*path, key), "unknown key " + show((), key), "a known key", remedy, nearest, at_key=True
            )

    def _meant(self, path: Pointer, key: str, value: Any) -> tuple[str, str | None]:
        """(the remedy, the key of the same object that was meant)."""
        meant = suggestions.suggestion(self._root, path, key, value)
        if meant is None:
            here = suggestions.piece_at(self._root, path) or {}
            same = suggestions.same_meaning(here, self._root, key)
            if same is None:
                return "Remove it.", None
            piece = suggestions.piece_at(self._root, (*path, same)) or {}
            hidden = self._hidden or is_secret((*path, key), value)
            written = None if hidden else _converted(_types(piece), value, piece)
            if written is not None:
                return f"Write {json.dumps(same)}: {written}.", None
            return (
                f"Write {same}, which takes {piece.get('x-phoenix-expected') or _expected('type', None, piece)}.",
                None,
            )
        if not meant.place and not meant.up:
            return f"Rename it to {meant.key}, or remove it.", meant.key
        called = "" if meant.key == key else f", as {meant.key}"
        if meant.place:
            return f"Move it into {'.'.join(meant.place)}{called}.", None
        holder = path[: len(path) - meant.up]
        where = "to the top of the file" if not holder else f"one level higher, into {to_pointer(holder)}"
        return f"Move it {where}{called}.", None

    def _missing_keys(self, error: Any, path: Pointer, schema: Mapping[str, Any]) -> Iterator[Finding]:
        # jsonschema makes one error for each missing key; its name stands only at the beginning of the message.
        for key in error.validator_value:
            if key in error.instance or not error.message.startswith(repr(key)):
                continue
            if not self._is_misnamed(path, key, error.instance):
                yield Finding(self._file, path, f"no {key}", f"the key {key}", f"Add {json.dumps(key)}.")

    def _is_misnamed(self, path: Pointer, key: str, item: Mapping[str, Any]) -> bool:
        """Whether a missing key is there under another name, which is a finding of its own."""
        here = suggestions.piece_at(self._root, path) or {}
        for other, value in item.items():
            if other in here.get("properties", {}):
                continue
            meant = suggestions.suggestion(self._root, path, other, value)
            if meant == suggestions.Suggestion(key):
                return True
            if meant is None and suggestions.same_meaning(here, self._root, other) == key:
                return True
        return False

    def _alternatives(self, error: Any, base: Pointer, path: Pointer, schema: Mapping[str, Any]) -> Iterator[Finding]:
        branches: dict[int, list[Any]] = {}
        for inner in error.context:
            branches.setdefault(int(inner.relative_schema_path[0]), []).append(inner)
        # A branch that fails for more than the type of the whole is the one that was meant.
        meant = [
            errors
            for errors in branches.values()
            if not any(e.validator == "type" and not e.relative_path for e in errors)
        ]
        inside = ("additionalProperties", "required", "propertyNames")
        if len(meant) == 1 and any(inner.relative_path or inner.validator in inside for inner in meant[0]):
            for inner in meant[0]:
                yield from self.findings(_Rebased(inner, error), base)
            return
        yield self._value("anyOf", None, error.instance, path, schema)


class _Rebased:
    """An error out of a branch, with the schema in which the branch stands giving its words where it has none
    itself.
    """

    def __init__(self, error: Any, parent: Any) -> None:
        self.validator = error.validator
        self.validator_value = error.validator_value
        self.instance = error.instance
        self.schema = error.schema
        self.message = error.message
        self.context = error.context
        self.parent = parent
        self.absolute_path = error.absolute_path
        self.absolute_schema_path = error.absolute_schema_path


def _nearest(word: str, known: list[str], likeness: float) -> str | None:
    """The value of a list that looks most like a word."""
    matches = difflib.get_close_matches(word.lower(), [item.lower() for item in known], 1, likeness)
    return next((item for item in known if item.lower() == matches[0]), None) if matches else None


def _types(schema: Mapping[str, Any]) -> tuple[str, ...]:
    kinds = schema.get("type", ())
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def _expected(validator: str, limit: Any, schema: Mapping[str, Any]) -> str:
    kinds = " or ".join(_TYPES.get(kind, kind) for kind in _types(schema))
    if validator == "enum":
        return "one of " + ", ".join(str(item) for item in limit)
    if validator in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "type") and kinds:
        low, high, above = schema.get("minimum"), schema.get("maximum"), schema.get("exclusiveMinimum")
        span = ""
        if low is not None and high is not None:
            span = f" from {low} to {high}"
        elif low is not None:
            span = f", {low} or more"
        elif above is not None:
            span = f" greater than {above}" + (f", at most {high}" if high is not None else "")
        elif high is not None:
            span = f", at most {high}"
        return kinds + span + (" ({})".format(schema["x-phoenix-unit"]) if "x-phoenix-unit" in schema else "")
    if validator == "minItems":
        return f"at least {limit} item" + ("" if limit == 1 else "s")
    if validator == "minLength":
        return "text that is not empty"
    if validator == "pattern":
        return "text that matches " + str(limit)
    return kinds or "another value"


def _remedy(validator: str, limit: Any, value: Any, schema: Mapping[str, Any], nearest: str | None) -> str:
    kinds = _types(schema)
    if validator == "enum":
        return f"Write {json.dumps(nearest)}." if nearest else "Write one of the values named."
    if validator == "type":
        written = _converted(kinds, value, schema)
        if written is not None:
            return f"Write {written}."
        if isinstance(value, float) and "integer" in kinds:
            return "Write a whole number."
    meant = None
    if validator == "pattern" and isinstance(value, str):
        meant = _remedy_of_form(limit, value, schema)
    elif validator == "maximum":
        meant = _remedy_of_bytes(limit, value, schema)
    if meant is not None:
        return meant
    if validator in _LIMITS:
        return f"Write {_LIMITS[validator]} {limit}."
    if "x-phoenix-remedy" in schema:
        return str(schema["x-phoenix-remedy"])
    examples = schema.get("examples")
    return f"For example: {json.dumps(examples[0])}." if examples else "Correct the value."


def _remedy_of_form(pattern: Any, text: str, schema: Mapping[str, Any]) -> str | None:
    """How a text is written that means a form which the pattern takes; None where there is none."""
    written = _ctid_remedy(text, str(schema.get("x-phoenix-expected")))
    if written is not None:
        return written
    expected = str(schema.get("x-phoenix-expected"))
    is_path = "x-phoenix-remedy" not in schema and expected.startswith("an absolute path")
    fit = meantforms.meant(str(pattern), text, is_path, "hyphens" in expected)
    return f"Write {json.dumps(fit)}." if fit else None


def _remedy_of_bytes(limit: float, value: Any, schema: Mapping[str, Any]) -> str | None:
    """How bytes are written where MiB are expected; None for what is no such number."""
    if schema.get("x-phoenix-unit") != "MiB" or value >= (limit + 1) * 1024**2:
        return None
    mib = int(value) >> 20
    return f"Write {mib}, if these are bytes." if mib >= schema.get("minimum", 0) else None


def _ctid_remedy(text: str, expected: str) -> str | None:
    """How a CTID with zeros or blanks around it is written."""
    digits = text.strip().lstrip("0")
    return f"Write {json.dumps(digits)}." if "CTID" in expected and CTID.match(digits) else None


def _converted(kinds: tuple[str, ...], value: Any, schema: Mapping[str, Any]) -> str | None:
    """The value as it was probably meant, as JSON; None where that is unknown."""
    if "boolean" in kinds:
        meant = _WORDS.get(str(value).lower()) if isinstance(value, (str, int)) else None
        return None if meant is None else json.dumps(meant)
    if ("integer" in kinds or "number" in kinds) and isinstance(value, str):
        percent = _PERCENT.match(value)
        if percent is not None and kinds == ("number",) and schema.get("maximum") == 1:
            return _number(kinds, float(percent.group(1)) / 100)
        match = _SIZE.match(value)
        if match is None:
            return None
        number, unit = float(match.group(1)), (match.group(2) or "").lower()
        if unit:
            scale = {"MiB": 1, "GiB": 1024}.get(str(schema.get("x-phoenix-unit")))
            if scale is None:
                return None
            number = number * _TO_MIB[unit] / scale
        return _number(kinds, number)
    if "integer" in kinds and isinstance(value, float):
        return _number(kinds, value)
    if kinds == ("string",) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return json.dumps(str(value))
    if kinds == ("array",) and isinstance(value, str) and "items" in schema and not schema.get("x-phoenix-remedy"):
        return "a list, even of one item"
    if kinds == ("array",) and isinstance(value, Mapping) and value:
        items = schema.get("items")
        own = items.get("properties", {}) if isinstance(items, Mapping) else {}
        written = json.dumps([value])
        return written if value.keys() <= own.keys() and len(written) <= _SHORT else None
    if kinds == ("object",) and isinstance(value, str) and len(schema.get("required", ())) == 1:
        key = schema["required"][0]
        own = schema.get("properties", {}).get(key)
        return f'{{{json.dumps(key)}: "…"}} with this text' if not _has_other_type(own, "string") else None
    return None


def _has_other_type(schema: Any, kind: str) -> bool:
    """Whether a schema takes values, and none of this type."""
    kinds = _types(schema) if isinstance(schema, Mapping) else ()
    return bool(kinds) and kind not in kinds


def _number(kinds: tuple[str, ...], number: float) -> str | None:
    if number == int(number):
        return str(int(number))
    return None if "number" not in kinds else str(number)
