# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judges a list of containers to destroy, and asks for the confirmation where a person can give it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import destroying
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import runvariables
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted import own_variables

PATIENCE = 120
"""Seconds that a person has for the answer."""
# What runs playbooks on its own sets these; it may still give them a terminal, as ansible-runner does.
_NOBODY = ("AWX_HOST", "RUNNER_OMIT_EVENTS", "RUNNER_ONLY_FAILED_EVENTS", "CI")
display = Display()


class ActionModule(ActionBase):
    """Runs on the controller alone."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fail with every refusal, or return what goes once it is confirmed."""
        variables = task_vars or {}
        result = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec(
            {
                "ctids": {"type": "list", "elements": "int", "required": True},
                "observed": {"type": "list", "elements": "dict", "required": True},
                "confirmation": {"type": "raw"},
            }
        )
        nodes = {str(item["node_asked"]): item.get("containers") or {} for item in args["observed"]}
        lost = {str(item["node_asked"]): str(item["lost"]) for item in args["observed"] if item.get("lost")}
        targets, refusals = destroying.judge(args["ctids"], nodes, lost, _homes(variables, args["ctids"]))
        result.update(changed=False, containers=[{"node": t.node, "ctid": t.ctid, "text": t.text} for t in targets])
        if refusals:
            lines = "\n".join(refusals)
            return {**result, "failed": True, "refusals": refusals, "msg": f"Nothing is destroyed.\n\n{lines}"}
        if self._task.check_mode:
            return result
        wanted = ",".join(map(str, sorted(args["ctids"])))
        try:
            given = runvariables.value_of("phoenix_destroy_confirm", args["confirmation"])
            if given is None:
                given = runvariables.value_of("phoenix_destroy_confirm", self._ask(wanted, targets), [])
        except (AnsibleError, runvariables.RunVariableError) as error:
            return {**result, "failed": True, "msg": f"Nothing is destroyed: {error}"}
        if given != sorted(args["ctids"]):
            shown = ",".join(map(str, given))
            text = (
                f"Nothing is destroyed: the confirmation '{shown}' is not the exact list '{wanted}'. "
                f"Give it with -e phoenix_destroy_confirm={wanted}"
            )
            return {**result, "failed": True, "msg": text}
        return result

    def _ask(self, wanted: str, targets: list[destroying.Target]) -> str:
        """Ask the person at the terminal. Raises AnsibleError where nobody is, or nobody answers."""
        remedy = f"give the list again with -e phoenix_destroy_confirm={wanted}"
        if any(os.environ.get(name) for name in _NOBODY):
            raise AnsibleError(f"it is not confirmed, and no terminal can ask for it; {remedy}")
        lines = "\n".join(target.text for target in targets)
        prompt = f"\nThese containers and their volumes are destroyed for good:\n{lines}\nType their CTIDs, {wanted}: "
        try:
            answer = display.prompt_until(prompt, seconds=PATIENCE)
        except AnsibleError as error:
            raise AnsibleError(f"it is not confirmed, and no terminal can ask for it ({error}); {remedy}") from None
        return answer.decode("utf-8", "replace").strip()


def _homes(variables: Mapping[str, Any], ctids: list[int]) -> dict[str, str]:
    """The nodes that the inventory names for the containers that it has."""
    hostvars = variables.get("hostvars") or {}
    known = [str(ctid) for ctid in ctids if str(ctid) in hostvars]
    return {ctid: str(own_variables.of_host(hostvars, ctid).get("phoenix_node")) for ctid in known}
