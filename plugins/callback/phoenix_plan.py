# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan and journal as data: gathers what a run would change or has changed, and writes it to a file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: phoenix_plan
type: notification
short_description: Gather the changes of a run as data
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Gathers what the modules of this collection return of their changes, and the tasks that change a node.
  - At the end of a run with C(phoenix_plan_file) it writes them to that file, a plan in check mode, else a journal.
    The file has one form, which C(plugins/plugin_utils/plan/schemas/phoenix_plan.schema.json) describes.
  - The file is written as a whole, with mode 0600 or C(phoenix_plan_mode).
  - C(phoenix_plan_file) and C(phoenix_fail_on_changes) need this callback. A run with one of them fails at once
    where it is not enabled.
requirements:
  - enabled in the configuration (callbacks_enabled = phoenix.hypervisor.phoenix_plan)
"""

EXAMPLES = r"""
# In ansible.cfg:
#
# [defaults]
# callbacks_enabled = phoenix.hypervisor.phoenix_log, phoenix.hypervisor.phoenix_plan
"""

import typing as t

from ansible import context
from ansible.plugins.callback import CallbackBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit.audit_result import ctid_of, is_of_node
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.plan import gathered as g
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.plan import plan_file, this_run
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.own_variables import is_container

if t.TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult


class CallbackModule(CallbackBase):
    """Turns the results of tasks into entries."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "phoenix.hypervisor.phoenix_plan"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        # Workers are forks of this process, so the tasks at the end of a run see what was gathered.
        self._gathered = this_run.begin(bool(context.CLIARGS.get("check")))

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """A task succeeded."""
        self._take(result, True)

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """A task failed. What it had changed before counts."""
        self._take(result, False)
        if not ignore_errors:
            self._failed(result)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """A host could not be reached."""
        self._failed(result)

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """The run is over. Its last task has written the file too, and failed where it can't be written."""
        path = self._gathered.variables.get("phoenix_plan_file")
        if not path:
            return
        failed = {host for host in stats.processed if stats.failures.get(host) or stats.dark.get(host)}
        try:
            plan_file.write(path, this_run.document(failed), this_run.mode())
        except OSError as error:
            self._display.error(f"{path}: the plan could not be written: {error.strerror or error}")

    def _take(self, result: CallbackTaskResult, succeeded: bool) -> None:
        action, data, host = str(result.task.action), result.result, result.host
        if action == g.CHECKS:
            if succeeded:  # else the run ends here, with nothing to write
                self._gathered.take_checked(data)
            return
        on_container = is_container(host.get_vars())
        own = str(ctid_of(host.name, host.vars.get("phoenix_ctid")) or host.name)
        if action in (g.OBSERVES, g.DRIVES, g.PREPARES, g.RECORDS):
            for item in g.items_of(data):
                if not is_of_node(action, on_container, item):
                    continue
                node = g.delegated_to(item) or host.name
                if action == g.OBSERVES:
                    self._gathered.take_observed(node, item)
                elif action == g.PREPARES:
                    self._gathered.take_prepared(node, item)
                elif action == g.DRIVES:
                    self._gathered.take_driven(str(item.get("ctid") or own), node, item)
                else:
                    self._gathered.take_recorded(str(item.get("ctid") or own), item)
        elif not on_container and data.get("changed") is True and not g.delegated_to(data):
            self._gathered.take_task(host.name, result.task.get_name().strip(), action, data)

    def _failed(self, result: CallbackTaskResult) -> None:
        host = result.host
        self._gathered.take_failure(host.name, is_container(host.get_vars()), result.result)
