# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the containers for which a play asks the nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DOCUMENTATION = r"""
name: one_of_each_node
short_description: List one container of each node in play
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - A play that asks each node once runs for one of its containers, because C(--limit) leaves out the nodes.
positional: _input
options:
  _input:
    description: The fact C(phoenix_fleet) of the controller. Without it, as when a playbook is only listed, the
      result is the group of all containers.
    type: dict
    required: true
  lacking:
    description: List one container for all nodes that the inventory of the run lacks.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Ask each node once
  hosts: "{{ hostvars.localhost.ansible_facts.phoenix_fleet | default({}) | phoenix.hypervisor.one_of_each_node }}"
  tasks: []
"""

RETURN = r"""
_value:
  description: Inventory names, or C(!all) when there is none.
  type: list
  elements: str
"""


def one_of_each_node(fleet: Mapping[str, Any], lacking: bool = False) -> list[str]:
    """The fact of the containers in play -> a play's hosts."""
    if not fleet:
        return ["!all" if lacking else "containers"]
    nodes = list(fleet["lacking"])[:1] if lacking else list(fleet["nodes"])
    return [str(fleet["nodes"][node][0]) for node in nodes] or ["!all"]


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"one_of_each_node": one_of_each_node}
