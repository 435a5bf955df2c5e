# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The canonical form of a container's values: two texts that mean the same to PVE have one form.

Planner, validation and inventory compare values in these forms, and never as texts. What is no value of its kind keeps
its text, so that a comparison never fails.
"""

from __future__ import annotations

import ipaddress
import re

# What an address of a network interface may be besides an address (PVE's pve-ipv4-config and pve-ipv6-config).
ADDRESS_WORDS = frozenset({"dhcp", "manual", "auto"})
_SEPARATOR = re.compile(r"[\s,;]+")
_NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)\Z", re.ASCII)
_TRUE = frozenset({"1", "on", "yes", "true"})
_FALSE = frozenset({"0", "off", "no", "false"})


def path(text: object) -> str:
    """A path without what doesn't tell it from others: doubled or closing slashes, and ``.``."""
    return "/" + "/".join(part for part in str(text).split("/") if part not in ("", "."))


def mac(text: object) -> str:
    """A MAC address in upper case, as PVE writes it."""
    return str(text).strip().upper()


def address(text: object) -> str:
    """An address of an interface, with its prefix length where it has one, or one of the words in its place."""
    plain = str(text).strip()
    try:
        return str(ipaddress.ip_interface(plain)) if "/" in plain else str(ipaddress.ip_address(plain))
    except ValueError:
        return plain


def host(text: object) -> str:
    """The host's part of an address, without its prefix length; empty for words and for what is no address."""
    plain = address(text).partition("/")[0]
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        return ""


def addresses(text: object) -> tuple[str, ...]:
    """A list of addresses, however they are separated, in their order."""
    return tuple(address(item) for item in _SEPARATOR.split(str(text)) if item)


def flag(text: object) -> str:
    """A boolean of PVE as 1 or 0."""
    plain = str(text).strip().lower()
    return "1" if plain in _TRUE else "0" if plain in _FALSE else str(text)


def words(text: object) -> str:
    """A list of words, in one order."""
    return ";".join(sorted(word for word in str(text).split(";") if word))


def is_number(text: object) -> bool:
    """Whether a text is a number as PVE writes one: no sign and no exponent."""
    return _NUMBER.match(str(text).strip()) is not None


def number(text: object) -> int | float | None:
    """A number of PVE, None for what is none."""
    plain = str(text).strip()
    return None if not is_number(plain) else int(plain) if plain.isdigit() else float(plain)


def decimal(value: object) -> str:
    """A number as a text that PVE takes: without exponent and without zeros at its end. Other texts stay."""
    if isinstance(value, (int, float)):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    found = number(value)
    return str(value) if found is None else decimal(found)
