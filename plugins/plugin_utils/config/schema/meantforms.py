# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a text is written that does not have the form of its key, but means something that has it."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator

_SPELLED = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "æ": "ae", "ø": "oe"}
)
_LONG = 256


def meant(pattern: str, text: str, is_path: bool = False, is_hyphenated: bool = False) -> str | None:
    """Return the first spelling of a text that a pattern takes, None where there is none.

    ``is_path``: the text is to be an absolute path; ``is_hyphenated``: words in it are joined by hyphens.
    """
    if len(text) > _LONG:  # what is that long was not mistyped
        return None
    return next(
        (form for form in _forms(text, is_path, is_hyphenated) if form != text and re.search(pattern, form)), None
    )


def _forms(text: str, is_path: bool, is_hyphenated: bool) -> Iterator[str]:
    plain = _ascii(text.strip())
    yield from (text.strip(), text.lower(), plain, plain.lower())
    if is_hyphenated:
        yield plain.strip("-_. ").replace("_", "-").replace(" ", "-")
    if re.match(r"[0-9.]+\s+[A-Za-z]+\Z", plain):  # a number and its unit
        yield "".join(plain.split())
    yield from _addresses(plain)
    digits = re.sub("[-:.]", "", plain)
    if re.fullmatch("[0-9A-Fa-f]{12}", digits):
        yield ":".join(re.findall("..", digits))
    if is_path:
        yield f"/{plain}"


def _addresses(text: str) -> Iterator[str]:
    """An IPv4 address without zeros before its numbers, and with the length of its netmask."""
    address, slash, mask = text.partition("/")
    parts = address.split(".")
    if len(parts) != 4 or not all(part.isdigit() for part in parts):
        return
    address = ".".join(str(int(part)) for part in parts)
    yield address
    try:
        yield f"{address}{slash}{ipaddress.IPv4Network(f'0.0.0.0/{mask}').prefixlen if slash else ''}"
    except ValueError:
        return


def _ascii(text: str) -> str:
    """A word in letters of ASCII, as it is written where a name takes no others."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_SPELLED))
    return "".join(char for char in plain if not unicodedata.combining(char))
