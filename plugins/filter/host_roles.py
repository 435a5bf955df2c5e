# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the roles that a node's file needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import vendors
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import declared_roles
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.role_declarations import host_roles

DOCUMENTATION = r"""
name: host_roles
short_description: List the roles that hypervisor_config.json needs
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Each role for a node declares in C(meta/phoenix_host.yml) which keys of the file it reads. A role is needed where
    the file has one of its keys. A key that the file does not have is not managed.
positional: _input
options:
  _input:
    description: The document, as the inventory gives it to a node.
    type: dict
    required: true
  drivers:
    description: Whether to list all roles that install a driver of GPUs instead, needed or not.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Storage
  ansible.builtin.include_role:
    name: phoenix.hypervisor.hypervisor_storage
  when: "'hypervisor_storage' in phoenix_hypervisor_config | phoenix.hypervisor.host_roles"
"""

RETURN = r"""
_value:
  description: The names of the roles, without the name of the collection.
  type: list
  elements: str
"""


def needed(config: Mapping[str, Any], drivers: bool = False) -> list[str]:
    """Document -> names of roles."""
    if drivers:
        sections = {vendor.keys.section for vendor in vendors.VENDORS}
        return [role.name for role in host_roles() if sections.intersection(role.keys)]
    return declared_roles.due(host_roles(), config)


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"host_roles": needed}
