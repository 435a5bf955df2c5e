# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugins' common way to a module on the node: with this run's identity and its knowledge of dead ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..kept import packed, payloads
from ..untrusted import own_variables
from . import lineage
from .run_identity import run_identity, run_is_alive


class NodeAction(ActionBase):
    """Runs the module of the same name on the node; a lease of an interrupted run on this controller is taken over."""

    def run_on_node(self, options: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Execute the module, once more when an interrupted run's lease was in the way.

        Not for a container whose facts are not its own.
        """
        own_variables.check(task_vars)
        name = self._task.action
        packed.lay()
        arguments = {**options, "run": run_identity()}
        try:
            with payloads.kept(name):
                result: dict[str, Any] = self._execute_module(
                    module_name=name, module_args=arguments, task_vars=task_vars
                )
        except AnsibleConnectionFailure:
            lineage.hint(str(task_vars.get("inventory_hostname", "")))  # for the containers that are cloned from it
            raise
        packed.keep()
        holder = result.get("holder")
        if isinstance(holder, Mapping) and run_is_alive(holder) is False:
            arguments["dead_runs"] = [str(holder.get("id"))]
            result = self._execute_module(module_name=name, module_args=arguments, task_vars=task_vars)
        return result
