# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document judged by jsonschema, quickly.

The schema is taken apart along its objects, each piece gets one validator, and a plain value that was right under a
piece is not judged
again: the containers of a fleet say much the same, and jsonschema takes about a millisecond for one of them as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from re import Pattern
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.schema.explain import Explainer

MISSING_LIBRARY = "pip install jsonschema"


def library_present() -> bool:
    """Whether jsonschema is installed for this Python."""
    return _library() is not None


class SchemaJudge:
    """Validates documents against one schema.

    The schema's `$ref` may stand at the top of a member of an object only, and name an entry of `$defs`.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._top = _Piece(schema, schema)

    def findings(self, document: Any, explainer: Explainer) -> Iterator[Finding]:
        """Everything that the schema finds wrong with a document."""
        yield from self._top.findings(document, (), explainer)


class _Piece:
    """One object of the schema without its members, or a whole schema of anything else."""

    def __init__(self, schema: Any, root: Mapping[str, Any]) -> None:
        self._also: _Piece | None = None
        if isinstance(schema, dict) and "$ref" in schema:
            self._also = _Piece(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
            schema = {key: item for key, item in schema.items() if key not in ("$ref", "x-phoenix-expected")}
        self._members: dict[str, _Piece] = {}
        self._others: _Piece | None = None
        if isinstance(schema, dict) and (
            "properties" in schema or isinstance(schema.get("additionalProperties"), dict)
        ):
            properties: Mapping[str, Any] = schema.get("properties", {})
            self._members = {key: _Piece(item, root) for key, item in properties.items()}
            others = schema.get("additionalProperties")
            if isinstance(others, dict):
                self._others = _Piece(others, root)
            schema = {
                key: item
                for key, item in schema.items()
                if key not in ("$schema", "$defs", "properties")
                and not (key == "additionalProperties" and item is not False)
            }
            schema["properties"] = dict.fromkeys(properties, True)
        self._validator = _validator_class()(schema)
        self._right: set[tuple[type, Any]] = set()

    def findings(self, value: Any, path: Pointer, explainer: Explainer) -> Iterator[Finding]:
        if isinstance(value, (str, int, float, bool)):
            token = (type(value), value)
            if token not in self._right:
                findings = list(self._own_findings(value, path, explainer))
                if findings:
                    yield from findings
                else:
                    self._right.add(token)
        else:
            yield from self._own_findings(value, path, explainer)
        if self._also is not None:
            yield from self._also.findings(value, path, explainer)
        if isinstance(value, dict):
            for key, item in value.items():
                below = self._members.get(key, self._others)
                if below is not None:
                    yield from below.findings(item, (*path, key), explainer)

    def _own_findings(self, value: Any, path: Pointer, explainer: Explainer) -> Iterator[Finding]:
        errors = list(self._validator.iter_errors(value))
        # Of another type, its bounds say nothing more: 2.5 is no whole number, however many are allowed.
        mistyped = {tuple(error.absolute_path) for error in errors if error.validator == "type"}
        for error in errors:
            if error.validator not in _BOUNDS or tuple(error.absolute_path) not in mistyped:
                yield from explainer.findings(error, path)


_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})


@cache
def _library() -> Any:
    """The library, loaded only where a document must be judged: that takes as long as all of the judging."""
    try:
        import jsonschema  # type: ignore[import-untyped, unused-ignore]  # it carries no types, and may be missing
    except ImportError:  # reported as a finding: the configuration can't be judged without it
        return None
    return jsonschema


@cache
def _validator_class() -> Any:
    return _library().validators.extend(_library().Draft202012Validator, {"pattern": _pattern})


@cache
def _compiled(pattern: str) -> Pattern[str]:
    # In ECMA 262, JSON Schema's dialect, `$` is the very end; in Python it would let a line feed follow.
    return re.compile(re.sub(r"(?<!\\)\$(?=$|[)|])", r"\\Z", pattern))


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    if isinstance(instance, str) and _compiled(pattern).search(instance) is None:
        yield _library().ValidationError(f"{instance!r} does not match {pattern!r}")
