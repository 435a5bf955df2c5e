# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people read of observed containers: a table of all of them, and which could not be observed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

HEAD = ("CTID", "NAME", "STATE", "ADDRESS", "FEATURES", "TO DO")
LEDGER = "ledger"  # a part that is not seen of a container, where the API alone is
MOST = 2
"""Lines that a settled run has for notes: it has five in all."""
NAMED = 3
"""Containers of a line that are named."""
WITHOUT_NODE = "its node is not in the inventory of this run (see phoenix_missing_node)"


def unobserved(nodes: Iterable[Mapping[str, Any]], without_node: Iterable[str] = ()) -> dict[str, str]:
    """Return the containers that could not be observed, each with the reason, in order.

    nodes: the facts of the nodes of a run. without_node: containers whose node the run does not have.
    """
    found = {str(ctid): str(why) for facts in nodes for ctid, why in (facts.get("phoenix_faults") or {}).items()}
    found.update(dict.fromkeys(map(str, without_node), WITHOUT_NODE))
    return {ctid: found[ctid] for ctid in sorted(found, key=int)}


def due(nodes: Iterable[Mapping[str, Any]], without_node: Iterable[str] = (), with_notes: bool = False) -> list[str]:
    """Return the containers with work to do or a fault, each once: those of the nodes, then those without a node.

    with_notes: those that have notes for people, too.
    """
    nodes = list(nodes)
    found = [str(ctid) for facts in nodes for ctid in facts.get("phoenix_due") or ()]
    if with_notes:
        observed = [seen for facts in nodes for seen in (facts.get("phoenix_observed") or {}).items()]
        found += [str(ctid) for ctid, seen in observed if notes(seen.get("plan") or {})]
    return list(dict.fromkeys([*found, *map(str, without_node)]))


def notes(plan: Mapping[str, Any]) -> list[str]:
    """Return what a plan notes for people: its notes, then the options that wait for a restart of the container."""
    waiting = [f"waits for a restart: {key}" for key in plan.get("waiting") or ()]
    return [*map(str, plan.get("notes") or ()), *waiting]


def settled_notes(nodes: Iterable[Mapping[str, Any]], every: bool = False) -> list[str]:
    """Return the notes of the containers without work as lines.

    nodes: the facts of the nodes of a run. every: all lines, with all containers of each.
    """
    found: dict[str, list[tuple[int, str, str]]] = {}
    for facts in nodes:
        if not isinstance(facts, Mapping):
            continue
        due = {str(host) for host in facts.get("phoenix_due") or ()}
        for ctid, seen in (facts.get("phoenix_observed") or {}).items():
            if str(ctid) not in due:
                for note in _notes(seen.get("plan") or {}):
                    alike = re.sub(rf"\b{ctid}\b", "CTID", note)  # what to type names the container
                    found.setdefault(alike, []).append((int(ctid), f"{ctid}{_name(seen)}", note))
    groups = sorted((sorted(group), alike) for alike, group in found.items())
    lines = [_line(group, alike, every) for group, alike in groups]
    if every or len(lines) <= MOST:
        return lines
    rest = {ctid for group, _alike in groups[1:] for ctid, _who, _note in group}
    what = f"{len(lines) - 1} further notes on {len(rest)} {'container' if len(rest) == 1 else 'containers'}"
    return [lines[0], f"{what}: playbooks/status.yml shows them"]


def _notes(plan: Mapping[str, Any]) -> list[str]:
    waiting = ", ".join(map(str, plan.get("waiting") or ()))
    return [*map(str, plan.get("notes") or ()), *([f"waits for a restart: {waiting}"] if waiting else [])]


def _line(group: list[tuple[int, str, str]], alike: str, every: bool) -> str:
    """One note, and the containers that have it."""
    names = [who for _ctid, who, _note in group]
    if not every and len(names) > NAMED + 1:
        names = [*names[:NAMED], f"{len(names) - NAMED} more"]
    note = group[0][2] if len(group) == 1 else alike
    return f"{', '.join(names)}: {note}"


def _name(seen: Mapping[str, Any]) -> str:
    name = seen.get("hostname") or seen.get("name")
    return f" ({name})" if name else ""


def table(nodes: Iterable[Mapping[str, Any]], without_node: Iterable[str] = ()) -> list[str]:
    """Return the lines of a table, the head first. A container that could not be observed is a row too."""
    nodes = list(nodes)
    every: dict[str, Any] = {}
    for facts in nodes:
        every.update((str(ctid), seen) for ctid, seen in (facts.get("phoenix_observed") or {}).items())
    for ctid, why in unobserved(nodes, without_node).items():
        every[ctid] = {"state": "unknown", "plan": {"error": " ".join(why.split())}}
    rows = [HEAD, *(_row(ctid, every[ctid]) for ctid in sorted(every, key=int))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


# Steps that change nothing of the container.
_NOTED = frozenset({"record", "mark", "complete"})


def changes_due(plan: Mapping[str, Any]) -> int:
    """Return the number of steps of a plan that change something."""
    return sum(1 for step in plan.get("steps") or () if step.get("kind") not in _NOTED)


def state_in_words(seen: Mapping[str, Any]) -> str:
    """Return the state's word, and what the container is where the word alone would mislead.

    A running container whose config differs is `created` by the specification, and people see it run.
    """
    plan = seen.get("plan") or {}
    word = str(seen.get("state") or seen.get("recorded_state") or ("absent" if not seen.get("exists") else "not ours"))
    if plan.get("error") and seen.get("exists") and seen.get("ours") is False:
        return "not ours"
    due = changes_due(plan)
    if not seen.get("running") or not due or word not in ("defined", "created", "configured"):
        return word
    return f"{word} (running, {due} {'change' if due == 1 else 'changes'} due)"


def _row(ctid: str, seen: Mapping[str, Any]) -> tuple[str, ...]:
    plan = seen.get("plan") or {}
    todo = plan.get("error") or ", ".join(f"{step['kind']} {step['name']}".strip() for step in plan.get("steps", []))
    return (
        ctid,
        str(seen.get("hostname") or seen.get("name") or "-"),
        state_in_words(seen),
        str(seen.get("address") or "-"),
        ",".join(seen.get("features") or []) or ("unknown" if LEDGER in (seen.get("unknown") or ()) else "-"),
        "; ".join([*([todo] if todo else []), *notes(plan), *_unsaved(seen)]) or "-",
    )


def _unsaved(seen: Mapping[str, Any]) -> list[str]:
    """The warning of volumes whose data no backup contains."""
    paths = ", ".join(map(str, seen.get("unsaved") or ()))
    return [f"no backup contains {paths}"] if paths else []
