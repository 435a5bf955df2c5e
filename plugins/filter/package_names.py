# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the names that a family of distributions has for packages."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import package_families

DOCUMENTATION = r"""
name: package_names
short_description: Name packages as a family of distributions does
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Replaces names of packages by those that a family has for them. A name that it does not mention stays.
positional: _input, others
options:
  _input:
    description: The names.
    type: list
    elements: str
    required: true
  others:
    description: A name to the list of those that replace it. An empty list drops it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the names, here curl and timezone
  ansible.builtin.debug:
    msg: "{{ ['curl', 'tzdata'] | phoenix.hypervisor.package_names({'tzdata': ['timezone']}) }}"
"""

RETURN = r"""
_value:
  description: The names, each once.
  type: list
  elements: str
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"package_names": package_families.translated}
