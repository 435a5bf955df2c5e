# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Completes phoenix_feature on the controller: the run, and what a feature's digest was made of."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.nodes import node_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.node_action import NodeAction
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted import own_variables


class ActionModule(NodeAction):
    """Runs the module on the node with this run's identity."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module on the node."""
        result = super().run(tmp, task_vars)
        variables, options = task_vars or {}, dict(self._task.args)
        by_token = node_of(self, variables)
        if by_token is None:
            result.update(self.run_on_node(options, variables))
            return result
        own_variables.check(variables)
        result.update(by_token.operate(options, self._task.check_mode))
        return result
