# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: what phoenix_lxc_info observed, as a table for people."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import status_rows

DOCUMENTATION = r"""
name: status_table
short_description: Format observed containers as lines of a table
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Reads the facts that M(phoenix.hypervisor.phoenix_lxc_info) sets on each node.
extends_documentation_fragment:
  - phoenix.hypervisor.facts_of_nodes
positional: _input, without_node
"""

EXAMPLES = r"""
- name: Show the containers
  ansible.builtin.debug:
    msg: "{{ groups['hypervisors'] | map('extract', hostvars, 'ansible_facts') | phoenix.hypervisor.status_table }}"
"""

RETURN = r"""
_value:
  description: The table, one line an element, the head first.
  type: list
  elements: str
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"status_table": status_rows.table}
