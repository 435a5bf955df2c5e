# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Completes phoenix_lxc_state on the controller: configuration, features and application, and who this run is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit.audit_result import INTO_CONTAINERS
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.secret_values import revealed
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.wanted import templates_of, wanted
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.nodes import node_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import lineage, preloading
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.node_action import NodeAction
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted import own_variables

# The process that runs the play loads the action plugins itself, and only a run that acts calls this one.
preloading.preload_values()


def awaited(own: Mapping[str, Any], hostvars: Any) -> dict[str, Any] | None:
    """The layer that another container of this run leaves first, as the observation of the node has it.

    A container with a fault is not touched, so nobody waits for it.
    """
    facts = hostvars.raw_get(str(own.get("phoenix_node"))).get("ansible_facts") or {}
    seen = (facts.get("phoenix_observed") or {}).get(str(own.get("phoenix_ctid"))) or {}
    awaits = seen.get("awaits_layer")
    return None if str((awaits or {}).get("ctid")) in (facts.get("phoenix_faults") or {}) else awaits


def misled(ctid: Any, connection: Any) -> str:
    """What is wrong with the connection of a container that work inside follows for; '' for nothing.

    Whatever outranks the inventory, such as an extra variable, could have the work done on another machine.
    """
    if connection is None or str(connection) in INTO_CONTAINERS:
        return ""
    return (
        f'container {ctid}: ansible_connection is "{connection}", expected "{INTO_CONTAINERS[0]}": what belongs inside '
        "the container would be done on another machine. Remove ansible_connection from the extra variables, from "
        "host_vars and from the vars of plays; that of a node belongs into nodes of the inventory source"
    )


def is_the_end(args: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """Return whether a call was the last one for its container: the end, or one that found nothing due inside."""
    if result.get("failed") or result.get("unreachable"):
        return False
    inside = any(result.get(name) for name in ("due_features", "application_due", "health_due"))
    return bool(args.get("release") or (args.get("enter") and not (result.get("running") and inside)))


def postponed(options: dict[str, Any]) -> dict[str, Any] | None:
    """Take out of the options what comes before the call, and return the result that stands for it; None for nothing.

    C(fault) is why this run can't work on the container. C(first) are files of tasks to include first, the last with
    this call. A task that only decides that would have a process of its own for each container.
    """
    fault, first = str(options.pop("fault", None) or ""), list(options.pop("first", None) or ())
    if fault:
        return {"changed": False, "failed": True, "msg": fault}
    if first:
        return {"changed": False, "skipped": True, "skip_reason": f"first come {', '.join(first)}", "first": first}
    return None


class ActionModule(NodeAction):
    """For a host of the inventory plugin every option may be left out; what the task says wins."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Complete the options and run the module on the node."""
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        options = dict(self._task.args)
        other = postponed(options)
        if other is not None:
            result.update(other)
            return result
        if options.get("enter") or options.get("begin") or options.get("update"):
            wrong = misled(options.get("ctid") or task_vars.get("inventory_hostname"), self._connection_of(task_vars))
            if wrong:
                raise AnsibleActionFail(wrong)
        # A call that begins a feature plans nothing, so it needs nothing of the configuration.
        plans = "config" not in options and (not options.get("begin") or options.get("leave_layer"))
        if plans and task_vars.get("phoenix_config") is not None:
            try:
                in_play = task_vars.get("ansible_play_hosts_all", ()) if self._task.check_mode else ()
                hostvars = task_vars.get("hostvars")
                templates = templates_of(self._templar, hostvars)
                own = own_variables.of_task(task_vars)
                options = {**wanted(own, templates, self._loader, hostvars, in_play), **options}
                awaits = awaited(own, hostvars) if options.get("layers") else None
                if awaits:
                    options.setdefault("awaits_layer", awaits)
            except AnsibleError as error:
                raise AnsibleActionFail(str(error)) from None
        config = options.get("config")
        if isinstance(config, dict) and config.get("root_password") and "root_password" not in options:
            # The option is no_log; the configuration keeps the reference.
            options["root_password"] = revealed(config["root_password"], self._loader, task_vars)
        by_token = node_of(self, task_vars)
        if by_token is None:
            result.update(self.run_on_node(options, task_vars))
        else:
            own_variables.check(task_vars)
            options.pop("awaits_layer", None)
            result.update(by_token.preview(options) if self._task.check_mode else by_token.drive(options))
        if not self._task.check_mode and is_the_end(self._task.args, result):
            # The clones of this container wait for it.
            lineage.end(str(task_vars.get("inventory_hostname", "")), "finished")
        return result

    def _connection_of(self, task_vars: Mapping[str, Any]) -> Any:
        """The connection of the container, of which this very task is delegated to its node."""
        return self._templar.template(task_vars.get("ansible_connection"))
