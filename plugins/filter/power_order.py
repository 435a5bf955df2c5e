# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the order in which containers are started or stopped."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.asked_options import SHUTDOWN, STOP

DOCUMENTATION = r"""
name: power_order
short_description: Order containers by what they depend on
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - To start or restart, what a container depends on comes first; to stop, it comes last. Templates are left out.
positional: _input, hostvars, action
options:
  _input:
    description: Inventory names of containers.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  action:
    description: What is asked of them.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Show the order
  ansible.builtin.debug:
    msg: "{{ groups['containers'] | phoenix.hypervisor.power_order(hostvars, 'stop') }}"
"""

RETURN = r"""
_value:
  description: Their names in order.
  type: list
  elements: str
"""


def power_order(containers: Iterable[str], hostvars: Mapping[str, Any], action: str = "") -> list[str]:
    """Containers -> the same in order, each after what it depends on, or before it when they are stopped."""
    configs = {str(host): _config(hostvars, str(host)) for host in containers}
    needs = {host: [str(other) for other in config.get("dependencies") or ()] for host, config in configs.items()}
    try:
        ordered = list(graphlib.TopologicalSorter(needs).static_order())
    except graphlib.CycleError:
        ordered = sorted(needs, key=_number)  # the check of the files refuses it
    known = [host for host in ordered if host in configs and not configs[host].get("is_template")]
    return known[::-1] if action in (STOP, SHUTDOWN) else known


def _config(hostvars: Mapping[str, Any], host: str) -> Mapping[str, Any]:
    config = hostvars[host].get("phoenix_config") if host in hostvars else None
    return config if isinstance(config, Mapping) else {}


def _number(host: str) -> tuple[int, str]:
    return (int(host), host) if host.isdigit() else (0, host)


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"power_order": power_order}
