# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observes a node for all containers in play at once, and tells which of them have work to do."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.wanted import templates_of, wanted

NAME = "phoenix.hypervisor.phoenix_lxc_info"
display = Display()


class ActionModule(ActionBase):
    """With C(hosts) (inventory names of containers) the module's C(containers) are made from their variables.

    A node that can't be reached is an answer here, not the end of the task: the other nodes' containers go on, and
    those of the lost one are failed by name.
    """

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once for the node."""
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        options = dict(self._task.args)
        hosts = options.pop("hosts", None)
        if hosts is None:
            result.update(self._execute_module(module_name=NAME, module_args=options, task_vars=task_vars))
            return result
        node = str(self._task.delegate_to)
        mine = [str(host) for host in hosts if str(task_vars["hostvars"][host].get("phoenix_node")) == node]
        due, options["containers"] = [], []
        for host in mine:
            try:
                options["containers"].append(self._wanted(host, mine, task_vars))
            except AnsibleError as error:
                display.error(f"{host}: {error}")
                due.append(host)  # the host's own task fails with the same words
        observed = self._observe(options, task_vars)
        result.update(observed)
        lost = observed.get("lost", "")
        by_ctid = observed.get("containers", {})
        due += [host for host in mine if lost or by_ctid.get(host, {}).get("due")]
        result["ansible_facts"] = {
            "phoenix_due": sorted(set(due), key=mine.index),
            "phoenix_lost": lost,
            "phoenix_observed": by_ctid,
        }
        return result

    def _wanted(self, host: str, in_play: list[str], task_vars: dict[str, Any]) -> dict[str, Any]:
        """One element of ``containers``, from the variables of that host."""
        hostvars = task_vars["hostvars"]
        return wanted(hostvars[host], templates_of(self._templar, hostvars), self._loader, hostvars, in_play)

    def _observe(self, options: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """The module's answer; of a node that can't be observed, why."""
        try:
            answer = self._execute_module(module_name=NAME, module_args=options, task_vars=task_vars)
        except AnsibleConnectionFailure as error:
            return {"changed": False, "lost": str(error)}
        if answer.get("unreachable") or answer.get("failed"):
            return {"changed": False, "lost": str(answer.get("msg", "no answer"))}
        return answer
