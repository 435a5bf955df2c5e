# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the packages of some versions."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import apt_packages

DOCUMENTATION = r"""
name: packages_of_versions
short_description: Select the packages that have one of some versions
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Reads lines of a name and a version, as C(dpkg-query) prints them.
positional: _input, names, versions
options:
  _input:
    description: The lines.
    type: str
    required: true
  names:
    description: A regular expression that the beginning of a name matches.
    type: str
    required: true
  versions:
    description: The versions, without the revision of the package.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the packages
  ansible.builtin.debug:
    msg: "{{ answer.stdout | phoenix.hypervisor.packages_of_versions('libx', ['1.2']) }}"
"""

RETURN = r"""
_value:
  description: Their names.
  type: list
  elements: str
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"packages_of_versions": apt_packages.of_versions}
