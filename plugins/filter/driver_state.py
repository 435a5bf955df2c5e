# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: what files say of an installed driver."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import driver_versions

DOCUMENTATION = r"""
name: driver_state
short_description: Tell from files which driver is installed, and how
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - A driver is current when its library has the wanted version alone, its tool exists, and no other way than the wanted
    one has left a trace. An installation that was cut off may have left one of them without the other.
  - The number of an interface, such as in C(libx.so.1), is no version.
positional: _input
options:
  _input:
    description: The paths of the files that exist.
    type: list
    elements: str
    required: true
  library:
    description: The name of the library that programs load, such as V(libx.so).
    type: str
    required: true
  version:
    description: The wanted version.
    type: str
    required: true
  tool:
    description: Path of the driver's tool.
    type: str
    required: true
  traces:
    description: The way of each installation to the path that shows it.
    type: dict
    required: true
  way:
    description: The wanted way.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show whether the driver is current
  ansible.builtin.debug:
    msg: >-
      {{ (found.files | map(attribute='path') | phoenix.hypervisor.driver_state(library='libx.so', version='1.2.3',
         tool='/usr/bin/x-smi', traces={'packages': '/etc/apt/preferences.d/x'}, way='packages')).current }}
"""

RETURN = r"""
_value:
  description: V(versions) of the library in order, V(ways) with a trace, and V(current), whether nothing is to do.
  type: dict
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"driver_state": driver_versions.state}
