# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's audit trail: a line for every task result, play and run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: phoenix_log
type: notification
short_description: Write the audit trail orchestrator_YYYYMMDD.log
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Appends a line for every task result, and for the start and the end of every play and run, to a file of the day on
    the controller. Each line has the time, the level, the run, the CTID, the task, its outcome and its seconds.
  - Lines have the format of the trail that the modules write on the node, and the same run id.
  - Arguments and values of results are not written. A failure is written with its message, cut to 300 characters,
    unless C(no_log) hides it.
  - Modules of this collection that run on a node add lines of their own by returning C(phoenix_audit), a list of
    dictionaries with C(event), C(outcome) and optionally C(seconds) and C(ctid). From a container it is ignored.
  - In check mode the outcome of all lines is C(dry-run), with C(changed=would) where a real run would change something.
requirements:
  - enabled in the configuration (callbacks_enabled = phoenix.hypervisor.phoenix_log)
options:
  log_dir:
    description:
      - Directory of the files. It is created with mode 0750 if it is missing, the files have mode 0600.
      - Without a value this is C(/var/log/phoenix_hypervisor) where that can be written, else
        C(~/.local/state/phoenix_hypervisor).
    type: path
    env:
      - name: PHOENIX_LOG_DIR
    ini:
      - section: phoenix_log
        key: log_dir
"""

EXAMPLES = r"""
# In ansible.cfg:
#
# [defaults]
# callbacks_enabled = phoenix.hypervisor.phoenix_log
#
# [phoenix_log]
# log_dir = ./logs
"""

import contextlib
import datetime
import time
import typing as t

from ansible import context
from ansible.plugins.callback import CallbackBase

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.auditline import AuditEvent, format_line
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit.audit_file import append_line, default_directory
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit.audit_result import (
    Entry,
    ctid_of,
    is_of_node,
    module_entries,
    task_entry,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct.pct_warm import program
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import polling
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.preloading import (
    CONTAINERS,
    preload,
    preload_filters,
    preload_for_tasks,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.run_identity import run_identity
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.own_variables import is_container

if t.TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

# From these tasks of a run on, what all have in common is worth being loaded for all of them. A settled fleet has two.
SECOND = 2
THIRD = 3


class CallbackModule(CallbackBase):
    """Turns Ansible's events into lines."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "phoenix.hypervisor.phoenix_log"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        # Computed in the main process, so that all forked workers have it.
        self._run = run_identity()
        self._run_started: float | None = None
        self._play: tuple[str, float] | None = None
        self._task_started: dict[tuple[str, str], float] = {}
        self._directory: str | None = None
        self._gave_up = False
        self._reaches_containers = False
        self._tasks: set[str] = set()

    # -- Runs and plays ----------------------------------------------------------------------------------------------

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """A playbook begins."""
        self._start_run(playbook._file_name)

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """A play begins, which ends the one before it."""
        self._start_run(None)
        self._end_play()
        name = play.get_name().strip() or "unnamed"
        self._play = (name, time.monotonic())
        self._write(Entry(None, f"play {name}", "started"))

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """The run is over."""
        self._end_play()
        totals = {
            "hosts": len(stats.processed),
            "changed": sum(stats.changed.values()),
            "failed": sum(stats.failures.values()),
            "unreachable": sum(stats.dark.values()),
        }
        outcome = "failed" if totals["failed"] or totals["unreachable"] else "ok"
        seconds = None if self._run_started is None else time.monotonic() - self._run_started
        level = "ERROR" if outcome == "failed" else "INFO"
        self._write(Entry(None, "run", outcome, seconds, level, {key: str(value) for key, value in totals.items()}))

    def _start_run(self, playbook: str | None) -> None:
        if self._run_started is not None:
            return
        self._run_started = time.monotonic()
        extras = {"controller": self._run["controller"], "user": self._run["user"], "pid": str(self._run["pid"])}
        if playbook:
            extras["playbook"] = playbook
        self._write(Entry(None, "run", "started", None, "INFO", extras))

    def _end_play(self) -> None:
        if self._play is not None:
            name, started = self._play
            self._write(Entry(None, f"play {name}", "ended", time.monotonic() - started))
            self._play = None

    # -- Tasks -------------------------------------------------------------------------------------------------------

    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        """A task begins on a host."""
        self._task_started[(host.name, task._uuid)] = time.monotonic()
        if not self._reaches_containers and not task.delegate_to and is_container(host.get_vars()):
            # Workers are forked for every task, and each would read the plugin's long option table again (60 ms).
            self._reaches_containers = True
            polling.relax()
            with contextlib.suppress(Exception):
                preload(CONTAINERS)
                program()
        if task._uuid not in self._tasks:
            self._tasks.add(task._uuid)
            if len(self._tasks) == SECOND:
                preload_for_tasks()
            elif len(self._tasks) == THIRD:
                preload_filters()

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """A task succeeded."""
        self._task_done(result, "ok")

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """A task failed."""
        self._task_done(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        """A task was skipped."""
        self._task_done(result, "skipped")

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """A host could not be reached."""
        self._task_done(result, "unreachable")

    def _task_done(self, result: CallbackTaskResult, status: str) -> None:
        host = result.host
        ctid = ctid_of(host.name, host.vars.get("phoenix_ctid"))
        started = self._task_started.pop((host.name, result.task._uuid), None)
        seconds = None if started is None else time.monotonic() - started
        dry_run = bool(result.task.check_mode)
        name = result.task.get_name() or result.task_name
        data = result.result
        on_container, action = is_container(host.get_vars()), result.task.action
        for entry in module_entries(data, ctid, dry_run, lambda source: is_of_node(action, on_container, source)):
            self._write(entry)
        self._write(task_entry(name, host.name, ctid, status, data, seconds, dry_run))

    # -- Writing -----------------------------------------------------------------------------------------------------

    def _write(self, entry: Entry) -> None:
        if self._gave_up:
            return
        now = datetime.datetime.now().astimezone()
        extras = dict(entry.extras)
        outcome = entry.outcome
        if context.CLIARGS.get("check") and outcome != "dry-run":
            # Every line of a dry run says so, those of plays and of tasks that set check_mode to false too.
            extras["result"] = outcome
            outcome = "dry-run"
        event = AuditEvent(
            time=now.isoformat(timespec="milliseconds"),
            level=entry.level,
            run=self._run["id"],
            ctid=entry.ctid,
            event=entry.event,
            outcome=outcome,
            seconds=entry.seconds,
            extras=extras,
        )
        if self._directory is None:
            self._directory = self.get_option("log_dir") or default_directory()
        try:
            append_line(self._directory, f"{now:%Y%m%d}", format_line(event))
        except OSError as error:
            # The work goes on without its trail, and says so once.
            self._gave_up = True
            self._display.warning(f"No audit trail is kept: {error}")
