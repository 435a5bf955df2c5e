# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only root on the node may ask, over a unix socket: one JSON object a line, one answer a line.

{"op": "ticket", "user": "root@pam"}                          -> {"ticket", "csrf"}
{"op": "call", "method": "PUT", "path": "/nodes/…", "params"} -> {"status", "reason", "body"}, as root@pam
{"op": "wait", "upid": "UPID:…"}                              -> {"exitstatus", "log"}, once the task has ended
{"op": "unlock", "vmid": 950}                                 -> {}: pct unlock
{"op": "fault", "name": "…", …}                               -> {}: see FAULTS; for tests
A refusal is {"error": "…"}.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import aiohttp

from ..pve import LabPve
from .record import SOURCE_HEADER

# name -> what its other keys are. Times are PVE seconds.
FAULTS = {
    'fail': 'method, suffix, and status with message, or error; times: fakepve.fail()',
    'clear': 'forget all of these but lock and hold',
    'lock': 'vmid, lock: leave the config locked, as an interrupted backup does',
    'hold': 'vmid, secs: another process holds the lock file',
    'task_delay': 'type, secs: tasks of this type wait before they work',
    'guest': 'vmid, start_error, shutdown_secs, start_secs, stop_secs',
    'network': 'latency, jitter, drop_rate, hang_rate, seed',
    'quorum': 'lost: true or false',
    'stale': 'secs: rows of /cluster/resources are up to this old',
    'tickets': 'prefix: tickets that PVE::Ticket signs must begin with another one than PVE',
}


class RootSocket:
    """Serves the socket at path, 0600."""

    def __init__(self, pve: LabPve, path: Path) -> None:
        self.pve = pve
        self.path = path
        self._server: asyncio.AbstractServer | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Listen; a socket file that a killed control plane left is replaced."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self.path), limit=1024 * 1024)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        if self._session is not None:
            await self._session.close()
        self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                try:
                    answer = await self.handle(json.loads(line))
                except Exception as e:  # noqa: BLE001 - the caller must hear of it, and the next one be served
                    answer = {'error': f'{type(e).__name__}: {e}'}
                writer.write(json.dumps(answer).encode() + b'\n')
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request."""
        op = getattr(self, '_op_' + str(request.get('op')), None)
        if op is None:
            return {'error': 'unknown op'}
        return await op(request) or {}

    async def _op_ticket(self, request: dict[str, Any]) -> dict[str, Any]:
        ticket, csrf = self.pve.mint_ticket(request.get('user') or 'root@pam')
        return {'ticket': ticket, 'csrf': csrf}

    async def _op_call(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False))
        ticket, csrf = self.pve.mint_ticket('root@pam')
        host = '127.0.0.1' if self.pve.host in ('0.0.0.0', '::', '') else self.pve.host
        method = request['method'].upper()
        params = {k: str(int(v)) if isinstance(v, bool) else str(v) for k, v in (request.get('params') or {}).items()}
        where: dict[str, Any] = {'data': params} if method in ('POST', 'PUT') else {'params': params}
        try:
            async with self._session.request(
                method,
                'https://{}:{}/api2/json{}'.format(host, self.pve.port, request['path']),
                **where,
                headers={'Cookie': 'PVEAuthCookie=' + ticket, 'CSRFPreventionToken': csrf, SOURCE_HEADER: 'cli'},
            ) as response:
                text = await response.text()
                try:
                    body = json.loads(text) if text else None
                except ValueError:
                    body = text
                return {'status': response.status, 'reason': response.reason, 'body': body}
        finally:
            self.pve.tickets.pop(ticket, None)

    async def _op_wait(self, request: dict[str, Any]) -> dict[str, Any]:
        task = self.pve.tasks[request['upid']]
        while task['status'] == 'running':
            await asyncio.sleep(0.02)
        return {'exitstatus': task['exitstatus'], 'log': task['log']}

    async def _op_unlock(self, request: dict[str, Any]) -> dict[str, Any]:
        await self.pve.sync()
        ct = self.pve._find_ct(self.pve.node, request['vmid'])
        await self.pve.acquire(ct, 'unlock')
        try:
            ct.lock = None
            self.pve.save(ct)
        finally:
            self.pve.release(ct, 'unlock')
        return {}

    async def _op_fault(self, request: dict[str, Any]) -> dict[str, Any]:
        args = {k: v for k, v in request.items() if k not in ('op', 'name')}
        if request.get('name') not in FAULTS:
            return {'error': 'unknown fault; known: ' + ', '.join(sorted(FAULTS))}
        await self.pve.sync()
        await getattr(self, '_fault_' + request['name'])(**args)
        return {}

    async def _fault_fail(self, method: str, suffix: str, **how: Any) -> None:
        self.pve.fail(method, suffix, **how)

    async def _fault_clear(self) -> None:
        pve = self.pve
        pve.failures.clear()
        await pve.clear_delays()
        pve.stale_secs, pve.quorate, pve.signed.prefix = 0.0, True, 'PVE'
        pve.network.update(latency=0.0, jitter=0.0, drop_rate=0.0, hang_rate=0.0)
        for ct in pve.cts:
            ct.start_error, ct.start_secs, ct.stop_secs, ct.shutdown_secs = None, 0, 0, 0

    async def _fault_lock(self, vmid: int, lock: str) -> None:
        self.pve.snapshot_lock(vmid, lock)
        self.pve.flush()

    async def _fault_hold(self, vmid: int, secs: float | None = None) -> None:
        await self.pve.hold_config_lock(vmid, secs)

    async def _fault_task_delay(self, type: str, secs: float) -> None:
        self.pve.task_delay[type] = secs

    async def _fault_guest(self, vmid: int, **traits: Any) -> None:
        unknown = set(traits) - {'start_error', 'shutdown_secs', 'start_secs', 'stop_secs'}
        if unknown:
            raise ValueError('unknown key ' + ', '.join(sorted(unknown)))
        for key, value in traits.items():
            setattr(self.pve.ct(vmid), key, value)

    async def _fault_network(self, **conditions: Any) -> None:
        self.pve.network.update(conditions)

    async def _fault_quorum(self, lost: bool) -> None:
        self.pve.quorate = not lost

    async def _fault_stale(self, secs: float) -> None:
        self.pve.stale_secs = secs

    async def _fault_tickets(self, prefix: str) -> None:
        self.pve.signed.prefix = prefix
