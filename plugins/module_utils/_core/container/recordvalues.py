# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of a record's file in their one form: what is of another form counts as not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Callable

from .applied import ledger as ledgers

_NEVER = 1e12  # seconds since the epoch, no time of any clock
_PAIR = 2  # key and value of a raw line


def mapping(value: Any) -> dict[str, Any] | None:
    """An object, None for anything else."""
    return value if isinstance(value, dict) else None


def text(value: Any) -> str | None:
    """A text that is not empty, None for anything else."""
    return value if isinstance(value, str) and value else None


def texts(value: Any) -> tuple[str, ...]:
    """The texts of a list."""
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def words(value: Any) -> dict[str, str]:
    """An object of texts."""
    return {str(key): str(item) for key, item in (mapping(value) or {}).items()}


def origin(value: Any) -> dict[str, Any] | None:
    """What a container was made from, which is one thing."""
    found = mapping(value)
    return found if found and len({"clone_from_ctid", "restore_from", "template"} & set(found)) == 1 else None


def applied(value: Any) -> dict[str, Any]:
    """The values that earlier runs applied, by key: a text, an object of texts or of lists of them, or pairs of texts.

    What is of another form is left out.
    """
    return {key: item for key, item in (mapping(value) or {}).items() if _is_applied(item)}


def _is_applied(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_text(each) or _is_texts(each) for each in value.values())
    if isinstance(value, list):
        return all(_is_texts(each) and len(each) == _PAIR for each in value)
    return _is_text(value)


def instance(value: Any) -> dict[str, Any] | None:
    """What a container is recognized by, without what is of another form."""
    return _fitting(value, {"id": _is_text, "at": is_time, "rootfs": _is_text, "macs": _is_texts})


def begun(value: Any) -> dict[str, Any] | None:
    """What a run has begun, a creation, a recreation or a guarded change, without what is of another form."""
    return _fitting(value, {"at": is_time, **dict.fromkeys(("run", "stage", "upid", "after"), _is_text)})


def _fitting(value: Any, forms: Mapping[str, Callable[[Any], bool]]) -> dict[str, Any] | None:
    found = mapping(value)
    return None if found is None else {key: each for key, each in found.items() if key not in forms or forms[key](each)}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def is_time(value: Any) -> bool:
    """Whether a value can be a time in seconds since the epoch."""
    return isinstance(value, (int, float)) and 0 <= value < _NEVER


def cached(value: Any) -> dict[str, Any] | None:
    """The ledger as an earlier run saw it: from a guest, so it is read as the one inside is."""
    try:
        return ledgers.parse(json.dumps(value)) if value else None
    except ledgers.LedgerError:
        return None


def tied(value: Any) -> dict[str, dict[str, str]]:
    """What ties the names of volumes to PVE's; what is of another form is left out."""
    fit = {name: known for name, known in (mapping(value) or {}).items() if isinstance(known, dict)}
    return {name: known for name, known in fit.items() if all(isinstance(value, str) for value in known.values())}


def stamps(value: Any) -> dict[str, dict[str, Any]]:
    """Key -> ``run`` and ``at`` (seconds since the epoch) of what set it last; what is of another form is left out."""
    found = (mapping(value) or {}).items()
    return {
        key: {"run": stamp["run"], "at": stamp["at"]}
        for key, stamp in found
        if isinstance(stamp, dict) and isinstance(stamp.get("run"), str) and is_time(stamp.get("at"))
    }
