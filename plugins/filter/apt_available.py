# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the packages that apt could install."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import apt_packages

DOCUMENTATION = r"""
name: apt_available
short_description: Select the packages that apt could install
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Reads the answer of C(apt-cache policy), asked with C(LC_ALL=C).
positional: _input, names, least
options:
  _input:
    description: The answer.
    type: str
    required: true
  names:
    description: The packages, in the order of preference.
    type: list
    elements: str
    required: true
  least:
    description: The least version. Only the numbers at the beginning of a version are compared.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Take the first one that there is
  ansible.builtin.debug:
    msg: "{{ policy.stdout | phoenix.hypervisor.apt_available(['compose-v2', 'compose'], least='2') | first }}"
"""

RETURN = r"""
_value:
  description: Their names, in the given order.
  type: list
  elements: str
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"apt_available": apt_packages.available}
