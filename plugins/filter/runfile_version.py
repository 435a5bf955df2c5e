# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the version in the name of a run file."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import driver_versions

DOCUMENTATION = r"""
name: runfile_version
short_description: Extract the version from the address of a run file
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - A name without a version gives an empty text.
positional: _input
options:
  _input:
    description: The address.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the version
  ansible.builtin.debug:
    msg: "{{ 'https://example.org/Driver-x86_64-570.124.06.run' | phoenix.hypervisor.runfile_version }}"
"""

RETURN = r"""
_value:
  description: The version.
  type: str
  sample: 570.124.06
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"runfile_version": driver_versions.runfile_version}
