# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the settings that have a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DOCUMENTATION = r"""
name: given
short_description: Keep the settings that have a value
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Leaves out the settings whose value is V(null), so that a program's own default counts.
  - Further settings replace the former ones, and V(null) among them removes a setting.
positional: _input, others
options:
  _input:
    description: The settings.
    type: dict
    required: true
  others:
    description: Any number of further settings, the last of which counts.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the settings, here port and host
  ansible.builtin.debug:
    msg: "{{ {'port': 8000, 'name': none} | phoenix.hypervisor.given({'host': '::1'}) }}"
"""

RETURN = r"""
_value:
  description: The settings.
  type: dict
"""


def given(settings: Mapping[str, Any], *others: Mapping[str, Any]) -> dict[str, Any]:
    """Settings -> those that have a value."""
    merged = dict(settings)
    for more in others:
        merged.update(more)
    return {name: value for name, value in merged.items() if value is not None}


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"given": given}
