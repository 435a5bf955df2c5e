# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of the configuration files, replaced by references wherever a document leaves the process that read it.

AWX stores the output of `ansible-inventory --list`, so host variables hold no secret: a reference says in which file
and where the secret stands, and the action plugin that sends it to the node reads it at that moment.

A secret is the value of a key that its schema marks with `writeOnly`. Free text (`x-phoenix-may-hold-secret`), and in
the host's file a value that nothing reads (`accepted, not acted on`, or below a free-form object), is one when it looks
like a secret, or when its file is encrypted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer, is_secret, to_pointer

MARK = "phoenix_secret"
"""The one key of a reference."""

UNUSED = "accepted, not acted on"
_PLAIN = "x-phoenix-plain"
_FREE_TEXT = "x-phoenix-may-hold-secret"
_NAMES = ("username", "userid", "name", "id")


class SecretNotFoundError(Exception):
    """A reference that its file doesn't answer; the text says what is wrong and what to do."""


HOST, CONTAINERS = "hypervisor_config", "phoenix_lxc_configs"


def redacted(document: Mapping[str, Any], kind: str, schema: Mapping[str, Any], hidden: bool = False) -> dict[str, Any]:
    """Return the document with references in place of secrets.

    Args:
        document: the configuration in the form in which roles read it.
        kind: the name of its schema, which references carry.
        schema: its JSON Schema.
        hidden: the file is encrypted.
    """
    walk = _Redaction(kind, schema, hidden)
    return {key: walk.value(item, _below(schema, schema, key), (key,), None) for key, item in document.items()}


def reference(value: Any) -> Optional[Mapping[str, Any]]:
    """Return what a reference says (`file`, `pointer`, `of`), or None where the value is none."""
    if isinstance(value, Mapping) and len(value) == 1 and isinstance(value.get(MARK), Mapping):
        found: Mapping[str, Any] = value[MARK]
        return found
    return None


def references(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the references anywhere in a value."""
    found = reference(value)
    if found is not None:
        yield found
        return
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    for item in items:
        yield from references(item)


def resolved(value: Any, documents: Mapping[str, Any], labels: Mapping[str, str]) -> Any:
    """Return a value with the secrets in place of the references.

    Args:
        value: any value.
        documents: the configurations by kind, as `redacted` was given them.
        labels: how the files are called in errors, by kind.

    Raises SecretNotFoundError when a file has no such entry, or the entry is now about something else.
    """
    found = reference(value)
    if found is not None:
        kind = str(found.get("file"))
        return _secret(found, documents.get(kind), labels.get(kind, kind))
    if isinstance(value, Mapping):
        return {key: resolved(item, documents, labels) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolved(item, documents, labels) for item in value]
    return value


def _secret(found: Mapping[str, Any], document: Any, label: str) -> Any:
    pointer, holder, value = str(found.get("pointer")), None, document
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        holder, value = value, _item(value, name)
    owner = found.get("of")
    if value is None or (owner is not None and _owner(holder) != owner):
        whose = f" of {owner!r}" if owner is not None else ""
        raise SecretNotFoundError(
            f"{label}{pointer}: the file has no value{whose} there any more; expected the file that the inventory was "
            "made of. Update the inventory (AWX: sync its source), then run again."
        )
    return value


def _item(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, list) and name.isdigit() and int(name) < len(value):
        return value[int(name)]
    return None


def _owner(holder: Any) -> Optional[str]:
    """Whose secret it is: so that a list in another order is noticed."""
    if not isinstance(holder, Mapping):
        return None
    return next((str(holder[key]) for key in _NAMES if isinstance(holder.get(key), str)), None)


class _Redaction:
    """One walk through a document and its schema."""

    def __init__(self, kind: str, schema: Mapping[str, Any], hidden: bool) -> None:
        self._kind, self._schema, self._hidden = kind, schema, hidden

    def value(self, value: Any, piece: Optional[Mapping[str, Any]], path: Pointer, holder: Any) -> Any:
        """The value without secrets; `piece` is its schema, None below what no schema describes."""
        if isinstance(value, Mapping):
            return {
                key: self.value(item, _below(piece, self._schema, key), (*path, key), value)
                for key, item in value.items()
            }
        if isinstance(value, list):
            below = _below(piece, self._schema, None)
            return [self.value(item, below, (*path, index), value) for index, item in enumerate(value)]
        if self._is_secret(value, piece, path):
            found = {"file": self._kind, "pointer": to_pointer(path)}
            owner = _owner(holder)
            return {MARK: {**found, "of": owner} if owner is not None else found}
        return value

    def _is_secret(self, value: Any, piece: Optional[Mapping[str, Any]], path: Pointer) -> bool:
        if value is None or value == "" or isinstance(value, bool):
            return False
        # An application script may read any key of its container, so there nothing counts as unused.
        unused = self._kind == HOST and (piece is None or piece.get("x-phoenix-effect") == UNUSED)
        if unused or (piece is not None and piece.get(_FREE_TEXT) is True):
            return self._hidden or is_secret(path, value)
        return piece is not None and piece.get("writeOnly") is True and value not in piece.get(_PLAIN, ())


def _below(
    piece: Optional[Mapping[str, Any]], root: Mapping[str, Any], key: Optional[str]
) -> Optional[Mapping[str, Any]]:
    """The schema of a property, or (None) of a list's items; None where nothing describes it."""
    for option in _options(piece, root):
        below = option.get("items") if key is None else option.get("properties", {}).get(key)
        if below is None and key is not None:
            below = option.get("additionalProperties")
        if isinstance(below, Mapping):
            return below
    return None


def _options(piece: Optional[Mapping[str, Any]], root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema and its alternatives."""
    if piece is None:
        return
    if "$ref" in piece:
        yield from _options(root["$defs"][piece["$ref"].rsplit("/", 1)[1]], root)
    yield piece
    for word in ("oneOf", "anyOf", "allOf"):
        for option in piece.get(word, ()):
            yield from _options(option, root)
