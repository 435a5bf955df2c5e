# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks: fakepve's, with a log as the recorded node writes it, warnings, and PVE's task list filters."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from fakepve.model import PveError, TaskError
from fakepve.server import USER, FakePve, ok

_UPID = re.compile(r'UPID:[A-Za-z0-9-]+:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:[^:\s]+:[^:\s]*:[^:\s]+:')


class Worker(FakePve):
    """Part of LabPve: task() and the routes under /nodes/{node}/tasks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._running: set[asyncio.Task[None]] = set()
        # Fault: PVE seconds that a task of this type waits before it works, {'vzcreate': 5}.
        self.task_delay: dict[str, float] = {}
        self._delays_over = asyncio.Event()

    async def task(
        self,
        node: str,
        ttype: str,
        tid: Any,
        user: str,
        body: Callable[[], Awaitable[Any]],
        vm: Any = None,
        lock: bool = True,
        log: Any = (),
    ) -> str:
        """Fork a worker: its UPID. body raises TaskError to fail; returns None, a log line, or a list of warnings."""
        upid, pid, start = self._upid(node, ttype, tid, user)
        record = {
            'upid': upid,
            'node': node,
            'pid': pid,
            'pstart': pid * 7,
            'starttime': start,
            'type': ttype,
            'id': str(tid),
            'user': user,
            'status': 'running',
            'log': list(log),
        }
        self.tasks[upid] = record
        self.tasklog.append(record)

        async def run() -> None:
            status, last = 'OK', 'TASK OK'
            try:
                if vm is not None and lock:
                    await self.acquire(vm, upid)
                try:
                    await self._delay(ttype)
                    await self.sync()
                    result = await body()
                finally:
                    if vm is not None and lock:
                        self.release(vm, upid)
                if isinstance(result, str) and result:
                    record['log'].append(result)
                elif isinstance(result, list) and result:
                    record['log'] += ['WARN: ' + line for line in result]
                    status = f'WARNINGS: {len(result)}'
                    last = 'TASK ' + status
            except (TaskError, PveError) as e:
                status = str(e)
                last = 'TASK ERROR: ' + status
            except Exception as e:
                logging.getLogger('controlplane').exception('task %s', upid)
                status = f'lab: {type(e).__name__}: {e}'
                last = 'TASK ERROR: ' + status
            record['log'].append(last)
            record['endtime'] = int(time.time())
            record['exitstatus'] = status
            record['status'] = 'stopped'

        if self.time_scale:
            future = asyncio.ensure_future(run())
            self._running.add(future)
            future.add_done_callback(self._running.discard)
        else:
            await run()
        return upid

    async def _delay(self, ttype: str) -> None:
        seconds = self.task_delay.get(ttype, 0) * self.time_scale
        if seconds:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._delays_over.wait(), seconds)

    async def clear_delays(self) -> None:
        """Forget task_delay; tasks that it holds back go on at once."""
        self.task_delay.clear()
        self._delays_over.set()
        self._delays_over = asyncio.Event()

    async def settled(self) -> None:
        """Wait for all running tasks."""
        while self._running:
            await asyncio.gather(*list(self._running), return_exceptions=True)
            # One that has ended is in the set until its callback ran: a gather of such ones doesn't yield by itself.
            await asyncio.sleep(0)

    def _get_task(self, request: web.Request) -> Any:
        upid = request.match_info['upid']
        if not _UPID.fullmatch(upid):
            raise PveError(400, 'Parameter verification failed.', {'upid': 'unable to parse worker upid'})
        task = self.tasks.get(upid)
        if task is None or task['node'] != request.match_info['node']:
            raise PveError(400, 'Parameter verification failed.', {'upid': 'no such task'})
        user = request[USER]
        if not self._task_owner(user, task):
            self.require(user, '/nodes/' + task['node'], 'Sys.Audit')
        return task

    async def _task_list(self, request: web.Request) -> web.Response:
        """GET tasks: finished ones unless source says otherwise, newest first."""
        node = request.match_info['node']
        user = request[USER]
        p = self._verify(request, await self.read_params(request))
        audit = self.allowed(user, '/nodes/' + node, 'Sys.Audit')
        data = [
            self._task_view(task, True)
            for task in reversed(self.tasklog)
            if task['node'] == node and _wanted(task, p) and (audit or self._task_owner(user, task))
        ]
        start = p.get('start', 0)
        return ok(data[start : start + p.get('limit', 50)])


def _wanted(task: dict[str, Any], p: dict[str, Any]) -> bool:
    """Whether the filters of a task list let a task through."""
    done = task['status'] == 'stopped'
    source = p.get('source') or 'archive'
    return not (
        (source == 'archive' and not done)
        or (source == 'active' and done)
        or (p.get('vmid') is not None and task['id'] != str(p['vmid']))
        or (p.get('typefilter') and task['type'] != p['typefilter'])
        or (p.get('userfilter') and p['userfilter'].lower() not in task['user'].lower())
        or (p.get('since') and task['starttime'] < p['since'])
        or (p.get('until') and task['starttime'] > p['until'])
        or (p.get('errors') and (not done or task['exitstatus'] == 'OK'))
    )
