# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PVE storages: what storage.cfg says -> the calls that make it as desired, and what can't be changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ...pve.apicalls import Calls, show, words
from .storage_types import FLAGS, LISTS, PAIRS, SECRETS, TYPES, StorageType, option, pairs

_HIDDEN = tuple(option(key) for key in SECRETS)


def plan(desired: Sequence[Mapping[str, Any]], actual: Sequence[Mapping[str, Any]]) -> Calls:
    """The calls for these storages. A storage that is not named is left alone; options not given are too."""
    there = {row["storage"]: row for row in actual}
    result = Calls()
    for storage in desired:
        row = there.get(storage["storage"])
        if row is None:
            given = {key: value for key, value in storage.items() if value is not None and not _is_empty(key, value)}
            params = {option(key): _form(key, value) for key, value in given.items()}
            result.add("POST", "/storage", params, _HIDDEN)
        else:
            _compare(storage, row, result)
    return result


def _compare(storage: Mapping[str, Any], row: Mapping[str, Any], result: Calls) -> None:
    sid, kind = storage["storage"], storage["type"]
    if row.get("type") != kind:
        result.notes.append(
            f"storage {sid} is of type {row.get('type')}, not {kind}. PVE can't change that: remove the storage "
            f"(`pvesm remove {sid}` keeps its data) or give this one another ID"
        )
        return
    known = TYPES.get(kind, StorageType())
    changes, delete = {}, []
    for key, value in storage.items():
        if key in ("storage", "type", *SECRETS) or value is None:
            continue
        there = row.get(option(key))
        if _same(key, value, there):
            continue
        if known.is_fixed(key):
            result.notes.append(
                f"storage {sid}: {key} is {there}, not {value}. PVE never changes it for an existing "
                f"storage: remove the storage (`pvesm remove {sid}` keeps its data) and run again"
            )
        elif _is_empty(key, value):
            delete.append(option(key))
        else:
            changes[option(key)] = _form(key, value)
    if delete:
        changes["delete"] = ",".join(delete)
    if changes:
        result.add("PUT", f"/storage/{quote(sid, safe='')}", changes)


def _is_empty(key: str, value: Any) -> bool:
    return (key == "nodes" and not words(value)) or (key in PAIRS and not pairs(value))


def _form(key: str, value: Any) -> str:
    if key in PAIRS:
        return ",".join(f"{name}={item}" for name, item in sorted(pairs(value).items()))
    return ",".join(words(value)) if key in LISTS else show(value)


def _same(key: str, wanted: Any, actual: Any) -> bool:
    if key in LISTS:
        return words(wanted) == words(actual)
    if key in FLAGS:
        return bool(wanted) == bool(int(actual or 0))
    if key in PAIRS:
        return pairs(wanted) == pairs(actual)
    return show(wanted) == show("" if actual is None else actual)
