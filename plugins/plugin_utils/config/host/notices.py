# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes on the host's file that stop nothing: keys that the owner expects to work, and that nothing here acts on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Notice, Pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import hoststorage

NOTICE = "x-phoenix-notice"
UNUSED = "accepted, not acted on"
_EMPTY: tuple[Any, ...] = (None, False, "", [], {})


def not_acted_on(document: Any, schema: Mapping[str, Any], path: Pointer = ()) -> Iterator[Notice]:
    """The keys that are set and whose schema says what to do instead of them."""
    if not isinstance(document, Mapping):
        return
    for key, value in document.items():
        piece = schema.get("properties", {}).get(key)
        if not isinstance(piece, Mapping):
            continue
        if NOTICE in piece and value not in _EMPTY:
            yield Notice((*path, key), str(piece[NOTICE]))
        yield from not_acted_on(value, piece, (*path, key))


def unused(document: Any, schema: Mapping[str, Any], path: Pointer = ()) -> Iterator[Pointer]:
    """The keys that are set, that nothing here acts on, and that have no notice of their own."""
    if not isinstance(document, Mapping):
        return
    for key, value in document.items():
        piece = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
        if not isinstance(piece, Mapping):
            continue
        if piece.get("x-phoenix-effect") != UNUSED:
            yield from unused(value, piece, (*path, key))
            items = piece.get("items")
            if isinstance(items, Mapping):
                for index, item in enumerate(value if isinstance(value, list) else ()):
                    yield from unused(item, items, (*path, key, index))
        elif NOTICE not in piece and value not in _EMPTY:
            yield (*path, key)


def unused_storage_ids(hypervisor: Mapping[str, Any]) -> Iterator[Notice]:
    """Keys of `proxmox_storage_ids` that mean no dataset of the file: no storage gets their ID."""
    ids, zfs = hypervisor.get("proxmox_storage_ids"), hypervisor.get("zfs")
    rows = zfs.get("datasets") if isinstance(zfs, Mapping) else None
    if not isinstance(ids, Mapping) or not isinstance(rows, list):
        return
    named = [row for row in rows if isinstance(row, Mapping) and isinstance(row.get("name"), str)]
    names = [hoststorage.full_name(row) for row in named]
    used = set(hoststorage.id_keys(names, ids).values())
    for key in ids:
        if key not in used:
            example = names[0].replace("/", "_") if names else "pool_dataset"
            text = f"no dataset of zfs.datasets is meant by it, so no storage gets its ID; write it like {example}"
            yield Notice(("proxmox_storage_ids", key), text)
