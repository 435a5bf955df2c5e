# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document of a plan or a journal: its one form, its words, and how two of them differ. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .gathered import Gathered, Subject

VERSION = 1
PLAN = "plan"
JOURNAL = "journal"

_MAC = re.compile(r"\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\b")
#: What differs with each run, and says nothing of the change.
_DRAWN = ("digest",)


def document(gathered: Gathered, run: Mapping[str, Any], failed: Collection[str] | None = None) -> dict[str, Any]:
    """Return what a run would change or has changed. ``failed``: the hosts that ended so, None while it goes on."""
    return {
        "version": VERSION,
        "kind": PLAN if gathered.dry else JOURNAL,
        "run": {key: run[key] for key in ("id", "controller", "user", "started")},
        "changes": gathered.changes(),
        "nodes": {
            name: {"entries": one.entries, "failures": _failures(name, one, failed)}
            for name, one in sorted(gathered.nodes.items())
        },
        "containers": {
            ctid: {
                "node": one.node,
                "name": one.name,
                "previous_state": one.previous_state,
                "state": one.state,
                "entries": one.entries,
                "waiting": one.waiting,
                "notes": one.notes,
                "refusal": one.refusal,
                "failures": _failures(ctid, one, failed),
            }
            for ctid, one in sorted(gathered.containers.items(), key=lambda item: (len(item[0]), item[0]))
        },
    }


def _failures(host: str, one: Subject, failed: Collection[str] | None) -> list[str]:
    """The failures of a host, none for one that was rescued."""
    return one.failures if failed is None or host in failed else []


def subjects(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The nodes and containers of a document, with what each is called in a message."""
    for name, one in data["nodes"].items():
        yield f"node {name}", one
    for ctid, one in data["containers"].items():
        yield f"container {ctid} ({one['name']})" if one["name"] else f"container {ctid}", one


def changes(data: Mapping[str, Any]) -> list[str]:
    """A line for each node and container that has entries, for a person."""
    return [
        f"{title}: {'; '.join(_words(entry) for entry in one['entries'])}"
        for title, one in subjects(data)
        if one["entries"]
    ]


def _words(entry: Mapping[str, Any]) -> str:
    return f"{entry['op']} {entry['what']}"


def differences(plan: Mapping[str, Any], journal: Mapping[str, Any]) -> list[str]:
    """How a journal differs from a plan: a line for each entry that only one of them has, and for each other state.

    MACs and digests, which differ with each run, are not compared.
    """
    found = []
    for kind, title in (("nodes", "node"), ("containers", "container")):
        for name in sorted({*plan[kind], *journal[kind]}):
            before, after = (data[kind].get(name, {}) for data in (plan, journal))
            found += [f"{title} {name}: {text}" for text in _of_one(before, after)]
    return found


def _of_one(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    planned, made = ([_normal(entry) for entry in one.get("entries", ())] for one in (before, after))
    for number in range(max(len(planned), len(made))):
        first, second = (entries[number] if number < len(entries) else "nothing" for entries in (planned, made))
        if first != second:
            yield f"entry {number + 1}: planned {first}, made {second}"
            break  # those behind it are shifted
    else:
        if before.get("state", "") != after.get("state", ""):
            yield f"state: planned {before.get('state') or 'none'}, reached {after.get('state') or 'none'}"


def _normal(entry: Mapping[str, Any]) -> str:
    params = {key: value for key, value in entry["params"].items() if key not in _DRAWN}
    return _MAC.sub("MAC", f"{_words(entry)} {json.dumps(params, sort_keys=True)}")
