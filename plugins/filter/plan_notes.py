# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: what a plan notes for people."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import status_rows

DOCUMENTATION = r"""
name: plan_notes
short_description: List what a plan notes for people
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - The notes of a plan, then the options whose new values wait for a restart of the container.
positional: _input
options:
  _input:
    description: A plan, or the result of M(phoenix.hypervisor.phoenix_lxc_state).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the notes
  ansible.builtin.debug:
    msg: "{{ phoenix_step | phoenix.hypervisor.plan_notes }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"plan_notes": status_rows.notes}
