# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create, destroy and the power state of containers."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from fakepve.lxc import CREATE_ONLY, arch_of, mount_type, ostype_of
from fakepve.model import PveError, TaskError
from fakepve.server import FakePve

from ..lxc import volumes
from . import values as rewrite
from .guests import LabCt
from .values import MOUNT, NET, UNUSED

# PVE waits this long (seconds) for the lock file of a container that it is about to create.
CREATE_LOCK_WAIT = 5


class Lifecycle(FakePve):
    """Part of LabPve."""

    # ----------------------------------------------------------------- create
    async def _lxc_create(self, user: str, v: Any) -> str:
        node, vmid, pool = v['node'], int(v['vmid']), v.get('pool')
        archive = self.file_of(v['ostemplate']) if v.get('restore') else None
        if archive is not None and archive.is_file():
            return await self.restore(user, v, archive)
        self.need_quorum()
        unprivileged = v.get('unprivileged')
        if unprivileged is None:
            unprivileged = 0 if self.pve_version < 9 else 1
        self._check_create_perm(user, vmid, unprivileged, v)
        storage = v.get('storage') or 'local'
        params = {k: x for k, x in v.items() if k not in CREATE_ONLY}
        mounts, conf = self._split_create(storage, params)
        if 'hookscript' in conf:
            self.check_hookscript(conf['hookscript'])
        self._check_modify_perm(user, vmid, pool, None, dict(params, **mounts), [], unprivileged)
        self._check_template(user, v['ostemplate'], False)
        self._check_create_mounts(user, vmid, storage, mounts)
        for key in sorted(conf):
            if rewrite.DEVICE.fullmatch(key):
                self.check_device(key, conf[key])
        ct = await self._reserve(node, vmid)
        conf = {k: rewrite.net(x) if NET.fullmatch(k) else rewrite.stored(k, x) for k, x in conf.items()}
        if unprivileged:
            conf['unprivileged'] = 1
        for key, value in (('hostname', f'CT{vmid}'), ('memory', 512), ('swap', 512)):
            conf.setdefault(key, value)
        conf['ostype'] = v.get('ostype') or await self._ostype(v['ostemplate'])
        conf['arch'] = v.get('arch') or arch_of(v['ostemplate'])

        async def body() -> Any:
            await self._create_steps(ct, conf, mounts, v)
            if pool:
                self._pool_join(pool, vmid)
            return await self._start_steps(ct, user) if v.get('start') else None

        return await self.task(node, 'vzcreate', vmid, user, body, vm=ct)

    async def _ostype(self, template: str) -> str:
        """By the name of the file; of one without the name of a distribution, by its content."""
        kind, path = ostype_of(template), self.file_of(template)
        if kind == 'unmanaged' and path is not None and path.is_file():
            return await asyncio.to_thread(volumes.ostype, str(path))
        return str(kind)

    def _check_create_perm(self, user: str, vmid: int, unprivileged: Any, v: Any) -> None:
        pool = v.get('pool')
        if not unprivileged and self.pve_version >= 9:
            self.require(user, '/', 'Sys.Modify')
        self._check_vmid_unused(vmid)
        if v.get('restore'):
            raise PveError(501, 'lab: POST /nodes/{node}/lxc with restore is simulated for archives that exist')
        if pool and pool not in self.pools:
            raise PveError(403, f"Permission check failed (pool '{pool}' does not exist)")
        if v.get('start'):
            self._vm_perm(user, vmid, pool, 'VM.PowerMgmt')
        if not (
            self.allowed(user, f'/vms/{vmid}', 'VM.Allocate')
            or (pool and self.allowed(user, '/pool/' + pool, 'VM.Allocate'))
        ):
            raise PveError(403, 'Permission check failed')

    async def _reserve(self, node: str, vmid: int) -> LabCt:
        """create_and_lock_config: the container exists, locked, before the task starts."""
        ct = LabCt(vmid, node)
        ct.config = {'lock': 'create'}
        try:
            await self.acquire(ct, 'config', CREATE_LOCK_WAIT)
        except TaskError as e:
            raise PveError(500, str(e)) from e
        try:
            self._check_vmid_unused(vmid)
            self.save(ct)
        finally:
            self.release(ct, 'config')
        return ct

    @staticmethod
    def _split_create(storage: str, params: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
        """(mount points, the rest). A bare number is that many GiB on the default storage."""
        mounts, conf = {}, {}
        for opt, value in params.items():
            if MOUNT.fullmatch(opt):
                bare = re.fullmatch(r'\d+(\.\d+)?', str(value))
                mounts[opt] = f'{storage}:{value}' if bare else str(value)
            elif not UNUSED.fullmatch(opt):
                conf[opt] = value
        return mounts, conf

    def _check_create_mounts(self, user: str, vmid: int, storage: str, mounts: dict[str, str]) -> None:
        if mounts and 'rootfs' not in mounts:
            raise PveError(500, "mount points configured, but 'rootfs' not set - aborting")
        mounts.setdefault('rootfs', f'{storage}:4')
        for value in mounts.values():
            volume = rewrite.volume_of(value)
            if mount_type(volume) == 'volume':
                self._storage_for(volume.split(':')[0], user, vmid)
            elif user != 'root@pam':
                raise PveError(500, 'Only root can pass arbitrary filesystem paths.')

    async def _create_steps(self, ct: LabCt, conf: dict[str, Any], mounts: dict[str, str], v: Any) -> None:
        """What the vzcreate worker does: volumes, template, config. Nothing is left of a failure."""
        made: list[str] = []
        taken = self._used_volumes()
        final = dict(conf)
        try:
            for opt in sorted(mounts, key=lambda key: (key != 'rootfs', key)):
                final[opt], volids = await self.allocate_mount(ct.vmid, opt, mounts[opt], taken)
                made += volids
            if self.volume_exists(v['ostemplate']) is False:
                raise TaskError("volume '{}' does not exist".format(v['ostemplate']))
            await self.pause(self.ct_secs['create'])
            path = self.file_of(v['ostemplate'])
            options = {key: v[key] for key in ('password', 'ssh-public-keys') if v.get(key)}
            await self.backend.create(ct.vmid, final, str(path or v['ostemplate']), options)
        except TaskError as e:
            for volid in made:
                await self.backend.free_volume(volid)
            self._drop(ct)
            raise TaskError(f'unable to create CT {ct.vmid} - {e}') from e
        ct.config = final
        self.save(ct)

    # ---------------------------------------------------------------- destroy
    async def _lxc_destroy(self, user: str, v: Any) -> str:
        ct = self._find_ct(v['node'], v['vmid'])
        vmid = ct.vmid
        running_msg = f'unable to destroy CT {vmid} - container is running'

        def early() -> None:
            self._check_protection(ct, f"can't remove CT {vmid}")
            self._ct_check_lock(ct)

        early()
        if (ct.ha_managed or self.ha_has(vmid)) and not v.get('purge'):
            words = f'unable to remove CT {vmid} - used in HA resources and purge parameter not set.'
            raise PveError(500, words)
        if ct.status == 'running' and not v.get('force'):
            raise PveError(500, running_msg)

        async def body() -> str | None:
            if self.ct(vmid) is not ct:
                raise TaskError(f"Configuration file 'nodes/{ct.node}/lxc/{vmid}.conf' does not exist")
            early()
            if ct.status == 'running':
                if not v.get('force'):
                    raise TaskError(running_msg)
                await self.backend.stop(vmid)
            doomed = dict(ct.config)
            self.check_no_linked(ct)
            await self.pause(self.ct_secs['destroy'])
            await self.backend.destroy(vmid, doomed)
            await self.free_all(ct)
            if v.get('destroy-unreferenced-disks'):
                await self.free_unreferenced(vmid)
            if v.get('purge'):
                self.ha_removed(f'ct:{vmid}')
            self._drop(ct)
            return f'purging CT {vmid} from related configurations..' if v.get('purge') else None

        log = [f'forced to stop CT {vmid} before destroying!'] if ct.status == 'running' else []
        return await self._ct_task(ct, 'vzdestroy', user, body, log=log)

    # ------------------------------------------------------------ power state
    async def _ct_ha(self, ct: LabCt, user: str, state: str, timeout: Any = None) -> str:
        """The task asks the HA manager and ends; that acts ha_delay later (fault: ct.ha_state, None without HA)."""

        async def act() -> None:
            await self.pause(self.ha_delay)
            if ct.ha_state != state:
                return  # somebody has asked for another one since
            if state == 'started':
                await self._start_steps(ct, user)
            else:
                await self._halt(ct, self.shutdown_default_timeout, True)

        async def body() -> None:
            self.ha_asked(ct, state)
            if self.time_scale:
                later = asyncio.ensure_future(act())
                self._running.add(later)
                later.add_done_callback(self._running.discard)
            else:
                await act()

        verb = 'start' if state == 'started' else 'stop'
        log = [f'Requesting HA {verb} for CT {ct.vmid}']
        return await self._ct_task(ct, 'ha' + verb, user, body, lock=False, log=log)

    async def _start_steps(self, ct: LabCt, user: str, skiplock: bool = False) -> list[str] | None:
        """What the vzstart worker does once it holds the lock; the warnings of the start."""
        if ct.template:
            raise TaskError("you can't start a CT if it's a template")
        if not skiplock:
            self._task_lock(ct, allow=('mounted',))
        if ct.pending or ct.deletions:
            await self._apply_pending(ct)
            self.save(ct)
        await self.check_start(ct)
        await self.pause(ct.start_secs)
        if ct.start_error:
            raise TaskError(ct.start_error)
        warnings = await self.backend.start(ct.vmid, dict(ct.config))
        ct.started_at = time.time()
        await self.refresh(ct)
        return warnings

    async def _start_nested(self, ct: LabCt, user: str) -> None:
        """The vzstart that a rollback forks before it ends: it holds the guest's migration lock."""
        ended = ct.start_ended = asyncio.Event()

        async def body() -> list[str] | None:
            try:
                return await self._start_steps(ct, user)
            finally:
                ct.start_ended = None
                ended.set()

        await self._ct_task(ct, 'vzstart', user, body, lock=False)

    async def _migration_lock(self, ct: LabCt) -> None:
        """Take the guest's migration lock, which PVE waits 10 s for."""
        if ct.start_ended is not None:
            try:
                await asyncio.wait_for(ct.start_ended.wait(), 10 * self.time_scale)
            except TimeoutError:
                raise TaskError('Failed to obtain guest migration lock - replication running?') from None

    async def _lxc_start(self, user: str, v: Any) -> str:
        skiplock = self._skiplock(user, v)
        ct = self._here(v)
        if ct is not None and ct.status == 'running':
            raise PveError(500, 'CT {} already running'.format(v['vmid']))
        self.need_quorum()
        if ct is not None and ct.ha_managed:
            return await self._ct_ha(ct, user, 'started')

        async def body() -> list[str] | None:
            here = self._here(v)
            if here is None:
                raise TaskError("Configuration file 'nodes/{}/lxc/{}.conf' does not exist".format(v['node'], v['vmid']))
            if here.status == 'running':
                raise TaskError('CT {} already running'.format(v['vmid']))
            return await self._start_steps(here, user, skiplock)

        return await self.task(v['node'], 'vzstart', v['vmid'], user, body, vm=ct)

    async def _lxc_stop(self, user: str, v: Any) -> str:
        skiplock = self._skiplock(user, v)
        ct = self._here(v)
        self._ct_running(ct, 'CT {} not running'.format(v['vmid']))
        if ct.ha_managed:
            return await self._ct_ha(ct, user, 'stopped')

        async def body() -> None:
            if not skiplock:
                self._task_lock(ct, allow=('mounted',))
            await self.pause(ct.stop_secs)
            await self.backend.stop(ct.vmid)
            await self.refresh(ct)

        return await self._ct_task(ct, 'vzstop', user, body)

    async def _halt(self, ct: LabCt, timeout: float, force: bool) -> None:
        if ct.shutdown_secs > timeout:  # fault: a guest that takes no notice
            await self.pause(timeout)
            if not force:
                raise TaskError('container did not stop')
            await self.backend.stop(ct.vmid)
        else:
            await self.pause(ct.shutdown_secs)
            await self.backend.shutdown(ct.vmid, timeout, force)
        await self.refresh(ct)

    def _timeout(self, v: Any) -> float:
        return self.shutdown_default_timeout if v.get('timeout') is None else v['timeout']

    async def _lxc_shutdown(self, user: str, v: Any) -> str:
        ct = self._here(v)
        self._ct_running(ct, 'CT {} not running'.format(v['vmid']))
        if ct.ha_managed:
            return await self._ct_ha(ct, user, 'stopped')

        async def body() -> None:
            self._task_lock(ct)
            await self._halt(ct, self._timeout(v), bool(v.get('forceStop')))

        return await self._ct_task(ct, 'vzshutdown', user, body)

    async def _lxc_reboot(self, user: str, v: Any) -> str:
        ct = self._here(v)
        self._ct_running(ct, 'VM {} not running'.format(v['vmid']))  # PVE says VM here

        async def body() -> list[str] | None:
            if ct.status != 'running':
                return None
            await self._halt(ct, self._timeout(v), True)
            return await self._start_steps(ct, user, skiplock=True)

        return await self._ct_task(ct, 'vzreboot', user, body)

    async def _lxc_suspend(self, user: str, v: Any) -> str:
        ct = self._here(v)
        self._ct_running(ct, 'CT {} not running'.format(v['vmid']))

        async def body() -> None:
            self._task_lock(ct)
            raise TaskError(f"command 'lxc-checkpoint -n {ct.vmid} -s -D /var/lib/vz/dump' failed: exit code 1")

        return await self._ct_task(ct, 'vzsuspend', user, body)
