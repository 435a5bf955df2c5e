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

import contextlib
import json
import os
import shutil
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase

# Their action plugins keep what is packed.
OWN = ('phoenix_lxc_info', 'phoenix_preflight')


class CallbackModule(CallbackBase):
    """Appends a line an event, so that a killed run leaves what it had."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'notification'
    CALLBACK_NAME = 'lab_results'
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        # Where Ansible looks for a module that this run has packed already.
        self._packed = os.path.join(constants.DEFAULT_LOCAL_TMP, 'ansiballz_cache')
        self._kept = os.path.join(os.environ['LAB_WARM'], 'modules')
        os.makedirs(self._packed, exist_ok=True)
        for name in os.listdir(self._kept):
            with contextlib.suppress(FileExistsError):
                os.symlink(os.path.join(self._kept, name), os.path.join(self._packed, name))

    def _keep(self) -> None:
        """Leave what was packed for the tests' next run, but for what the collection keeps itself."""
        for name in os.listdir(self._packed):
            path = os.path.join(self._packed, name)
            if os.path.islink(path) or not name.endswith('-none') or any(own in name for own in OWN):
                continue
            new = f'{self._kept}.{os.getpid()}'
            shutil.copyfile(path, new)
            os.replace(new, os.path.join(self._kept, name))

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
        self._keep()
        self._line(status='stats', hosts={host: stats.summarize(host) for host in stats.processed})
