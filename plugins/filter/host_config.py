# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: hypervisor_config.json in the one form that the roles for a node read."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import host_config

DOCUMENTATION = r"""
name: host_config
short_description: Bring the configuration of a node into one form
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Turns C(phoenix_hypervisor_config) into what the roles C(hypervisor_*) read, such as datasets with their properties
    as an object and sizes in bytes, or repositories for deb822.
positional: _input
options:
  _input:
    description: The document, as the inventory gives it to a node.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: The datasets of the node
  ansible.builtin.debug:
    msg: "{{ (phoenix_hypervisor_config | phoenix.hypervisor.host_config).datasets }}"
"""

RETURN = r"""
_value:
  description: The parts by name.
  type: dict
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"host_config": host_config}
