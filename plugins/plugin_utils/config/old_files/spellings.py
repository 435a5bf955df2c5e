# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Old spellings of keys, as the schemas declare them with `x-phoenix-renamed-to`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer

RENAMED = "x-phoenix-renamed-to"


def old_container_keys(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the old spellings of a container's keys and the new ones; {} without a schema."""
    container = (schema.get("$defs") or {}).get("container") or {}
    return {str(path[0]): new for path, new in _renamed(container, ()) if len(path) == 1}


def old_spellings(schema: Mapping[str, Any]) -> dict[Pointer, str]:
    """Return {path of an old key in the host's file: its new name}, the outer keys first.

    What lies under an old key is left out: it is renamed under the new one.
    """
    found = sorted(_renamed(schema, ()), key=lambda item: len(item[0]))
    old = {path for path, _new in found}
    return {path: new for path, new in found if not any(path[:length] in old for length in range(1, len(path)))}


def _renamed(piece: Mapping[str, Any], path: Pointer) -> Iterator[tuple[Pointer, str]]:
    for key, item in (piece.get("properties") or {}).items():
        if isinstance(item, Mapping):
            if RENAMED in item:
                yield (*path, key), str(item[RENAMED])
            yield from _renamed(item, (*path, key))
