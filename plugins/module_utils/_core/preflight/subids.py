# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ranges of host IDs: which ones `lxc.idmap` lines need, and which ones root may map.

A container with an `lxc.idmap` line starts only when /etc/subuid (for `u`) and /etc/subgid (for `g`) give its host IDs
to root; newuidmap(1) and newgidmap(1) refuse the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..pve import rawlines

FILES = {"u": "subuid", "g": "subgid"}
IDMAP = "lxc.idmap"
OWNERS = ("root", "0")

Range = tuple[int, int]
"""First ID and count."""


@dataclass(frozen=True)
class Needed:
    """One range that a line needs. ``index`` is the line's place in ``lxc_options``."""

    kind: str
    first: int
    count: int
    index: int

    def line(self) -> str:
        """The line of the file that is enough."""
        return f"root:{self.first}:{self.count}"


def needed(written: Iterable[rawlines.Line | None]) -> list[Needed]:
    """Return the ranges that a container's raw lines need; lines that LXC itself refuses are left out."""
    found = []
    for index, line in enumerate(written):
        words = line[1].split() if line and line[0] == IDMAP else []
        if len(words) != 4 or not all(word.isascii() and word.isdigit() for word in words[1:]):
            continue
        kinds = FILES if words[0] == "b" else [words[0]]
        found += [Needed(kind, int(words[2]), int(words[3]), index) for kind in kinds if kind in FILES]
    return found


def parse(text: str) -> list[Range]:
    """Return root's ranges of /etc/subuid or /etc/subgid."""
    found = []
    for line in text.splitlines():
        owner, _separator, rest = line.strip().partition(":")
        first, _separator, count = rest.partition(":")
        if owner in OWNERS and first.isdigit() and count.isdigit():
            found.append((int(first), int(count)))
    return found


def covers(ranges: Iterable[Range], one: Needed) -> bool:
    """Whether these ranges hold all of one; ranges that follow each other count together."""
    position, end = one.first, one.first + one.count
    for first, count in sorted(ranges):
        if first <= position < first + count:
            position = first + count
    return position >= end


@dataclass(frozen=True)
class Lacking:
    """A range that root cannot map yet, and what helps. ``comes``: hypervisor_config.json has it."""

    index: int
    got: str
    expected: str
    remedy: str
    comes: bool


def lacking(
    written: Iterable[rawlines.Line | None], have: Mapping[str, Iterable[Range]], to_come: Iterable[str]
) -> Iterator[Lacking]:
    """Yield what the raw lines of a container need and the node's files do not give.

    Args:
        written: the container's raw lines as they stand in the file.
        have: root's ranges by kind, `u` and `g`.
        to_come: lines that the hypervisor's playbook adds to both files, among other names.
    """
    later = parse("\n".join(to_come))
    for one in needed(written):
        there, file = [*have.get(one.kind, ())], f"/etc/{FILES[one.kind]}"
        if covers(there, one):
            continue
        last = one.first + one.count - 1
        yield Lacking(
            one.index,
            f"needs the host IDs {one.first} to {last}, which {file} does not give to root",
            f"a line such as {one.line()} in {file}",
            f'Add {{"user": "root", "start": {one.first}, "count": {one.count}}} to subids of hypervisor_config.json, '
            f"or run on the node: echo {one.line()} >> {file}",
            covers([*there, *later], one),
        )


def coming(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the lines that the node has once `subids` of hypervisor_config.json are written to both files."""
    return [f"{item.get('user')}:{item.get('start')}:{item.get('count')}" for item in entries]
