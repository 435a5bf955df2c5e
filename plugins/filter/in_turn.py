# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: files of tasks for the loop of an include, in the order of each host."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.in_turn import in_turn

DOCUMENTATION = r"""
name: in_turn
short_description: Keep the order of included files for each host
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - For the loop of M(ansible.builtin.include_tasks) whose files differ from host to host.
  - Without it, Ansible runs equal files once for all hosts, in the order in which the first host names them.
    A host can then run its second file before its first one.
positional: _input
options:
  _input:
    description: Names of files.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Prepare, then install
  ansible.builtin.include_tasks: "{{ part.file }}"
  loop: "{{ ((['prepare.yml'] if needed else []) + ['install.yml']) | phoenix.hypervisor.in_turn }}"
  loop_control:
    loop_var: part
    label: "{{ part.file }}"
"""

RETURN = r"""
_value:
  description: The files, each with C(file), its name, and C(after), which differs where other files come before it.
  type: list
  elements: dict
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"in_turn": in_turn}
