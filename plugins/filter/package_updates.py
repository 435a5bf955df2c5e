# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the packages that apt would update."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import package_updates

DOCUMENTATION = r"""
name: package_updates
short_description: List the packages that apt would update
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Reads what a simulation of apt-get answers in the locale C, and returns each package with its versions.
options:
  _input:
    description: The answer of C(apt-get -s upgrade) or C(apt-get -s dist-upgrade).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the packages
  ansible.builtin.debug:
    msg: "{{ simulation.stdout | phoenix.hypervisor.package_updates }}"
"""

RETURN = r"""
_value:
  description: A line for each package.
  type: list
  elements: str
"""


def updates(text: str) -> list[str]:
    """Return a line for each package."""
    return [package.text for package in package_updates.apt(text)]


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"package_updates": updates}
