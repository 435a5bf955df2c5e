# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run by a token keeps of a container: one line at the end of its description, which PVE's web interface hides.

The API writes no file of the node and no raw line, but the description, under the digest of the whole config. Others
may write it too: so its forms are checked, nothing in it reaches a terminal as a command, and with a key it is sealed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from ... import guesttext
from ...errors import KnownError
from .. import recordvalues

LIMIT = 8192
"""Characters that PVE takes for a description."""

SEAL = "seal"
"""The key of the data that has the HMAC of all else in it."""

# What only runs on the node write: a guard, and layers. In a description it can but be forged.
_OF_THE_NODE = frozenset({"guarding", "layer", "fresh"})
# Somebody may write below it, or save the description with the line ends of another system.
_BLOCK = re.compile(r"(?:\A|\n)<!-- phoenix_hypervisor (\{[^\n]*\}) -->[ \t\r]*(?=\n|\Z)")


def split(description: Any, key: bytes = b"") -> tuple[str, dict[str, Any]]:
    """Return a description without what runs keep in it, and that; {} where it has none that can be read.

    The last line of ours counts, wherever it is. With a ``key`` it counts only with the seal that `join` made by it.
    """
    text = str(description or "")
    found = list(_BLOCK.finditer(text))
    if not found:
        return text, {}
    rest = _BLOCK.sub("", text)
    if found[-1].end() == len(text.rstrip("\n")):
        rest = rest.removesuffix("\n")  # PVE ends a description with one
    if found[0].start() == 0:
        rest = rest.removeprefix("\n")
    return rest, _formed(_unsealed(_read(found[-1].group(1)), key))


def is_unsealed(description: Any, key: bytes) -> bool:
    """Return whether a description has what runs keep, and a seal of another key or none."""
    found = _BLOCK.findall(str(description or "")) if key else []
    return bool(found) and not _unsealed(_read(found[-1]), key)


def _read(packed: str) -> dict[str, Any]:
    try:
        data = json.loads(packed)
        json.dumps(data, ensure_ascii=False).encode()  # half a surrogate pair can be written into no file
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _packed(data: Mapping[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def _seal(data: Mapping[str, Any], key: bytes) -> str:
    return hmac.new(key, _packed(data).encode(), hashlib.sha256).hexdigest()


def _unsealed(data: dict[str, Any], key: bytes) -> dict[str, Any]:
    """Return the data without its seal; {} where that is not of this key. Without a key the seal stays as it is."""
    if not key:
        return data
    rest = {name: value for name, value in data.items() if name != SEAL}
    given = str(data.get(SEAL) or "")
    return rest if hmac.compare_digest(given.encode(), _seal(rest, key).encode()) else {}


def _formed(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data without a record or a lease of another form, which nobody could use, and both as plain text."""
    forms = {"record": lambda value: isinstance(value, dict), "lease": _is_lease}
    kept = {key: value for key, value in data.items() if key not in forms or forms[key](value)}
    if "lease" in kept:
        kept["lease"] = _plain(kept["lease"])
    if "record" in kept:
        kept["record"] = {key: value if key == "applied" else _plain(value) for key, value in kept["record"].items()}
    return kept


def _plain(value: Any) -> Any:
    """Return a value with texts that no terminal takes for a command: messages quote them."""
    if isinstance(value, dict):
        return {guesttext.clean(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return guesttext.clean(value) if isinstance(value, str) else value


def _is_lease(value: Any) -> bool:
    """Whether a value says who has the container, and when that gave its last sign of life."""
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        return False
    return recordvalues.is_time(value.get("beat"))


def join(text: str, data: Mapping[str, Any], key: bytes = b"") -> str:
    """Return a description that has the data, too, sealed where there is a ``key``.

    Raises KnownError where it becomes longer than PVE takes, and where a seal would be lost.
    """
    if not data:
        return text
    if key:
        data = {**data, SEAL: _seal(json.loads(_packed(data)), key)}
    elif SEAL in data:
        raise KnownError(
            "the record in the description is sealed, and this run has no record_key to seal what it writes",
            what="record in the description",
            remedy="give the entry api of the node the record_key that other controllers have",
        )
    # No sign in it may end the comment of Markdown.
    packed = _packed(data).replace(">", "\\u003e")
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
    if data.get("ctid") != ctid or not isinstance(record, Mapping):
        return None
    return {key: value for key, value in record.items() if key not in _OF_THE_NODE}


def instance_of(data: Mapping[str, Any]) -> str | None:
    """Return the instance id that the data carries, whichever container it is of."""
    record = data.get("record")
    instance = record.get("instance") if isinstance(record, Mapping) else None
    ident = instance.get("id") if isinstance(instance, Mapping) else None
    return ident if isinstance(ident, str) and ident else None
