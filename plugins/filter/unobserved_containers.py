# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the containers that could not be observed."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import status_rows

DOCUMENTATION = r"""
name: unobserved_containers
short_description: List the containers that could not be observed
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Reads the facts that M(phoenix.hypervisor.phoenix_lxc_info) sets on each node.
extends_documentation_fragment:
  - phoenix.hypervisor.facts_of_nodes
positional: _input, without_node
"""

EXAMPLES = r"""
- name: Show the containers of unknown state
  ansible.builtin.debug:
    msg: "{{ facts_of_nodes | phoenix.hypervisor.unobserved_containers }}"
"""

RETURN = r"""
_value:
  description: The reason by CTID.
  type: dict
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"unobserved_containers": status_rows.unobserved}
