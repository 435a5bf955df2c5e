# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Completes phoenix_feature on the controller: the run, and what a feature's digest was made of."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.node_action import NodeAction


class ActionModule(NodeAction):
    """Runs the module on the node with this run's identity."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module on the node."""
        result = super().run(tmp, task_vars)
        result.update(self.run_on_node(dict(self._task.args), task_vars or {}))
        return result
