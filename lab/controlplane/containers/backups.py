# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backs a container up and restores it: its files, and its config, which the archive has at etc/vzdump/pct.conf.

As recorded from a real node, a plain restore keeps MAC addresses; what only root may set comes back for root alone.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from fakepve.lxc import parse_mount, parse_size, random_mac
from fakepve.model import PveError, TaskError
from fakepve.server import FakePve

from . import conffile
from . import values as rewrite
from .guests import LabCt
from .values import MOUNT, NET, UNUSED

CONFIG = './etc/vzdump/pct.conf'
_LEFT_OUT = ('parent', 'template', 'lock', 'digest')
GIB = 1024**3


def _text(archive: Path) -> str:
    """The text of the config in an archive."""
    done = subprocess.run(['tar', '-xOf', str(archive), CONFIG], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TaskError(f"unable to restore '{archive}' - {CONFIG} is not in it: {done.stderr.strip()}")
    return done.stdout


def _saved(archive: Path) -> dict[str, Any]:
    """The config in an archive."""
    return conffile.parse(_text(archive)).config


def _file_name(vmid: int) -> str:
    return time.strftime(f'vzdump-lxc-{vmid}-%Y_%m_%d-%H_%M_%S.tar.zst')


class Backups(FakePve):
    """Part of LabPve."""

    def _routes_labbackups(self) -> list[tuple[str, str, Any]]:
        return [
            ('GET', '/nodes/{node}/vzdump/extractconfig', self._extract_config),
            ('POST', '/nodes/{node}/vzdump', self._vzdump),
        ]

    async def _vzdump(self, v: Any, user: str) -> str:
        """A backup of one container, in mode stop, on a storage or in a folder; its retention is left to PVE."""
        node, vmid, sid = v['node'], int(v['vmid']), v.get('storage') or 'local'
        ct, store = self._find_ct(node, vmid), self.storages.get(sid)
        folder = str(v.get('dumpdir') or '')
        if folder and user != 'root@pam':
            raise PveError(403, "Permission check failed (only root may set 'dumpdir' parameter.)")
        if store is None or 'backup' not in str(store.get('content', '')).split(','):
            raise PveError(400, 'Parameter verification failed.', {'storage': f"storage '{sid}' has no backups"})
        self.require(user, f'/vms/{vmid}', 'VM.Backup')
        self.require(user, f'/storage/{sid}', 'Datastore.AllocateSpace')

        async def body() -> list[str] | None:
            self._task_lock(ct)
            text, config = ct.text.partition('\n[')[0], dict(ct.config)
            name = _file_name(vmid)
            path = Path(folder, name) if folder else self.file_of(f'{sid}:backup/{name}')
            if path is None or v.get('mode') != 'stop':
                raise TaskError('lab: only backups in mode stop are simulated')
            runs = ct.status == 'running'
            if runs:
                await self._halt(ct, 600, True)
            if not folder:
                path.parent.mkdir(parents=True, exist_ok=True)
            try:
                await self.backend.backup(vmid, config, text, str(path))
                if v.get('notes-template'):
                    path.with_name(f'{path.name}.notes').write_text(v['notes-template'], encoding='utf-8')
            finally:
                warnings = await self._start_steps(ct, user) if runs else None
            return warnings

        return await self.task(node, 'vzdump', vmid, user, body, vm=ct)

    async def _content_delete(self, v: Any, user: str) -> Any:
        """The file of a backup goes with its volume."""
        name = str(v['volume'])
        path = self.file_of(name if ':' in name else f'{v["storage"]}:{name}')
        answer = await super()._content_delete(v, user)
        if path is not None and path.parent.name == 'dump':
            path.unlink(missing_ok=True)
            path.with_name(f'{path.name}.notes').unlink(missing_ok=True)
        return answer

    async def _extract_config(self, v: Any, user: str) -> str:
        """The config in a backup. Its owner's VM.Backup and the storage's space are what PVE asks for."""
        volume = str(v.get('volume', ''))
        archive = self.file_of(volume)
        owner = re.search(r':backup/vzdump-lxc-(\d+)-', volume)
        if archive is None or owner is None:
            raise PveError(500, f"unable to parse volume ID '{volume}'")
        self.require(user, '/storage/' + volume.partition(':')[0], 'Datastore.AllocateSpace')
        self.require(user, f'/vms/{owner.group(1)}', 'VM.Backup')
        if not archive.is_file():
            raise PveError(500, f"volume '{volume}' does not exist")
        try:
            return await asyncio.to_thread(_text, archive)
        except TaskError as error:
            raise PveError(500, str(error)) from error

    async def restore(self, user: str, v: Any, archive: Path) -> str:
        """POST /nodes/{node}/lxc with restore, of a CTID that is free, or with force of one that is stopped."""
        node, vmid = v['node'], int(v['vmid'])
        self.need_quorum()
        over = self.ct(vmid) if v.get('force') else None
        if over is None:
            self._check_vmid_unused(vmid)
        else:
            self._check_protection(over, f'unable to restore CT {vmid}')
            if over.status == 'running':
                raise PveError(500, "can't overwrite running container")
        self.require(user, f'/vms/{vmid}', 'VM.Allocate')
        self._check_template(user, v['ostemplate'], True)
        given = {key: str(value) for key, value in v.items() if MOUNT.fullmatch(key)}
        if given:
            self._check_create_mounts(user, vmid, v.get('storage') or 'local', given)
        else:
            self._storage_for(v.get('storage') or 'local', user, vmid)
        self._check_unprivileged(user, v, await asyncio.to_thread(_saved, archive))
        ct = over or await self._reserve(node, vmid)

        async def body() -> Any:
            await self._restore_steps(ct, user, v, archive)
            return await self._start_steps(ct, user) if v.get('start') else None

        return await self.task(node, 'vzrestore', vmid, user, body, vm=ct)

    def _check_unprivileged(self, user: str, v: Any, saved: dict[str, Any]) -> None:
        """PVE 9 asks for more where an unprivileged container is restored as a privileged one."""
        loses = bool(saved.get('unprivileged')) and v.get('unprivileged') == 0
        if self.pve_version >= 9 and loses:
            self.require(user, '/', 'Sys.Modify')

    async def _remove_old(self, ct: LabCt) -> None:
        """What a container is restored over goes before its archive is read."""
        if ct.config.get('lock') == 'create':
            return
        self.check_no_linked(ct)
        await self.backend.destroy(ct.vmid, dict(ct.config))
        await self.free_all(ct)
        ct.snapshots, ct.pending, ct.deletions = {}, {}, set()

    async def _restore_steps(self, ct: LabCt, user: str, v: Any, archive: Path) -> None:
        made: list[str] = []
        try:
            saved = await asyncio.to_thread(_saved, archive)
            final = {key: value for key, value in saved.items() if key not in _LEFT_OUT and not UNUSED.fullmatch(key)}
            if user != 'root@pam':
                final.pop('lxc', None)
            for key in [key for key in final if NET.fullmatch(key) and v.get('unique')]:
                parts = {**rewrite.net_props(final[key]), 'hwaddr': random_mac()}
                final[key] = rewrite.net(','.join(f'{name}={x}' for name, x in parts.items()))
            # What the call has wins over the backup; with one volume in it, no volume of the backup counts.
            given = {key: value for key, value in v.items() if MOUNT.fullmatch(key)}
            if given:
                final = {key: value for key, value in final.items() if not MOUNT.fullmatch(key)}
                for key in sorted(given, key=lambda key: (key != 'rootfs', key)):
                    final[key], volids = await self.allocate_mount(ct.vmid, key, str(given[key]))
                    made += volids
            final.update({key: v[key] for key in ('hostname', 'description') if v.get(key)})
            if v.get('unprivileged') is not None:
                final.pop('unprivileged', None)
                final.update({'unprivileged': 1} if v['unprivileged'] else {})
            for key in [key for key in final if MOUNT.fullmatch(key) and not given]:
                mount = parse_mount(final[key])
                if mount['volume'].startswith('/'):
                    continue
                gib = (parse_size(mount.get('size', '')) or GIB) / GIB
                asked = {**mount, 'volume': f'{v.get("storage") or "local"}:{gib:g}'}
                text = ','.join([asked.pop('volume'), *(f'{name}={x}' for name, x in asked.items() if name != 'size')])
                final[key], volids = await self.allocate_mount(ct.vmid, key, text)
                made += volids
            await self.pause(self.ct_secs['create'])
            await self._remove_old(ct)
            await self.backend.create(ct.vmid, final, str(archive), {})
        except TaskError as error:
            for volid in made:
                await self.backend.free_volume(volid)
            self._drop(ct)
            raise TaskError(f'unable to restore CT {ct.vmid} - {error}') from error
        ct.config = final
        if v.get('pool'):
            self._pool_join(v['pool'], ct.vmid)
        self.save(ct)
