# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the units that run."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import driver_versions

DOCUMENTATION = r"""
name: running_units
short_description: Select the units of systemd that run
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - A unit that waits to be started again counts as running, since it would start in the midst of a change.
positional: _input, answers
options:
  _input:
    description: The units that C(systemctl is-active) was asked for.
    type: list
    elements: str
    required: true
  answers:
    description: The lines of its answer.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what runs
  ansible.builtin.debug:
    msg: "{{ units | phoenix.hypervisor.running_units(answer.stdout_lines) }}"
"""

RETURN = r"""
_value:
  description: The units.
  type: list
  elements: str
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"running_units": driver_versions.running_units}
