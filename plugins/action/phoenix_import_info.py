# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a node and its containers: by the module there, by the API for a node that is reached by a token."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.nodes import node_of


class ActionModule(ActionBase):
    """The options are those of the module."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the node."""
        variables = task_vars or {}
        result = super().run(tmp, variables)
        by_token = node_of(self, variables)
        if by_token is None:
            result.update(self._execute_module(task_vars=variables))
            return result
        _spec, args = self.validate_argument_spec({"ctids": {"type": "list", "elements": "int"}})
        result.update(by_token.imported(args["ctids"]))
        return result
