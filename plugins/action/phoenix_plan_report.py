# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last task of a run that was asked for its plan, or to fail on changes."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.plan import plan_document, plan_file, this_run


class ActionModule(ActionBase):
    """Runs on the controller alone."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the plan, hand it to AWX as an artifact, and return the text to fail with if that was asked for.

        Ansible drops the artifacts of a task that fails, so another task does that.
        """
        result = super().run(tmp, task_vars or {})
        self.validate_argument_spec({})
        gathered = this_run.gathered()
        if gathered is None:
            result.update(failed=True, msg="the callback phoenix.hypervisor.phoenix_plan is not enabled")
            return result
        document = this_run.document()
        lines = plan_document.changes(document)
        result.update(changed=False, changes=document["changes"], lines=lines, refusal="")
        path = gathered.variables.get("phoenix_plan_file")
        if path:
            result["ansible_stats"] = {"data": {"phoenix_plan": document}, "per_host": False, "aggregate": True}
            try:
                plan_file.write(path, document, this_run.mode())
            except OSError as error:
                msg = f"{path}: the plan could not be written: {error.strerror or error}"
                result.update(failed=True, msg=msg)
                return result
        if lines and gathered.variables.get("phoenix_fail_on_changes"):
            what = "changes are due" if gathered.dry else "changes were made"
            head = f"{document['changes']} {what}, and phoenix_fail_on_changes is set:"
            result.update(refusal="\n".join([head, *lines]))
        return result
