# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables and groups that the operator composes, as Ansible's constructed inventories do.

The groups that the plugin makes are kept as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible.errors import AnsibleError
from ansible.inventory.group import to_safe_group_name
from ansible.plugins.inventory import Constructable

from ..finding import Finding

_SOURCE = "groups that this plugin does not make"


class Composing(Constructable):
    """A part of the inventory plugin."""

    inventory: Any
    get_option: Any

    def construct(self, ctids: Iterable[str], label: str) -> list[Finding]:
        """Add what is composed of the containers' variables. Returns what is wrong with it.

        Args:
            ctids: the containers.
            label: the inventory source in findings.
        """
        compose, groups, keyed = (self.get_option(key) for key in ("compose", "groups", "keyed_groups"))
        if not (compose or groups or keyed):
            return []
        strict = self.get_option("strict")
        before = {name: set(group.hosts) for name, group in self.inventory.groups.items()}
        for ctid in ctids:
            host = self.inventory.get_host(ctid)
            try:
                self._set_composite_vars(compose, host.get_vars(), ctid, strict)
                variables = host.get_vars()
                self._add_host_to_composed_groups(groups, variables, ctid, strict, fetch_hostvars=False)
                self._add_host_to_keyed_groups(keyed, variables, ctid, strict, fetch_hostvars=False)
            except AnsibleError as error:
                remedy = "Correct the expression in compose, groups or keyed_groups, or remove strict."
                got = " ".join(str(error).split())
                return [Finding(label, (), got, "expressions that can be evaluated", remedy)]
        found = []
        for name, hosts in before.items():
            group = self.inventory.groups[name]
            added = sorted({host.name for host in set(group.hosts) - hosts} | {one.name for one in group.child_groups})
            if name not in ("all", "ungrouped") and added:
                remedy = "Give the entry of groups or keyed_groups a prefix of its own."
                found.append(Finding(label, (), f"{', '.join(added)} in group {name}", _SOURCE, remedy))
        return found

    @staticmethod
    def _sanitize_group_name(name: str) -> str:
        """The name of a composed group. Ansible's own setting may leave it as it is."""
        return str(to_safe_group_name(name, force=True, silent=True))
