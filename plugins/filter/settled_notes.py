# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the notes of the containers that a run leaves alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

DOCUMENTATION = r"""
name: settled_notes
short_description: Collect the notes of observed containers that need no work
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Turns the facts that M(phoenix.hypervisor.phoenix_lxc_info) sets on each node into lines. They are the notes of
    containers without work, such as held ones, changes that wait for a restart, or stale templates.
  - Containers with the same note share a line. More than two lines become the first one and a count; the status
    playbook shows all notes.
  - A container with work prints its notes itself.
positional: _input
options:
  every:
    description: Return all lines, with all containers of each.
    type: bool
    default: false
  _input:
    description: The facts of the nodes.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the notes
  ansible.builtin.debug:
    msg: "{{ groups['hypervisors'] | map('extract', hostvars, 'ansible_facts') | phoenix.hypervisor.settled_notes }}"
"""

RETURN = r"""
_value:
  description: The lines, ordered by CTID.
  type: list
  elements: str
"""


MOST = 2
"""Lines that a settled run has for notes: it has five in all."""
NAMED = 3
"""Containers of a line that are named."""


def settled_notes(nodes: Iterable[Mapping[str, Any]], every: bool = False) -> list[str]:
    """Facts of nodes -> lines."""
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


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"settled_notes": settled_notes}
