# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the text of ``/etc/pve/lxc/CTID.conf`` as PVE writes it.

The head section holds the live values, ``[pve:pending]`` what waits for a restart, every other section a snapshot.
Recorded from a real node: descriptions are leading ``#`` lines, URL-encoded; raw ``lxc.*`` lines come last. Those that
PVE writes for its option ``env`` are both: raw lines, as a hand-written one is on PVE 8, and that option.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from . import marker

_SECTION = re.compile(r"^\[([^\]]+)\]\s*\Z")
_RAW = re.compile(r"^(lxc\.[a-z0-9_.\-]+)\s*[:=]\s*(.*?)\s*\Z", re.ASCII)  # blanks as PVE knows them
ENVIRONMENT = "lxc.environment.runtime"
"""The raw lines in which PVE 9.1 and later keep the option ``env``, one a variable."""
_LINE = re.compile(r"^([a-z][a-z_0-9]*):\s?(.*?)\s*\Z", re.ASCII)


@dataclass(frozen=True)
class ConfFile:
    """One container's config.

    ``pending`` maps a key to the value that it gets with the next start, or to None where it is deleted then;
    ``deletions`` are all keys with a pending deletion. A key may have a pending value besides: the start deletes first,
    and the value wins (PVE facts, 'Pending changes').
    ``markers`` and ``snapshot_markers`` are the raw lines that carry an instance id; no ``raw`` has them.
    """

    head: Mapping[str, str] = field(default_factory=dict)
    raw: tuple[tuple[str, str], ...] = ()
    pending: Mapping[str, str | None] = field(default_factory=dict)
    snapshots: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    snapshot_raw: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    deletions: frozenset[str] = frozenset()
    markers: tuple[tuple[str, str], ...] = ()
    snapshot_markers: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    @property
    def instance(self) -> str | None:
        """The instance id that it carries, or None."""
        return marker.ident(self.markers)

    def merged(self) -> dict[str, str]:
        """Live values with the pending ones applied: what the container has after its next start."""
        result = dict(self.head)
        for key, value in self.pending.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = value
        return result

    def is_going(self, key: str) -> bool:
        """Whether the deletion of a live option waits."""
        waits = key in self.deletions or (key in self.pending and self.pending[key] is None)
        return waits and key in self.head

    def reverted(self, keys: Iterable[str]) -> ConfFile:
        """The config without what waits of these options."""
        gone = set(keys)
        kept = {key: value for key, value in self.pending.items() if key not in gone}
        return replace(self, pending=kept, deletions=self.deletions - gone)


def _note(line: str) -> str | None:
    """A line of the description, or None for another: a comment, or the option as old versions wrote it."""
    if line.startswith("#"):
        return unquote(line[1:])
    option = _LINE.match(line)
    return unquote(option.group(2)).rstrip("\n") if option and option.group(1) == "description" else None


def _note_variable(options: dict[str, str], key: str, pair: str) -> None:
    """Add a pair to the option ``env``, if the raw line holds one."""
    if key == ENVIRONMENT:
        options["env"] = "\0".join(filter(None, (options.get("env"), pair)))


def parse_conf(text: str) -> ConfFile:
    """The text of a config file -> its parts. Lines that PVE would not understand are left out, as PVE does."""
    head: dict[str, str] = {}
    raw: list[tuple[str, str]] = []
    pending: dict[str, str] = {}
    deletions: set[str] = set()
    snapshots: dict[str, dict[str, str]] = {}
    snapshot_raw: dict[str, tuple[tuple[str, str], ...]] = {}
    target: dict[str, str] | None = head
    description: list[str] = []
    section = ""
    for line in text.split("\n"):  # as PVE does; what else Python takes for a line's end is text to it
        found = _SECTION.match(line)
        if found:
            section = found.group(1)
            target = None if section.lower() == "pve:pending" else snapshots.setdefault(section, {})
            continue
        note = _note(line)
        if note is not None:
            if not section:
                description.append(note)
            continue
        raw_line = _RAW.match(line)
        if raw_line:
            found_line = (raw_line.group(1), raw_line.group(2))
            _note_variable(pending if target is None else target, *found_line)
            if not section:
                raw.append(found_line)
            elif section in snapshots:
                snapshot_raw[section] = (*snapshot_raw.get(section, ()), found_line)
            continue
        option = _LINE.match(line)
        if option and target is not None:
            target[option.group(1)] = option.group(2)
        elif option and option.group(1) == "delete":
            deletions |= {name.lstrip("!") for name in re.split(r"[\s,]+", option.group(2)) if name}
        elif option:
            pending[option.group(1)] = option.group(2)
    if description:
        head["description"] = "".join(part + "\n" for part in description)
    lines, markers = marker.split(raw)
    saved = {name: marker.split(found) for name, found in snapshot_raw.items()}
    return ConfFile(
        head=head,
        raw=lines,
        pending={**dict.fromkeys(sorted(deletions)), **pending},
        snapshots=snapshots,
        snapshot_raw={name: plain for name, (plain, _markers) in saved.items()},
        deletions=frozenset(deletions),
        markers=markers,
        snapshot_markers={name: found for name, (_plain, found) in saved.items()},
    )
