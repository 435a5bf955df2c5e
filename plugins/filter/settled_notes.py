# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the notes of the containers that a run leaves alone."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import status_rows

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


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"settled_notes": status_rows.settled_notes}
