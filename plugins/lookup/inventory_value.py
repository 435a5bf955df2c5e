# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory says of a container, whatever the container says of itself."""

from __future__ import annotations

DOCUMENTATION = r"""
name: inventory_value
short_description: Read a variable of a container as the inventory has it
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Returns variables of a container from the inventory and what outranks it on the controller, such as C(host_vars).
  - Facts outrank the inventory in Ansible, and the root user of a container decides its facts. The lookup fails when
    the container has a fact that Ansible's own fact modules do not find.
  - A play sets its variables with it, which facts do not outrank. The playbooks of this collection do so.
options:
  _terms:
    description: The names of the variables.
    required: true
    type: list
    elements: str
  host:
    description: The container's inventory name. Without it, the host of the task.
    type: str
  default:
    description: The value of a variable that is not set. Without it, such a variable is an error.
    type: raw
seealso:
  - plugin: phoenix.hypervisor.foreign_facts
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Work on containers
  hosts: containers
  vars:
    phoenix_ctid: "{{ lookup('phoenix.hypervisor.inventory_value', 'phoenix_ctid') }}"
    phoenix_node: "{{ lookup('phoenix.hypervisor.inventory_value', 'phoenix_node') }}"
  tasks:
    - name: Look at it from its node
      phoenix.hypervisor.phoenix_gpu_info:
        ctid: "{{ phoenix_ctid }}"
      delegate_to: "{{ phoenix_node }}"
"""

RETURN = r"""
_list:
  description: The values.
  type: list
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.own_variables import of_host


class LookupModule(LookupBase):
    """Reads through hostvars, where no play's variable stands in the way."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        """Return the values of the named variables."""
        known = variables or {}
        self.set_options(var_options=known, direct=kwargs)
        host = self.get_option("host") or known.get("inventory_hostname")
        if not host or host not in known.get("hostvars", {}):
            raise AnsibleError(f"inventory_value: {host!r} is not a host of the inventory; name one with host=")
        found = of_host(known["hostvars"], host)
        return [self._value(found, str(name), host, "default" in kwargs) for name in terms]

    def _value(self, found: Mapping[str, Any], name: str, host: str, defaulted: bool) -> Any:
        if name in found:
            return found[name]
        if defaulted:
            return self.get_option("default")
        raise AnsibleError(f"inventory_value: host {host} has no variable {name!r} in the inventory")
