# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: packages at a version."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import apt_packages

DOCUMENTATION = r"""
name: of_version
short_description: Name packages with the version that they must have
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Adds a version to names of packages in the words of apt. The revision of the package may be any.
positional: _input, version
options:
  _input:
    description: The names.
    type: list
    elements: str
    required: true
  version:
    description: The version without the revision of the package.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Install a version
  phoenix.hypervisor.phoenix_packages:
    name: "{{ ['libx', 'x-utils'] | phoenix.hypervisor.of_version('1.2') }}"
"""

RETURN = r"""
_value:
  description: The names with the version.
  type: list
  elements: str
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"of_version": apt_packages.of_version}
