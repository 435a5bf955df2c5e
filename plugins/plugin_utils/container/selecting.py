# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts the plays of a run are for: each follows from what the tasks before it have found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import status_rows

NOBODY = "!all"
"""A play without hosts costs less than a skipped task."""
Nodes = Sequence[Mapping[str, Any]]
SETTLED: set[str] = set()
"""The plays that this run has nobody for, once its observation has found nothing to do: Ansible copies the facts of a
node, which are large for a fleet, for each play that reads them."""


def _reach(fleet: Mapping[str, Any], _nodes: Nodes) -> list[str]:
    return [str(fleet["nodes"][node][0]) for node in fleet["lacking"][:1]] if fleet else []


def _observe(fleet: Mapping[str, Any], _nodes: Nodes) -> list[str]:
    # Without the fact a playbook is listed, or its first task was skipped: then the task says so.
    return [str(hosts[0]) for hosts in fleet["nodes"].values()] if fleet else ["containers"]


def _stranded(fleet: Mapping[str, Any], _nodes: Nodes) -> list[str]:
    return list(map(str, fleet.get("stranded") or ()))


def _show(fleet: Mapping[str, Any], nodes: Nodes) -> list[str]:
    # Ansible goes through all hosts of a play for each task, also for one that only the first of them runs.
    return [*_observe(fleet, nodes), *_stranded(fleet, nodes)[:1]]


def _download(_fleet: Mapping[str, Any], nodes: Nodes) -> list[str]:
    waiting = [facts["phoenix_downloads"][0] for facts in nodes if facts.get("phoenix_downloads")]
    return [str(one["ctids"][0]) for one in waiting]


def _notes(_fleet: Mapping[str, Any], nodes: Nodes) -> list[str]:
    return status_rows.due(nodes, with_notes=True) if status_rows.settled_notes(nodes) else []


def _work(fleet: Mapping[str, Any], nodes: Nodes) -> list[str]:
    return status_rows.due(nodes, _stranded(fleet, nodes))


FIRST = frozenset(("reach", "observe", "show", "stranded"))
"""The plays that follow from the containers in play alone."""
PLAYS: Mapping[str, Callable[[Mapping[str, Any], Nodes], list[str]]] = {
    "reach": _reach,
    "observe": _observe,
    "show": _show,
    "stranded": _stranded,
    "download": _download,
    "notes": _notes,
    "work": _work,
}


def hosts(play: str, fleet: Mapping[str, Any], nodes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the hosts of a play, ``NOBODY`` for none.

    fleet: the fact C(phoenix_fleet) of the controller, empty where no task has set it. nodes: the facts of the nodes.
    """
    known = [] if play in FIRST else list(nodes)
    if play == "download" and not any(choose(fleet, known) for choose in (_download, _notes, _work)):
        SETTLED.update(("download", "notes", "work"))
    return PLAYS[play](fleet, known) or [NOBODY]
