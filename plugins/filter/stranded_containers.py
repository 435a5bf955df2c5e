# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the containers whose node is missing."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import status_rows

DOCUMENTATION = r"""
name: stranded_containers
short_description: List the containers whose node is missing
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - For runs whose inventory lacks nodes, such as a slice of a job in AWX.
positional: _input, nodes
options:
  _input:
    description: Inventory name of a container to its node.
    type: dict
    required: true
  nodes:
    description: The nodes that the run has.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show them, here 951
  ansible.builtin.debug:
    msg: "{{ {'950': 'pve', '951': 'pve2'} | phoenix.hypervisor.stranded_containers(['pve']) }}"
"""

RETURN = r"""
_value:
  description: Their inventory names.
  type: list
  elements: str
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"stranded_containers": status_rows.stranded}
