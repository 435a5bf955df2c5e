# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: what the role for accounts does with those of the file."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import accounts

DOCUMENTATION = r"""
name: account_plan
short_description: Plan the changes of the system accounts of a node
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Compares the accounts of the file with those of the node. A dry run makes no group and no account, so what waits for
    one is a line of C(later) there.
positional: _input, passwd, group, dry
options:
  _input:
    description: The accounts, as C(users) of the filter P(phoenix.hypervisor.host_config#filter).
    type: list
    elements: dict
    required: true
  passwd:
    description: The accounts of the node, as M(ansible.builtin.getent) gives them.
    type: dict
    required: true
  group:
    description: The groups of the node, as M(ansible.builtin.getent) gives them.
    type: dict
    required: true
  dry:
    description: Whether this is a dry run.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what waits for a real run
  ansible.builtin.debug:
    msg: "{{ (users | phoenix.hypervisor.account_plan(getent_passwd, getent_group, ansible_check_mode)).later }}"
"""

RETURN = r"""
_value:
  description:
    - V(groups) to make, V(accounts) to make or change, V(keys) to set, what comes V(later), the accounts that V(leave)
      the group sudo, and notes on V(powerless) ones.
  type: dict
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"account_plan": accounts.plan}
