# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the notes of the containers that a run leaves alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.status_rows import notes

DOCUMENTATION = r"""
name: settled_notes
short_description: Collect the notes of observed containers that need no work
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Turns the facts that M(phoenix.hypervisor.phoenix_lxc_info) sets on each node into one line for each note of a
    container without work, such as a held one, a change that waits for a restart, or a stale template.
  - A container with work prints its notes itself.
positional: _input
options:
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


def settled_notes(nodes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Facts of nodes -> lines."""
    lines: list[tuple[int, str]] = []
    for facts in nodes:
        if not isinstance(facts, Mapping):
            continue
        due = {str(host) for host in facts.get("phoenix_due") or ()}
        for ctid, seen in (facts.get("phoenix_observed") or {}).items():
            if str(ctid) not in due:
                lines += [(int(ctid), f"{ctid}{_name(seen)}: {note}") for note in notes(seen.get("plan") or {})]
    return [line for _ctid, line in sorted(lines, key=lambda item: item[0])]


def _name(seen: Mapping[str, Any]) -> str:
    name = seen.get("hostname") or seen.get("name")
    return f" ({name})" if name else ""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"settled_notes": settled_notes}
