# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action plugin of phoenix_host_look: which roles of a node have something to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.role_declarations import (
    host_roles,
    of_tags,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.secret_values import revealed
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostlooks import RoleLook, looks
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import packed

MODULE = "phoenix.hypervisor.phoenix_host_look"


class ActionModule(ActionBase):
    """Asks the node for the state of all roles at once, then the modules of each role, until one has work."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look. A failure is for the role that comes to it: it says why, and what to do."""
        variables = task_vars or {}
        result = super().run(tmp, variables)
        arguments = self._task.args
        roles = list(arguments.get("roles") or ())
        claims = {"inventory": arguments.get("inventory", "default"), "consent": arguments.get("consent")}
        found = looks(host_roles(), arguments.get("config") or {}, variables, claims)
        found = {name: look for name, look in found.items() if name in of_tags(roles, variables)}
        packed.lay()  # for these modules and the roles
        self._task.check_mode = True  # of this process: the modules only look
        due = {name: look.due for name, look in found.items() if look.due}
        wanted = {name: look.state for name, look in found.items() if look.state and name not in due}
        if wanted:
            answer = self._module(MODULE, {"wanted": wanted}, variables)
            failed = answer.get("failed")
            told = {name: [_why(answer)] for name in wanted} if failed else answer.get("due") or {}
            due.update({name: list(told[name]) for name in wanted if told.get(name)})
        for name, look in found.items():
            reasons = due.get(name) or self._differences(look, variables)
            if reasons:
                due[name] = reasons
                break
        names = list(found)
        before = names[: min((names.index(name) for name in due), default=len(names))]
        settled = [name for name in before if not found[name].apart]
        due = {**{name: found[name].apart for name in before if found[name].apart}, **due}
        return {**result, "changed": False, "due": due, "roles": [name for name in roles if name not in settled]}

    def _differences(self, look: RoleLook, variables: dict[str, Any]) -> list[str]:
        """Return why the first module that has something to do has it; nothing where none has."""
        for name, options in look.modules:
            try:
                answer = self._module(name, revealed(options, self._loader, variables), variables)
            except AnsibleActionFail as error:
                return [f"{name}: {error}"]
            if answer.get("failed") or answer.get("warnings"):
                return [f"{name}: {_why(answer)}"]
            if any(answer.get(key) for key in ("changed", "due", "record_due")):
                return [f"{name} differs"]
        return []

    def _module(self, name: str, options: Mapping[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        return dict(self._execute_module(module_name=name, module_args=dict(options), task_vars=variables))


def _why(answer: Mapping[str, Any]) -> str:
    return str(answer.get("msg") or "a note")
