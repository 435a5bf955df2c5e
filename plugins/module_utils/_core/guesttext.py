# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text that comes out of a guest, made safe for logs, messages and terminals.

A terminal acts on control characters and escape sequences; overrides of the writing direction mislead a reader.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

# ECMA-48: CSI sequences, strings (OSC, DCS, SOS, PM, APC) up to their terminator, and the other escape sequences. What
# begins a string ends the search for the terminator of another one: each character is looked at twice at most.
_SEQUENCES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
    "|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]{0,4096}(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]*[0-Z\\\\^-~]"
)
# C0 without tab and line feed, DEL, C1, line and paragraph separators, marks and overrides of the direction.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
REPLACEMENT = "\ufffd"
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"?|[][{}]', re.DOTALL)


def clean(text: str) -> str:
    """Return the text without escape sequences; every other control character becomes U+FFFD. CR LF is a line end."""
    return CONTROLS.sub(REPLACEMENT, _SEQUENCES.sub("", text.replace("\r\n", "\n")))


def decode(data: bytes) -> str:
    """Return bytes as clean text. What is not UTF-8 becomes U+FFFD."""
    return clean(data.decode("utf-8", "replace"))


def line(data: bytes, limit: int = 200) -> str:
    """Return the end of an error output as one clean line of at most so many characters."""
    return " ".join(decode(data[-8 * limit :]).split())[-limit:]


def is_deeper(json_text: str, limit: int) -> bool:
    """Return whether JSON text nests deeper than so many levels, before a parser recurses into it."""
    level = 0
    for found in _BRACKETS.finditer(json_text):
        mark = found.group()[0]
        level += (mark in "[{") - (mark in "]}")
        if level > limit:
            return True
    return False


def ipv4(text: str) -> str | None:
    """Return an IPv4 address of a host in its canonical form; None for what is none, or none that others can reach."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return None
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return None
    return str(address)


def ipv6(text: str) -> str | None:
    """Return the same for IPv6."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return None
    return str(address)


def addresses(words: Iterable[str]) -> list[str]:
    """Return those words that are IP addresses, in their canonical form, without repetition."""
    found: dict[str, None] = {}
    for word in words:
        try:
            found[str(ipaddress.ip_address(word.partition("%")[0]))] = None
        except ValueError:
            continue
    return list(found)
