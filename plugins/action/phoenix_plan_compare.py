# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compares the plan of a dry run with the journal of a real one."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.plan import plan_document, plan_file


class ActionModule(ActionBase):
    """Runs on the controller alone."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fail with the differences."""
        result = super().run(tmp, task_vars or {})
        spec = {name: {"type": "str", "required": True} for name in ("plan", "journal")}
        _spec, args = self.validate_argument_spec(spec)
        try:
            plan, journal = (plan_file.read(args[name]) for name in ("plan", "journal"))
        except plan_file.PlanFileError as error:
            remedy = "Give the files that a dry run and a real run wrote with phoenix_plan_file."
            raise AnsibleActionFail(f"{error}. {remedy}") from None
        lines = plan_document.differences(plan, journal)
        result.update(changed=False, differences=lines, entries=journal["changes"])
        if lines:
            result.update(failed=True, msg="\n".join(["The journal differs from the plan:", *lines]))
        else:
            result["msg"] = f"The journal has the {journal['changes']} entries of the plan."
        return result
