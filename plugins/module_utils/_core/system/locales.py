# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locales of glibc: which ones a machine lacks, and the texts of the files that name them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# The file in which a machine of a family has its locale, and what stands before the equals sign of its line. musl has
# every locale that it knows built in, and reads its name from the environment of a shell.
FILES: Mapping[str, tuple[str, str]] = {
    "Debian": ("/etc/default/locale", "LANG"),
    "Alpine": ("/etc/profile.d/phoenix-locale.sh", "export LANG"),
    "RedHat": ("/etc/locale.conf", "LANG"),
    "Suse": ("/etc/locale.conf", "LANG"),
}
GENERATING = ("Debian",)
"""The families that generate locales. With the others they come in packages."""
OPTIONS: dict[str, Any] = {
    "locales": {"type": "list", "elements": "str", "default": []},
    "locale": {"type": "str", "default": ""},
}
_ENTRY = re.compile(r"#?\s*(?P<name>[A-Za-z]\S*)\s+(?P<charset>[A-Za-z0-9][A-Za-z0-9_-]*)\s*\Z")


def _plain(name: str) -> str:
    """Return a name with its character set as `locale -a` has it: en_US.UTF-8 is en_US.utf8 there."""
    language, dot, rest = name.strip().partition(".")
    charset, at, modifier = rest.partition("@")
    return language + dot + re.sub("[^a-z0-9]", "", charset.lower()) + at + modifier


def asked(options: Mapping[str, Any], family: str) -> dict[str, Any]:
    """Return what a task asks of a machine of a family, as options of phoenix_locale; {} where it asks nothing."""
    names = list(options["locales"]) if family in GENERATING else []
    if family not in FILES or not (names or options["locale"]):
        return {}
    path, key = FILES[family]
    return {"locales": names, "locale": options["locale"], "path": path, "key": key}


def missing(wanted: Iterable[str], present: str) -> list[str]:
    """Return the locales that an answer of `locale -a` lacks, each once, in their order."""
    known = {_plain(line) for line in present.splitlines()} | {"C", "POSIX"}
    return [name for name in dict.fromkeys(wanted) if _plain(name) not in known]


def enabled(text: str, names: Iterable[str], supported: str) -> tuple[str, list[str]]:
    """Return /etc/locale.gen with these locales switched on, and those that neither it nor `supported` has."""
    lines = text.splitlines()
    places: dict[str, int] = {}
    for number, line in enumerate(lines):
        match = _ENTRY.match(line)
        if match and (match["name"] not in places or not line.startswith("#")):
            places[match["name"]] = number
    others = {match["name"]: match["charset"] for match in map(_ENTRY.match, supported.splitlines()) if match}
    unknown = []
    for name in names:
        if name in places:
            lines[places[name]] = lines[places[name]].lstrip("# \t").rstrip()
        elif name in others:
            lines.append(f"{name} {others[name]}")
        else:
            unknown.append(name)
    return "".join(f"{line}\n" for line in lines), unknown


def with_line(text: str, key: str, value: str) -> str:
    """Return a file of KEY=VALUE lines with this value: the last line of the key counts, as for a shell."""
    lines = text.splitlines()
    found = [number for number, line in enumerate(lines) if line.startswith(f"{key}=")]
    if found:
        lines[found[-1]] = f"{key}={value}"
    else:
        lines.append(f"{key}={value}")
    return "".join(f"{line}\n" for line in lines)
