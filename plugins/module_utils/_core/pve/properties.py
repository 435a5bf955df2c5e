# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Property strings of Proxmox VE (``name=eth0,bridge=vmbr0``) and disk sizes.

PVE rewrites what it is sent: the default key first, then the other keys sorted, sizes in the largest exact unit
(PVE facts, 'How PVE rewrites what you send'). So values are compared parsed, never as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Callable

from . import forms

UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)([KMGT])?\Z")

# The keys whose value stands bare at the front of a property string ("STORE:volume,mp=/data").
DEFAULT_KEYS = {"rootfs": "volume", "mp": "volume", "dev": "path", "startup": "order"}

_FLAGS = frozenset(
    {
        *("ro", "acl", "backup", "quota", "replicate", "shared", "keepattrs", "firewall", "link_down", "host-managed"),
        *("nesting", "keyctl", "fuse", "mknod", "force_rw_sys", "deny-write"),
    }
)
# Sub-option -> its canonical form.
_FORMS: dict[str, Callable[[object], str]] = {
    "hwaddr": forms.mac,
    "mp": forms.path,
    "path": forms.path,
    "mountoptions": forms.words,
    **dict.fromkeys(("ip", "ip6", "gw", "gw6"), forms.address),
    "rate": forms.decimal,
    **dict.fromkeys(_FLAGS, forms.flag),
}


def default_key(option: str) -> str | None:
    """The default key of a config option (``mp3`` -> ``volume``), or None when it has none."""
    return DEFAULT_KEYS.get(option.rstrip("0123456789"))


def parse(text: str, first: str | None = None) -> dict[str, str]:
    """Property string -> dict. A bare first part gets the key ``first``; without one it is kept under ''."""
    result: dict[str, str] = {}
    for index, part in enumerate(str(text).split(",")):
        key, separator, value = part.partition("=")
        if separator and not (index == 0 and first == "volume" and key.count(":")):
            result[key.strip()] = value
        elif part:
            result[(first or "") if index == 0 else part.strip()] = part if index == 0 else ""
    return result


def compose(values: Mapping[str, str], first: str | None = None) -> str:
    """Dict -> property string in PVE's order: the default key bare, ``name`` next, the rest sorted."""
    parts = [values[first]] if first and first in values else []
    keys = sorted((key for key in values if key != first), key=lambda key: (key != "name", key))
    return ",".join(parts + [f"{key}={values[key]}" for key in keys])


def parse_size(text: str) -> int:
    """Size with PVE's unit suffix -> bytes. Raises ValueError for anything else."""
    match = _SIZE.match(str(text).strip())
    if not match:
        raise ValueError(f"not a size: {text!r}")
    return int(float(match.group(1)) * UNITS.get(match.group(2) or "", 1))


def format_size(size: int) -> str:
    """Bytes -> PVE's text, in the largest exact unit."""
    for unit in "TGMK":
        if size and size % UNITS[unit] == 0:
            return f"{size // UNITS[unit]}{unit}"
    return str(size)


def same_value(key: str, left: str, right: str) -> bool:
    """Whether two values of one sub-option mean the same to PVE (see forms; sizes ignore their unit)."""
    if left == right:
        return True
    form = _FORMS.get(key)
    if form is not None:
        return form(left) == form(right) and bool(left) == bool(right)
    if key == "volume":  # the path of a bind mount; a volume's id has one spelling
        return left.startswith("/") and right.startswith("/") and forms.path(left) == forms.path(right)
    if key == "size":
        try:
            return parse_size(left) == parse_size(right)
        except ValueError:
            return False
    return False


def same(left: Mapping[str, str], right: Mapping[str, str]) -> bool:
    """Whether two parsed property strings mean the same."""
    return left.keys() == right.keys() and all(same_value(key, left[key], right[key]) for key in left)
