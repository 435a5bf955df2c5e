# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run by a token keeps of a container: one line at the end of its description, which PVE's web interface hides.

The API writes no file of the node and no raw line, but the description, under the digest of the whole config.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...errors import KnownError

LIMIT = 8192
"""Characters that PVE takes for a description."""

_NEVER = 1e12  # seconds since the epoch, no time of any clock
# Somebody may write below it, or save the description with the line ends of another system.
_BLOCK = re.compile(r"(?:\A|\n)<!-- phoenix_hypervisor (\{[^\n]*\}) -->[ \t\r]*(?=\n|\Z)")


def split(description: Any) -> tuple[str, dict[str, Any]]:
    """Return a description without what runs keep in it, and that; {} where it has none that can be read.

    The last line of ours counts, wherever it is.
    """
    text = str(description or "")
    found = list(_BLOCK.finditer(text))
    if not found:
        return text, {}
    try:
        data = json.loads(found[-1].group(1))
    except (ValueError, RecursionError):
        data = {}
    rest = _BLOCK.sub("", text)
    if found[-1].end() == len(text.rstrip("\n")):
        rest = rest.removesuffix("\n")  # PVE ends a description with one
    if found[0].start() == 0:
        rest = rest.removeprefix("\n")
    return rest, _formed(data) if isinstance(data, dict) else {}


def _formed(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data without a record or a lease of another form, which nobody could use."""
    forms = {"record": lambda value: isinstance(value, dict), "lease": _is_lease}
    return {key: value for key, value in data.items() if key not in forms or forms[key](value)}


def _is_lease(value: Any) -> bool:
    """Whether a value says who has the container, and when that gave its last sign of life."""
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        return False
    beat = value.get("beat")
    return isinstance(beat, (int, float)) and 0 <= beat < _NEVER


def join(text: str, data: Mapping[str, Any]) -> str:
    """Return a description that has the data, too. Raises KnownError where it becomes longer than PVE takes."""
    if not data:
        return text
    # No sign in it may end the comment of Markdown.
    packed = json.dumps(data, sort_keys=True, separators=(",", ":")).replace(">", "\\u003e")
    plain = text.rstrip("\n")
    result = f"{plain}\n" if plain else ""
    result += f"<!-- phoenix_hypervisor {packed} -->"
    if len(result) > LIMIT:
        raise KnownError(
            f"the description and the record in it take {len(result)} characters, and Proxmox VE takes {LIMIT}",
            what="record in the description",
            remedy="shorten the description, or reach the node over SSH, where the record is a file",
        )
    return result


def brief(ledger: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ledger as a description has room for it: what decides whether a feature is due, and no reasons."""
    features = {name: _named(entry, "status", "digest") for name, entry in (ledger.get("features") or {}).items()}
    work = ledger.get("application")
    kept = _named(work, "status", "digest", "name", "ctid", "boot") if work else None
    return {**ledger, "features": features, "application": kept}


def _named(entry: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: entry[name] for name in names if name in entry}


def record_of(data: Mapping[str, Any], ctid: int) -> Mapping[str, Any] | None:
    """Return the record of a container; None where it has none, or one of the container that it was copied from."""
    record = data.get("record")
    return record if data.get("ctid") == ctid and isinstance(record, Mapping) else None


def instance_of(data: Mapping[str, Any]) -> str | None:
    """Return the instance id that the data carries, whichever container it is of."""
    record = data.get("record")
    instance = record.get("instance") if isinstance(record, Mapping) else None
    ident = instance.get("id") if isinstance(instance, Mapping) else None
    return ident if isinstance(ident, str) and ident else None
