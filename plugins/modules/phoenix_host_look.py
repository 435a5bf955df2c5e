#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_host_look
short_description: Find the roles for a node that have something to do
version_added: 0.1.0
description:
  - Looks at a node for all roles that its C(hypervisor_config.json) needs, so that a run enters only those with work.
  - Changes nothing.
  - A role is looked at by the state that it makes, and by its own modules in a dry run. It has nothing to do where none
    of them would change anything or warn of anything.
  - A role with something to do is named with all roles after it, because what it does can change what they find. A role
    with a variable of its own counts as such.
  - A role that is not looked at is named, too, and C(hypervisor_base) for what its look does not cover, which changes
    nothing that later roles find. These are a host name, time servers, IDs, kernel parameters and keys of repositories.
  - An action plugin of the same name runs on the controller. It selects the roles of the tags of this run.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
  - phoenix.hypervisor.claims
options:
  roles:
    description:
      - The roles that the configuration needs, as the filter P(phoenix.hypervisor.host_roles#filter) lists them.
    type: list
    elements: str
    default: []
  config:
    description: The configuration, as the inventory gives it to the node.
    type: dict
    default: {}
  wanted:
    description: The state that each role makes, by the role's name. The action plugin gives it.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Look for what differs
  phoenix.hypervisor.phoenix_host_look:
    roles: "{{ phoenix_hypervisor_config | phoenix.hypervisor.host_roles }}"
    config: "{{ phoenix_hypervisor_config }}"
  register: looked

- name: Manage storage
  ansible.builtin.include_role:
    name: phoenix.hypervisor.hypervisor_storage
  when: "'hypervisor_storage' in looked.roles"
"""

RETURN = r"""
roles:
  description: The roles to enter, in the order of O(roles).
  returned: success
  type: list
  elements: str
due:
  description: Why, for each role that was looked at and is entered.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.errors import KnownError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module, sentence
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system.plainstate import Look


def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare. What can't be compared is for the role, which says why."""

    def run(command: list[str]) -> str:
        code, out, error = module.run_command(command)
        if code:
            raise NodeError(f"{command[0]}: {error.strip()[-500:] or f'exit code {code}'}")
        return str(out)

    look = Look(run)
    due: dict[str, list[str]] = {}
    for role, wanted in module.params["wanted"].items():
        try:
            found = look.differences(wanted)
        except (KnownError, OSError, ValueError) as error:
            found = [sentence(error)]
        if found:
            due[role] = found
    return {"changed": False, "roles": list(due), "due": due}


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "roles": {"type": "list", "elements": "str", "default": []},
            "config": {"type": "dict", "default": {}},
            "wanted": {"type": "dict", "default": {}},
            "inventory": {"type": "str", "default": "default"},
            "consent": {"type": "raw"},
        },
        work,
    )


if __name__ == "__main__":
    main()
