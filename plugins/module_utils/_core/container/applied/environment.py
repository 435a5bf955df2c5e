# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The environment that an application script finds. docs/application-scripts.md promises these names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ..registry import addresses

BASE = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/sh",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
"""What every script starts with; nothing of the session that starts it gets through."""

PREFIX = "PHOENIX_"
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9_]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def environment(config: Mapping[str, Any], ctid: int, name: str, node: str, features: Sequence[str]) -> dict[str, str]:
    """Return the PHOENIX_ variables of a container.

    Each key of its configuration with a plain value, or a list of plain values, becomes PHOENIX_<KEY>. Those with a
    name of their own come last and win. PHOENIX_IP is empty for an address by DHCP, which only the container knows.
    """
    result: dict[str, str] = {}
    for key, value in config.items():
        text = as_text(value)
        if text is not None:
            result[PREFIX + _NOT_IN_NAMES.sub("_", str(key).upper())] = text
    result.update(
        PHOENIX_CTID=str(ctid),
        PHOENIX_NAME=name,
        PHOENIX_NODE=node,
        PHOENIX_IP=addresses.static(config),
        PHOENIX_FEATURES=" ".join(features),
    )
    return result


def as_text(value: Any) -> Optional[str]:
    """Return a plain value as a variable's text, a list of them quoted for a shell; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        parts = [None if isinstance(part, (list, tuple)) else as_text(part) for part in value]
        return " ".join(shlex.quote(part) for part in parts if part is not None) if None not in parts else None
    return None


def user_environment(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the owner's own variables as texts. Raises ValueError for a name or value that no environment can hold."""
    result: dict[str, str] = {}
    for name, value in given.items():
        text = "" if value is None else as_text(value)
        if not _NAME.match(str(name)):
            raise ValueError(f"{name!r} is not the name of an environment variable")
        if text is None or "\0" in text:
            raise ValueError(f"environment variable {name} must be a text, a number, a boolean or a list of these")
        result[str(name)] = text
    return result
