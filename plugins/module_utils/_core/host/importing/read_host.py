# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node -> the sections of ``hypervisor_config.json`` that ask for exactly what it has.

Only sections that runs never undo: storages and the time zone. Interfaces, firewall, shares and ZFS stay with whoever
manages them until somebody writes their sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...pve import forms
from ...pve.storagecfg import Storage
from ..storage.storage_types import FLAGS, LISTS, SECRETS, TYPES, option

_NUMBERS = frozenset({"port", "max_protected_backups"})
_COMMON = ("content", "nodes", "disable")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*\Z")
NOT_READ = ("network", "firewall", "zfs", "nfs", "samba", "users", "packages", "repositories")
"""Sections that the import leaves out, and that are therefore not managed."""


def read_host(storages: Iterable[Storage], zone: str) -> tuple[dict[str, Any], list[str]]:
    """(the sections, what is not in them in words)."""
    notes: list[str] = []
    found: dict[str, Any] = {}
    if _ZONE.match(zone):
        found["timezone"] = zone
    entries = []
    for storage in storages:
        kind = TYPES.get(storage.kind)
        if kind is None:
            notes.append(f"storage {storage.name}: its type {storage.kind} is not known; it is not managed")
            continue
        keys = [*_COMMON, *kind.required, *sorted(kind.optional)]
        entry = {"id": storage.name, "type": storage.kind, **_options(storage.options, keys)}
        entries.append(entry)
    if entries:
        found["storage"] = entries
    return found, notes


def _options(there: Mapping[str, str], keys: Iterable[str]) -> dict[str, Any]:
    given = {key: there[option(key)] for key in keys if key not in SECRETS and option(key) in there}
    return {key: _value(key, text) for key, text in given.items()}


def _value(key: str, text: str) -> Any:
    if key in FLAGS:
        return forms.flag(text) == "1"
    if key in LISTS:
        return [part.strip() for part in re.split(r"[,;\s]+", text) if part.strip()]
    return int(text) if key in _NUMBERS and text.lstrip("-").isdigit() else text
