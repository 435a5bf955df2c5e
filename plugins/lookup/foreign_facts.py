# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts that containers must not have."""

from __future__ import annotations

DOCUMENTATION = r"""
name: foreign_facts
short_description: Report containers that have set variables of the inventory
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Returns a message for each container whose facts hold more than Ansible's own fact modules find, for instance from
    a cache of facts that an earlier run has filled. Such facts outrank the variables of the inventory.
options:
  _terms:
    description: Inventory names. Hosts that are not containers are left out.
    required: true
    type: list
    elements: str
seealso:
  - plugin: phoenix.hypervisor.inventory_value
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Refuse variables that a container has set
  ansible.builtin.fail:
    msg: "{{ query('phoenix.hypervisor.foreign_facts', *ansible_play_hosts_all) | join('\n') }}"
  when: query('phoenix.hypervisor.foreign_facts', *ansible_play_hosts_all) | length > 0
  run_once: true
"""

RETURN = r"""
_list:
  description: The messages.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.plugins.lookup import LookupBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.own_variables import (
    ForeignFactsError,
    of_host,
)


class LookupModule(LookupBase):
    """Reads through hostvars."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return a message for each container with foreign facts."""
        self.set_options(var_options=variables, direct=kwargs)
        hostvars = (variables or {})["hostvars"]
        messages = []
        for host in terms:
            try:
                of_host(hostvars, str(host))
            except ForeignFactsError as error:
                messages.append(str(error))
        return messages
