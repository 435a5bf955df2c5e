# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Completes phoenix_host_claims on the controller: the sections of this run's tags, and the node's containers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.declared_roles import of_sections
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.role_declarations import (
    host_roles,
    is_selected,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import packed


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
            run, skipped = (variables.get(name) or () for name in ("ansible_run_tags", "ansible_skip_tags"))
            arguments["sections"] = selected(sections, run, skipped)
        # From the inventory source: in a slice of a job the group of containers has only some of them.
        arguments.setdefault("ctids", list(variables.get("phoenix_node_ctids") or ()))
        module = "phoenix.hypervisor.phoenix_host_claims"
        packed.lay()  # for the roles
        return {**result, **self._execute_module(module_name=module, module_args=arguments, task_vars=variables)}


def selected(sections: Mapping[str, Any], run: Collection[str], skipped: Collection[str]) -> dict[str, Any]:
    """Return the sections that a run with these tags touches. The tag of a role is its name."""
    tags = of_sections(host_roles())
    return {key: value for key, value in sections.items() if is_selected(tags.get(key), run, skipped)}
