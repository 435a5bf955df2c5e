# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PVE tags: a set in one text. PVE writes them in lower case, sorted, each once (PVE facts), unless told otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

KEY = "tags"
_SEPARATOR = re.compile(r"[;,\s]+")


def split(text: str | None) -> dict[str, str]:
    """The tags of a config's value: as they are compared -> as they are written."""
    return {tag.lower(): tag for tag in _SEPARATOR.split(text or "") if tag}


def wanted_tags(config: Mapping[str, Any]) -> dict[str, str]:
    """The tags of the configuration: those of ``tags``, and of ``tags=a;b`` among ``pct_options``."""
    items: list[str] = [str(tag) for tag in config.get("tags") or ()]
    for item in config.get("pct_options") or ():
        key, _separator, value = str(item).partition("=")
        if key.strip() == KEY:
            items.append(value)
    return split(";".join(items))


def changed(actual: str | None, wanted: Iterable[str], applied: Any) -> str | None:
    """The text to send, '' for none at all; None when ours are there and nothing of ours is left over.

    Three-way: a foreign tag stays, one that we set and no longer want goes.
    """
    there = split(actual)
    ours = split(";".join(wanted))
    earlier = {str(tag).lower() for tag in applied} if isinstance(applied, (Mapping, list, tuple)) else set()
    result = {key: tag for key, tag in there.items() if key in ours or key not in earlier}
    result.update({key: tag for key, tag in ours.items() if key not in result})
    return None if result.keys() == there.keys() else ";".join(result[key] for key in sorted(result))
