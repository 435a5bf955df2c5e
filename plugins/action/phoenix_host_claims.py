# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Completes phoenix_host_claims on the controller: the sections of this run's tags, and the node's containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils import own_variables

# The tag of the role that sets each section.
TAGS = {
    "network": "hypervisor_network",
    "firewall": "hypervisor_firewall",
    "nfs": "hypervisor_shares",
    "samba": "hypervisor_shares",
    "ntp": "hypervisor_base",
    "sysctl": "hypervisor_base",
}
ALL = frozenset(("all", "tagged", "always", "hypervisor"))


class ActionModule(ActionBase):
    """A run limited by tags is judged by the sections that it would touch."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Select, and run the module."""
        variables = task_vars or {}
        result = super().run(tmp, variables)
        arguments = dict(self._task.args)
        sections = arguments.get("sections")
        if isinstance(sections, Mapping):
            run, skipped = (set(variables.get(name) or ()) for name in ("ansible_run_tags", "ansible_skip_tags"))
            arguments["sections"] = {
                key: value
                for key, value in sections.items()
                if (not run or run & ALL or TAGS.get(key) in run) and TAGS.get(key) not in skipped
            }
        arguments.setdefault("ctids", self._ctids(variables))
        module = "phoenix.hypervisor.phoenix_host_claims"
        return {**result, **self._execute_module(module_name=module, module_args=arguments, task_vars=variables)}

    def _ctids(self, variables: Mapping[str, Any]) -> list[int]:
        """The containers that the inventory has on this node, whatever `--limit` leaves of them."""
        node = variables.get("inventory_hostname")
        hostvars = variables.get("hostvars") or {}
        members = (variables.get("groups") or {}).get("containers") or ()
        found = [own_variables.of_host(hostvars, str(name)) for name in members]
        mine = [own for own in found if own.get("phoenix_node") == node and own.get("phoenix_ctid")]
        return sorted(int(own["phoenix_ctid"]) for own in mine)
