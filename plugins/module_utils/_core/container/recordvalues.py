# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of a record's file in their one form: what is of another form counts as not there."""

from __future__ import annotations

import json
from typing import Any

from .applied import ledger as ledgers


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
        if isinstance(stamp, dict) and isinstance(stamp.get("run"), str) and isinstance(stamp.get("at"), int)
    }
