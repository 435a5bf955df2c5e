# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback for the tests: every task result as one JSON object a line, in the file that LAB_RESULTS names."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lab_results
type: notification
short_description: Task results as JSON lines
description:
  - Writes the results of all tasks and the totals to the file that the environment variable LAB_RESULTS names.
"""

import json
import os
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Appends a line an event, so that a killed run leaves what it had."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'notification'
    CALLBACK_NAME = 'lab_results'
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        # Where Ansible looks for a module that this run has packed already: support/warm keeps those of former runs.
        modules = os.path.join(os.environ['LAB_WARM'], 'modules')
        os.symlink(modules, os.path.join(constants.DEFAULT_LOCAL_TMP, 'ansiballz_cache'))

    def _line(self, **values: object) -> None:
        with open(os.environ['LAB_RESULTS'], 'a', encoding='utf-8') as out:
            out.write(json.dumps(values, default=str) + '\n')

    def _result(self, status: str, result: Any) -> None:
        task = result.task
        self._line(
            status=status, host=result.host.name, task=task.get_name().strip(), action=task.action, result=result.result
        )

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result('ok', result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result('failed', result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result('skipped', result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result('unreachable', result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._line(status='stats', hosts={host: stats.summarize(host) for host in stats.processed})
