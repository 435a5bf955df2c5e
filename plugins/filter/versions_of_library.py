# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the versions of a library among files."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import driver_versions

DOCUMENTATION = r"""
name: versions_of_library
short_description: List the versions of a library among files
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - The number of an interface, such as in C(libx.so.1), is no version.
positional: _input, library
options:
  _input:
    description: The paths of the files.
    type: list
    elements: str
    required: true
  library:
    description: The name of the library, such as V(libx.so).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the versions
  ansible.builtin.debug:
    msg: "{{ found.files | map(attribute='path') | phoenix.hypervisor.versions_of_library('libx.so') }}"
"""

RETURN = r"""
_value:
  description: The versions in order, each once.
  type: list
  elements: str
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"versions_of_library": driver_versions.versions_of_library}
