# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller side of phoenix_application: fills in what the inventory knows, and carries the script over."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files import secret_values
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import runvariables
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container import application_files as applications
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted import own_variables

_FROM_VARIABLES = {
    "ctid": "phoenix_ctid",
    "container": "phoenix_name",
    "node": "phoenix_node",
    "config": "phoenix_config",
    "environment": "phoenix_application_env",
    "timeout": "phoenix_application_timeout",
}


def _value(variable: str, value: Any) -> Any:
    """A variable of the run in its one form, any other as it is."""
    try:
        return runvariables.value_of(variable, value) if variable in runvariables.BY_NAME else value
    except runvariables.RunVariableError as error:
        raise applications.ApplicationError(str(error)) from None


def without_output(result: dict[str, Any]) -> dict[str, Any]:
    """A failed result, whose message has the end of the output, without printing that a second time."""
    for part, key in (("script", "stdout_tail"), ("health", "output")):
        if isinstance(result.get(part), dict):
            result[part] = {name: value for name, value in result[part].items() if name != key}
    return result


class ActionModule(ActionBase):
    """Runs inside the container over its own connection; nothing here touches the node."""

    TRANSFERS_FILES = True
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result; in check mode without entering the container."""
        variables = task_vars or {}
        super().run(tmp, variables)
        try:
            own = own_variables.of_task(variables)
            args, path = self._arguments(own)
            if self._task.check_mode:
                return {"changed": bool(path), "would_run": os.path.basename(path)}
            if not path and not args.get("health_check"):
                return {"changed": False, "msg": "this container has neither an application script nor a health check"}
            args = secret_values.revealed(args, self._loader, own)
            if path:
                args["name"] = args.get("name") or os.path.basename(path)
                args["script"] = self._deliver(path)
            self._allow_time(args)
            result = self._execute_module(
                module_name="phoenix.hypervisor.phoenix_application", module_args=args, task_vars=variables
            )
            return without_output(result) if result.get("failed") else result
        except applications.ApplicationError as error:
            raise AnsibleActionFail(str(error)) from None
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _arguments(self, variables: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Return the module's arguments without the script, and the script's path here, or an empty text."""
        args = dict(self._task.args)
        for option, variable in _FROM_VARIABLES.items():
            if args.get(option) is None and variables.get(variable) is not None:
                args[option] = _value(variable, self._templar.template(variables[variable]))
        if args.get("health_check") is None:
            args["health_check"] = applications.health_check(args.get("config") or {})
        given = args.pop("script", None)
        names = ("phoenix_application", "phoenix_config")
        known = {name: self._templar.template(variables.get(name)) for name in names}
        known["playbook_dir"] = variables.get("playbook_dir")
        path = applications.script_path(known) if given is None else self._find(str(given))
        return {name: value for name, value in args.items() if value is not None}, path

    def _allow_time(self, args: dict[str, Any]) -> None:
        """Give the command inside the container as long as the module's own time-outs may take together."""
        with contextlib.suppress(ValueError, TypeError, KeyError):  # faulty times are the module's to report
            needed = applications.longest(args)
            if self._connection.get_option("command_timeout") < needed:
                self._connection.set_option("command_timeout", needed)

    def _find(self, name: str) -> str:
        if not name:
            return ""
        try:
            return self._find_needle("files", name)
        except AnsibleError as error:
            raise applications.ApplicationError(str(error)) from None

    def _deliver(self, path: str) -> str:
        """Copy the script into the task's folder in the container and return its path there."""
        content = applications.read_script(path, self._loader)
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, "application_script")
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            self._transfer_file(file.name, remote)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        return remote
