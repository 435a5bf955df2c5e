# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A LabPve of one version on a loopback port, with a backend that runs nothing, and what a step can do to it."""

from __future__ import annotations

import asyncio
import fcntl
import http.client
import json
import os
import re
import ssl
import stat
import threading
import urllib.parse
from pathlib import Path
from typing import Any

from controlplane.lxc.backend import NullBackend
from controlplane.pve import LabPve, local_storage
from fakepve.certs import make_cert

# The storage path that the recorded node had, and the lab's node has.
RECORDED_PATHS = {'local': '/var/lib/vz', 'local-btrfs': '/mnt/btrfs'}
TEMPLATE = 'debian-12-standard_12.11-1_amd64.tar.zst'
# One PVE second in real ones: a 10 s lock time-out takes 50 ms.
TIME_SCALE = 0.005


class Lab:
    """Serves one LabPve on its own event loop; the test talks HTTP to it like any client."""

    def __init__(self, directory: Path, version: int) -> None:
        self.directory = directory
        paths = {sid: directory / sid for sid in RECORDED_PATHS}
        (paths['local'] / 'template/cache').mkdir(parents=True)
        (paths['local'] / 'template/cache' / TEMPLATE).write_bytes(b'template')
        storages = local_storage(str(paths['local']))
        storages['local-btrfs'] = {
            'type': 'btrfs',
            'path': str(paths['local-btrfs']),
            'content': 'rootdir,images',
            'active': 1,
            'files': set(),
        }
        self.backend = NullBackend()
        self.pve = LabPve(
            self.backend,
            directory / 'lxc',
            directory / 'lock',
            pve_version=version,
            storages=storages,
            port=0,
            password='the-password',
            access_log=directory / 'access.log',
            request_log=directory / 'requests.jsonl',
        )
        self.pve.time_scale = TIME_SCALE
        self.pve.device_mode = self._device_mode  # type: ignore[method-assign]  # only here
        self.tokens: dict[str, str] = {}
        self._holders: dict[int, int] = {}
        certfile, keyfile, _der = make_cert(str(directory))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.run(self.pve.start(certfile, keyfile))
        context = ssl.create_default_context(cafile=certfile)
        self._connection = http.client.HTTPSConnection('127.0.0.1', self.pve.port, context=context, timeout=30)

    @staticmethod
    def _device_mode(path: str) -> int:
        """The recorded node's devices, whatever this machine has."""
        if path not in ('/dev/fuse', '/dev/net/tun'):
            raise FileNotFoundError(path)
        return stat.S_IFCHR

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def close(self) -> None:
        """Stop serving."""
        self._connection.close()
        self.run(self.pve.clear_delays())
        self.run(self.pve.settled())
        self.run(self.pve.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # ---------------------------------------------------------------- requests
    def headers(self, who: str) -> dict[str, str]:
        """Credentials: none, ticket (root@pam), nocsrf, a token's name, or a literal token."""
        if who == 'none':
            return {}
        if who in ('root', 'nocsrf'):
            ticket, csrf = self.pve.mint_ticket('root@pam')
            headers = {'Cookie': 'PVEAuthCookie=' + ticket, 'CSRFPreventionToken': csrf}
            if who == 'nocsrf':
                del headers['CSRFPreventionToken']
            return headers
        return {'Authorization': 'PVEAPIToken={}'.format(f'{who}={self.tokens[who]}' if who in self.tokens else who)}

    def request(self, step: dict[str, Any]) -> dict[str, Any]:
        """Send a step's request; the answer with its task, once that has ended."""
        method, path = step['request'][:2]
        params = step['request'][2] if len(step['request']) > 2 else None
        headers, body = self.headers(step.get('as', 'root@pam!ansible')), None
        if 'raw' in step:
            body, headers['Content-Type'] = step['raw'], 'application/json'
        elif params is not None and (method in ('POST', 'PUT') or step.get('form')):
            body, headers['Content-Type'] = urllib.parse.urlencode(params), 'application/x-www-form-urlencoded'
        elif params:
            path += '?' + urllib.parse.urlencode(params)
        self._connection.request(method, '/api2/json' + path, body, headers)
        response = self._connection.getresponse()
        text = self._recorded(response.read().decode())
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
        out = {'status': response.status, 'reason': response.reason, 'text': text, 'body': parsed, 'task': None}
        if not step.get('no_wait'):
            self.run(self.pve.settled())
        upid = parsed.get('data') if isinstance(parsed, dict) else None
        if isinstance(upid, str) and upid.startswith('UPID:') and not step.get('no_wait'):
            task = self.pve.tasks[upid]
            out['task'] = {
                'exitstatus': self._recorded(task['exitstatus']),
                'log': [self._recorded(line) for line in task['log']],
            }
        return out

    def _recorded(self, text: str) -> str:
        for sid, path in RECORDED_PATHS.items():
            text = text.replace(str(self.directory / sid) + '/', path + '/')
        return text

    def conf(self, vmid: str) -> list[str] | None:
        """The lines of a .conf, None when there is none."""
        try:
            return (self.directory / 'lxc' / (vmid + '.conf')).read_text(encoding='utf-8').split('\n')[:-1]
        except FileNotFoundError:
            return None

    # ------------------------------------------------------------ other hands
    def act(self, op: str, *args: Any) -> None:
        """Something that happened on the recorded node between two requests."""
        getattr(self, '_act_' + op)(*args)

    def _act_conf(self, vmid: int, lines: list[str]) -> None:
        self._write(vmid, ''.join(line + '\n' for line in lines))

    def _act_append(self, vmid: int, lines: list[str]) -> None:
        old = (self.directory / f'lxc/{vmid}.conf').read_text(encoding='utf-8')
        self._write(vmid, old + ''.join(line + '\n' for line in lines))

    def _write(self, vmid: int, text: str) -> None:
        target = self.directory / f'lxc/{vmid}.conf'
        temporary = target.with_suffix('.new')
        temporary.write_text(text, encoding='utf-8')
        os.replace(temporary, target)

    def _act_unlock(self, vmid: int) -> None:
        text = (self.directory / f'lxc/{vmid}.conf').read_text(encoding='utf-8')
        self._write(vmid, re.sub(r'^lock: .*\n', '', text, flags=re.MULTILINE))

    def _act_remove(self, vmid: int) -> None:
        (self.directory / f'lxc/{vmid}.conf').unlink()

    def _act_running(self, vmid: int, yes: bool) -> None:
        if yes:
            self.backend.running[vmid] = 3724
        else:
            self.backend.running.pop(vmid, None)

    def _act_fail(self, name: str, vmid: int, key: str | None, message: str) -> None:
        self.backend.failures[(name, vmid, key)] = message

    def _act_mend(self) -> None:
        self.backend.failures.clear()

    def _act_token(self, tokenid: str, privsep: bool) -> None:
        self.tokens[tokenid] = 'e2c4f2b7-0000-4000-8000-000000000000'
        self.pve.add_token(tokenid, self.tokens[tokenid], privsep)

    def _act_grant(self, user: str, path: str, role: str) -> None:
        self.pve.grant_role(user, path, role)

    def _act_slow(self, ttype: str, seconds: float) -> None:
        self.pve.task_delay[ttype] = seconds

    def _act_ended(self, ttype: str) -> None:
        """Wait for the tasks of this type."""

        async def wait() -> None:
            while any(task['type'] == ttype and task['status'] == 'running' for task in self.pve.tasklog):
                await asyncio.sleep(0.001)

        self.run(wait())

    def _act_settle(self) -> None:
        self.run(self.pve.clear_delays())
        self.run(self.pve.settled())

    def _act_hold(self, vmid: int) -> None:
        """Another process takes the lock file."""
        handle = os.open(self.directory / f'lock/pve-config-{vmid}.lock', os.O_RDWR | os.O_CREAT)
        fcntl.flock(handle, fcntl.LOCK_EX)
        self._holders[vmid] = handle

    def _act_unhold(self, vmid: int) -> None:
        os.close(self._holders.pop(vmid))
