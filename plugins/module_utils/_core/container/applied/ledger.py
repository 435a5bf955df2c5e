# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger: what has been applied inside a container, recorded inside it.

It travels with the file system that it describes (clone, rollback, backup). It comes from inside a guest, so it is
untrusted: bounded, validated, and a forged one can at worst skip that guest's own features.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import KnownError
from ...guesttext import clean, is_deeper
from .digest import explain
from .work import Application, Feature, Work

VERSION = 1
MAX_BYTES = 256 * 1024
MAX_DEPTH = 8
PATH = "/var/lib/phoenix_hypervisor/ledger.json"

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.]{0,127}\Z")
_TEXT = re.compile(r"^[\x20-\x7e]{0,512}\Z")
APPLIED = "applied"
BEGUN = "begun"
_STATUSES = (APPLIED, BEGUN)


class LedgerError(KnownError, ValueError):
    """The ledger's text is not one that we wrote."""


def empty() -> dict[str, Any]:
    """A ledger of a container in which nothing has been applied."""
    return {"version": VERSION, "features": {}, "application": None}


def _entry(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LedgerError(f"entry {name!r} is not an object")
    result: dict[str, Any] = {}
    for key in ("digest", "status", "run", "at", "boot", "name", "attempt"):
        text = value.get(key)
        if text is None:
            continue
        if not isinstance(text, str) or not _TEXT.match(text):
            raise LedgerError(f"{key} of {name!r} is not a short text")
        result[key] = text
    if result.get("status") not in _STATUSES:
        raise LedgerError(f"status of {name!r} is neither applied nor begun")
    if isinstance(value.get("components"), dict):
        result["components"] = _components(value["components"])
    if isinstance(value.get("ctid"), int) and not isinstance(value["ctid"], bool):
        result["ctid"] = value["ctid"]
    return result


def _components(value: Mapping[str, Any]) -> dict[str, Any]:
    """The hashes kept to explain a later change: strings only, whatever a guest may have put there."""
    variables = value.get("variables")
    under = value.get("under")
    pairs = [pair for pair in under if isinstance(pair, list) and len(pair) == 2] if isinstance(under, list) else []
    return {
        "files": _hash(value.get("files", "")),
        "variables": {_hash(k): _hash(v) for k, v in variables.items()} if isinstance(variables, dict) else {},
        "under": [[_hash(name), _hash(digest)] for name, digest in pairs[:200]],
    }


def _hash(value: Any) -> str:
    """A short text, which a later reason may quote."""
    return clean(str(value)[:128])


def parse(text: str) -> dict[str, Any]:
    """Text -> ledger. Raises LedgerError when it is not one of ours (truncated, forged, from a later version)."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise LedgerError(f"longer than {MAX_BYTES} bytes")
    if is_deeper(text, MAX_DEPTH):
        raise LedgerError(f"nested deeper than {MAX_DEPTH} levels")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LedgerError(f"not JSON: {error}") from None
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise LedgerError("not version 1")
    features = data.get("features")
    if not isinstance(features, dict) or len(features) > 200:
        raise LedgerError("features is not an object")
    result = empty()
    for name, value in features.items():
        if not _NAME.match(name):
            raise LedgerError("a feature's name has unexpected characters")
        result["features"][name] = _entry(name, value)
    if data.get("application") is not None:
        result["application"] = _entry("application", data["application"])
    return result


def dump(ledger: Mapping[str, Any]) -> str:
    """Ledger -> text, one stable form."""
    return json.dumps(ledger, indent=1, sort_keys=True) + "\n"


def due_features(wanted: Iterable[Feature], ledger: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """The features to run, in order, each with the reason. A changed one takes those above it along."""
    entries = (ledger or {}).get("features", {})
    due: list[dict[str, str]] = []
    changed_below = ""
    for feature in wanted:
        name = feature.name
        entry = entries.get(name)
        reason = ""
        if entry is None:
            reason = "not applied yet"
        elif entry["status"] == BEGUN:
            reason = f"begun by run {entry.get('run', 'unknown')} and not ended"
        elif entry.get("digest") != feature.digest:
            reason = _why(entry, feature) or "changed since it was applied"
            changed_below = changed_below or name
        if not reason and changed_below:
            reason = f"{changed_below}, the feature under it, changed"
        if reason:
            due.append({"name": name, "reason": reason})
    return due


def _why(entry: Mapping[str, Any], wanted: Work) -> str:
    """Why a digest differs, as far as the components kept with it tell."""
    if not entry.get("components") or not wanted.components:
        return ""
    return explain(entry["components"], wanted.components)


def left_behind(
    wanted: Iterable[Feature], ledger: Mapping[str, Any] | None, inherited: tuple[str, ...] = ()
) -> list[str]:
    """Features that were applied and are no longer in the list, nor inherited: reported, never removed."""
    names = {feature.name for feature in wanted} | set(inherited)
    return sorted(set((ledger or {}).get("features", {})) - names)


def application_due(ctid: int, wanted: Application | None, ledger: Mapping[str, Any] | None) -> str | None:
    """Why the application script must run, or None. A clone's inherited entry belongs to its source."""
    if wanted is None:
        return None
    entry = (ledger or {}).get("application")
    if entry is None or entry.get("ctid") != ctid:
        return "not run yet"
    if entry["status"] == BEGUN:
        return f"begun by run {entry.get('run', 'unknown')} and not ended"
    if entry.get("digest") != wanted.digest:
        return _why(entry, wanted) or "the script or its environment changed"
    return None


def attempt_of(ctid: int, digest: str, ledger: Mapping[str, Any] | None) -> str | None:
    """The attempt at the application that was begun and is not recorded as ended: it goes on. None to begin another."""
    entry = (ledger or {}).get("application")
    if not entry or entry["status"] != BEGUN or (entry.get("ctid"), entry.get("digest")) != (ctid, digest):
        return None
    return entry.get("attempt") or None


def health_due(ctid: int, boot: str | None, ledger: Mapping[str, Any] | None, checked: str | None = None) -> str | None:
    """Why the health check must run although the application is current: the container booted since.

    ``checked`` is the boot after which the application was last seen healthy.
    """
    entry = (ledger or {}).get("application")
    if not entry or entry.get("ctid") != ctid or entry["status"] != APPLIED or boot is None:
        return None
    return None if boot in (entry.get("boot"), checked) else "booted since the application's last success"
