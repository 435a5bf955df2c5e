# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of a run for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: phoenix_output
type: stdout
short_description: Show a run as one line per container and step
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Prints a line when a step of a container ends, with its seconds, and when a container begins to wait for its clone
    source. At a terminal the last line shows what is under way.
  - A dry run prints the plan of each container in the order of the lineage, with C(--diff) every call.
  - Prints each failure once, at the end. It names the task, the message, the log and the command that resumes.
  - Ends with a table of the containers and the hosts.
  - Tasks that are skipped, included, or that change nothing are not shown. With C(-v) the output is that of
    P(ansible.builtin.default#callback).
  - Control characters of guests are removed, and long messages are shortened.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as stdout callback (stdout_callback = phoenix.hypervisor.phoenix_output)
"""

EXAMPLES = r"""
# In ansible.cfg:
#
# [defaults]
# stdout_callback = phoenix.hypervisor.phoenix_output
"""

import datetime
import os
import time
import typing as t

from ansible import context
from ansible.plugins.callback.default import CallbackModule as Default

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit.audit_file import default_directory
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit.audit_result import is_of_node
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.output import closing, wording
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.output.live_line import LiveLine
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.output.progress import (
    LINEAGE,
    OBSERVE,
    STATE,
    Progress,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.own_variables import is_container

if t.TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

_FAIL = ("fail", "ansible.builtin.fail")
_DEBUG = ("debug", "ansible.builtin.debug")


def _quiet(name: str) -> t.Any:
    """A method of the callback that says something with -v only."""

    def method(self: CallbackModule, *args: t.Any, **kwargs: t.Any) -> None:
        if self._is_plain:
            getattr(Default, name)(self, *args, **kwargs)

    method.__doc__ = "Shown with -v only."
    return method


class CallbackModule(Default):
    """Ansible's own output with -v, lines of steps without it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "phoenix.hypervisor.phoenix_output"

    def __init__(self) -> None:
        super().__init__()
        self._progress = Progress(bool(context.CLIARGS.get("check")), bool(context.CLIARGS.get("diff")))
        self._started = time.monotonic()
        self._live = LiveLine(lambda: self._progress.now_line(time.monotonic()))
        self._is_plain = self._display.verbosity > 0

    # -- Runs and plays ----------------------------------------------------------------------------------------------

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """The run begins."""
        self._is_plain = self._display.verbosity > 0
        if self._is_plain:
            super().v2_playbook_on_start(playbook)
        else:
            self._live.start()

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """A play begins."""
        if self._is_plain:
            super().v2_playbook_on_play_start(play)
            return
        self._play = play
        self._say(self._progress.plan_lines())

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """The run is over."""
        if self._is_plain:
            super().v2_playbook_on_stats(stats)
            return
        self._live.stop()
        self._say(self._progress.plan_lines())
        failed = {host for host in stats.processed if stats.failures.get(host)}
        lost = {host for host in stats.processed if stats.dark.get(host)}
        found = [failure for host, failure in self._progress.failures.items() if host in failed | lost]
        resume = {failure.host: self._resume(failure.host) for failure in found if not failure.of_run}
        self._say(closing.failure_lines(found, self._log(), resume))
        broken = {host for host in failed if not self._is_of_run(host)}
        self._say(closing.table(self._progress, broken, lost, time.monotonic() - self._started))

    # -- Tasks -------------------------------------------------------------------------------------------------------

    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        """A task begins on a host."""
        if self._is_plain:
            super().v2_runner_on_start(host, task)
            return
        variables = host.get_vars()
        name = str(variables.get("phoenix_name") or "") if is_container(variables) else None
        if task.run_once:
            return
        source = ""
        if task.action == LINEAGE and "source" in (task.args or {}):
            source = str((variables.get("phoenix_config") or {}).get("clone_from_ctid") or "")
        self._say(self._progress.began(host.name, name, task.get_name(), time.monotonic(), source))

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """A task succeeded."""
        if self._is_plain:
            super().v2_runner_on_ok(result)
            return
        self._handle_warnings_and_exception(result)
        action, data, host = str(result.task.action), result.result, result.host
        on_container = is_container(host.get_vars())
        own = is_of_node(action, on_container, data) or action == LINEAGE  # which runs on the controller
        if action == OBSERVE:
            self._progress.observed(data.get("results", data))
        if action in _DEBUG and "msg" in data:
            self._progress.tasks.pop(host.name, None)
            self._show(host, result, wording.shown_message(data["msg"]))
            return
        if result.task.run_once:
            return
        self._say(self._progress.ended(host.name, action, data, time.monotonic(), own))

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """A task failed."""
        if self._is_plain:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        if ignore_errors:
            self._progress.tasks.pop(result.host.name, None)
            return
        self._fail(result, by_rescue=str(result.task.action) in _FAIL, of_run=bool(result.task.run_once))

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """A host could not be reached."""
        if self._is_plain:
            super().v2_runner_on_unreachable(result)
            return
        self._fail(result, unreachable=True)

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        """A task was skipped."""
        if self._is_plain:
            super().v2_runner_on_skipped(result)
        else:
            self._progress.tasks.pop(result.host.name, None)

    def v2_on_file_diff(self, result: CallbackTaskResult) -> None:
        """A task shows what it changes."""
        if self._is_plain:
            super().v2_on_file_diff(result)
            return
        if str(result.task.action) == STATE:
            return  # the plan says it
        items = result.result.get("results") if result.task.loop else None
        for item in items if isinstance(items, list) else [result.result]:
            if isinstance(item, dict) and item.get("diff") and item.get("changed"):
                text = self._get_diff(item["diff"])
                if text:
                    head = wording.step_line(self._progress.who(result.host.name), result.task.get_name())
                    self._say([head, *wording.clean(text, 100000).rstrip().splitlines()])

    # -- What only Ansible's own output shows ------------------------------------------------------------------------

    v2_playbook_on_task_start = _quiet("v2_playbook_on_task_start")
    v2_playbook_on_handler_task_start = _quiet("v2_playbook_on_handler_task_start")
    v2_playbook_on_cleanup_task_start = _quiet("v2_playbook_on_cleanup_task_start")
    v2_playbook_on_include = _quiet("v2_playbook_on_include")
    v2_playbook_on_no_hosts_matched = _quiet("v2_playbook_on_no_hosts_matched")
    v2_playbook_on_no_hosts_remaining = _quiet("v2_playbook_on_no_hosts_remaining")
    v2_playbook_on_notify = _quiet("v2_playbook_on_notify")
    v2_runner_item_on_ok = _quiet("v2_runner_item_on_ok")
    v2_runner_item_on_failed = _quiet("v2_runner_item_on_failed")
    v2_runner_item_on_skipped = _quiet("v2_runner_item_on_skipped")
    v2_runner_retry = _quiet("v2_runner_retry")
    v2_runner_on_async_poll = _quiet("v2_runner_on_async_poll")
    v2_runner_on_async_ok = _quiet("v2_runner_on_async_ok")
    v2_runner_on_async_failed = _quiet("v2_runner_on_async_failed")

    # -- Parts -------------------------------------------------------------------------------------------------------

    def _say(self, lines: t.Iterable[str]) -> None:
        with self._live.silenced():
            for line in lines:
                self._display.display(line)

    def _show(self, host: Host, result: CallbackTaskResult, lines: list[str]) -> None:
        who = "" if result.task.run_once else f"{self._progress.who(host.name)}: "
        self._say(f"{who}{line}" for line in lines)

    def _fail(self, result: CallbackTaskResult, **flags: bool) -> None:
        now = time.monotonic()
        self._say(self._progress.failed(result.host.name, result.task.get_name(), result.result, now, **flags))

    def _is_of_run(self, host: str) -> bool:
        failure = self._progress.failures.get(host)
        return failure is not None and failure.of_run

    def _resume(self, host: str) -> str:
        arguments = context.CLIARGS
        given = [path for path in arguments.get("inventory") or () if os.path.exists(path)]
        inventories = [min(os.path.relpath(path), os.path.abspath(path), key=len) for path in given]
        playbooks = list(arguments.get("args") or ())
        return wording.resume_command(playbooks, inventories, host, bool(arguments.get("extra_vars")))

    def _log(self) -> str:
        folder = os.environ.get("PHOENIX_LOG_DIR") or default_directory()
        path = os.path.join(folder, f"orchestrator_{datetime.datetime.now().astimezone():%Y%m%d}.log")
        return path if os.path.exists(path) else ""
