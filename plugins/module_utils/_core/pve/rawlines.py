# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Raw ``lxc.*`` lines of a container's config: PVE's API shows them but can't write them (PVE facts)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

Line = tuple[str, str]

_LINE = re.compile(r"^\s*(lxc\.[a-z0-9_.\-]+)\s*[:=]\s*(.*?)\s*\Z", re.ASCII)
# A line break to PVE, to Python or to a terminal; none of them belongs into a line.
_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_SECTION = re.compile(r"^\[[^\]]+\]\s*\Z")


def parse_line(text: str) -> Line | None:
    """``lxc.key: value`` or ``lxc.key = value`` -> (key, value); None for anything else, line breaks included."""
    found = None if _BREAKS.search(text) else _LINE.match(text)
    return (found.group(1), found.group(2)) if found else None


def changes(wanted: Iterable[Line], there: Iterable[Line], applied: Any) -> tuple[list[Line], list[Line]]:
    """(lines to add, lines to remove). Only what we applied earlier is ever removed; foreign lines stay.

    A line without a value empties its key's list: what stands before it counts no more. So the lines of such a key are
    compared with their order, and written again at the end when it is another one.
    """
    wanted, there = list(wanted), list(there)
    earlier = {(str(item[0]), str(item[1])) for item in applied or () if len(item) == 2}
    again: set[Line] = set()
    for key in {key for key, value in wanted if not value}:
        ordered = [line for line in wanted if line[0] == key]
        if [line for line in there if line in ordered] != ordered:
            again.update(ordered)
    gone = [line for line in there if line in again or (line in earlier and line not in wanted)]
    return [line for line in wanted if line not in there or line in again], list(dict.fromkeys(gone))


def edit(text: str, add: Iterable[Line], remove: Iterable[Line]) -> str:
    """The config's text with lines added and removed, in the head section only.

    Lines appended to the end of a config with snapshots would land in the last snapshot (PVE facts, 'Clones').
    """
    lines = text.removesuffix("\n").split("\n")  # as PVE does; what else Python takes for a line's end is text to it
    end = next((index for index, line in enumerate(lines) if _SECTION.match(line)), len(lines))
    gone = set(remove)
    head = [line for line in lines[:end] if parse_line(line) not in gone]
    blank = 0
    while head and not head[-1].strip():
        head.pop()
        blank += 1
    head += [f"{key}: {value}" for key, value in add]
    return "\n".join([*head, *[""] * blank, *lines[end:]]) + "\n"
