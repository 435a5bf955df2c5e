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

_BLOCK = re.compile(r"(?:\A|\n)<!-- phoenix_hypervisor (\{[^\n]*\}) -->\n?\Z")


def split(description: Any) -> tuple[str, dict[str, Any]]:
    """Return a description without what runs keep in it, and that; {} where it has none that can be read."""
    text = str(description or "")
    found = _BLOCK.search(text)
    if found is None:
        return text, {}
    try:
        data = json.loads(found.group(1))
    except (ValueError, RecursionError):
        data = {}
    return text[: found.start()], data if isinstance(data, dict) else {}


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
