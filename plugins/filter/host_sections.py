# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the sections of a node's file whose entries are undone when they leave it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.declared_roles import of_sections
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.role_declarations import host_roles
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import sections

DOCUMENTATION = r"""
name: host_sections
short_description: List the sections of hypervisor_config.json whose entries are undone when they leave it
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Gives the sections that the file has and that M(phoenix.hypervisor.phoenix_host_claims) compares with the records of
    a node. Each role declares its own in C(meta/phoenix_host.yml).
positional: _input, role, only
options:
  _input:
    description: The document, as the inventory gives it to a node.
    type: dict
    required: true
  role:
    description: Only the sections of this role.
    type: str
    default: ""
  only:
    description: Only the sections with these keys. Without it, all.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Compare with what earlier runs have set
  phoenix.hypervisor.phoenix_host_claims:
    sections: "{{ phoenix_hypervisor_config | phoenix.hypervisor.host_sections }}"
"""

RETURN = r"""
_value:
  description: The sections by their key, in the form that the module takes.
  type: dict
"""


def chosen(config: Mapping[str, Any], role: str = "", only: Collection[str] | None = None) -> dict[str, Any]:
    """Document -> sections."""
    owners = of_sections(host_roles())
    found = {key: value for key, value in sections(config).items() if not role or owners[key] == role}
    return found if only is None else {key: value for key, value in found.items() if key in only}


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"host_sections": chosen}
