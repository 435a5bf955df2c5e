# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones, templates, grown volumes and snapshots of containers."""

from __future__ import annotations

import re
import time
from typing import Any

from fakepve.lxc import mount_type, parse_mount, parse_size, random_mac, volume_owner
from fakepve.model import PveError, TaskError
from fakepve.server import FakePve

from . import values as rewrite
from .guests import LabCt
from .values import MOUNT, NET, UNUSED

# The words changed during PVE 9.
_FULL_CLONE = {
    8: 'Cannot do full clones on a running container without snapshots',
    9: 'Full clone of a running container is only possible from a snapshot',
}
_NOT_CLONED = ('parent', 'snaptime', 'snapstate', 'template', 'lock')


class Copies(FakePve):
    """Part of LabPve."""

    # ------------------------------------------------------------------ clone
    async def _lxc_clone(self, user: str, v: Any) -> str:
        node, vmid, newid = v['node'], int(v['vmid']), int(v['newid'])
        target, storage = v.get('target'), v.get('storage')
        if target and target not in (node, 'localhost') and target not in self.nodes:
            raise PveError(500, f"no such cluster node '{target}'")
        if v.get('pool') and v['pool'] not in self.pools:
            raise PveError(403, "Permission check failed (pool '{}' does not exist)".format(v['pool']))
        if storage and storage not in self.storages:
            raise PveError(500, f"storage '{storage}' does not exist")
        self.need_quorum()
        src = self._find_ct(node, vmid)
        await self._config_lock(src)
        try:
            await self.sync()
            self._ct_check_lock(src)
            source, full = self._clone_source(src, v)
            self._check_vmid_unused(newid)
            mounts, newconf = self._clone_config(user, src, source, full, v)
            new = LabCt(newid, node)
            new.config = dict(newconf, lock='create')
            src.lock = 'disk'
            self.save(src)
            self.save(new)
            self.copy_firewall(vmid, newid)
        except BaseException:
            self.reload(src)
            raise
        finally:
            self.release(src, 'config')

        async def body() -> None:
            made: list[str] = []
            taken = self._used_volumes()
            final = dict(newconf)
            try:
                await self.pause(self.ct_secs['clone'])
                for opt in sorted(mounts):
                    mount, sid = mounts[opt]
                    gib = 0 if mount['volume'].endswith('.subvol') else 1
                    volid = self._next_volume(newid, sid, gib, taken)
                    await self.backend.alloc_volume(newid, volid, self.mount_size(source[opt]))
                    made.append(volid)
                    name = self._clone_name(mount['volume'], volid, full)
                    final[opt] = rewrite.mount(dict(mount, volume=name), opt == 'rootfs')
                await self.backend.clone(vmid, newid, dict(source), final, v.get('snapname'))
            except TaskError:
                for volid in made:
                    await self.backend.free_volume(volid)
                self._drop(new)
                raise
            else:
                new.config = final
                self.save(new)
                if v.get('pool'):
                    self._pool_join(v['pool'], newid)
            finally:
                if src in self.cts and src.lock == 'disk':
                    src.lock = None
                    self.save(src)

        kind = 'full' if full else 'linked'
        what = 'mountpoint' if full else 'mount point'
        log = [
            'create {} clone of {} {} ({})'.format(kind, what, opt, mounts[opt][0]['volume']) for opt in sorted(mounts)
        ]
        return await self.task(node, 'vzclone', vmid, user, body, vm=new, log=log)

    @staticmethod
    def _clone_name(base: str, volid: str, full: bool) -> str:
        """A linked clone's volume has its base's name before its own."""
        return volid if full else '{}/{}'.format(base, volid.partition(':')[2])

    def _clone_source(self, src: LabCt, v: Any) -> tuple[dict[str, Any], bool]:
        """(the config to copy, whether volumes are copied in full)."""
        snapname = v.get('snapname')
        full = v.get('full')
        full = not src.template if full is None else bool(full)
        if v.get('storage') and not full:
            raise PveError(500, "parameter 'storage' not allowed for linked clones")
        if snapname and snapname not in src.snapshots:
            raise PveError(500, f"snapshot '{snapname}' does not exist")
        return (src.snapshots[snapname] if snapname else src.config), full

    def _clone_config(self, user: str, src: LabCt, source: dict[str, Any], full: bool, v: Any) -> Any:
        """({option: (mount point, storage)}, the rest of the new config)."""
        mounts: dict[str, tuple[dict[str, str], str]] = {}
        newconf: dict[str, Any] = {}
        running = src.status == 'running' and not v.get('snapname')
        for opt in sorted(source):
            value = source[opt]
            if UNUSED.fullmatch(opt) or opt in _NOT_CLONED:
                continue
            if MOUNT.fullmatch(opt):
                mount = parse_mount(value)
                kind = mount_type(mount.get('volume', ''))
                if kind != 'volume':
                    raise PveError(500, f"unable to clone mountpoint '{opt}' (type {kind})")
                sid = v.get('storage') or mount['volume'].split(':')[0]
                if sid not in self.storages:
                    raise PveError(500, f"storage '{sid}' does not exist")
                self.require(user, '/storage/' + sid, 'Datastore.AllocateSpace')
                if full and running:
                    raise PveError(500, _FULL_CLONE[8 if self.pve_version < 9 else 9])
                if not full and not self.can_link(mount['volume']):
                    raise PveError(500, "Linked clone feature for '{}' is not available".format(mount['volume']))
                mounts[opt] = (mount, sid)
            elif NET.fullmatch(opt):
                props = dict(rewrite.net_props(value), hwaddr=random_mac())
                newconf[opt] = rewrite.net(','.join(f'{k}={x}' for k, x in props.items()))
                self._check_bridge(user, newconf[opt])
            else:
                newconf[opt] = value
        for key in ('hostname', 'description'):
            if v.get(key):
                newconf[key] = v[key]
        return mounts, newconf

    # --------------------------------------------------------------- template
    async def _lxc_template(self, user: str, v: Any) -> None:
        """Answers null; the task is found in the task list."""
        ct = self._find_ct(v['node'], v['vmid'])

        def checks() -> None:
            self._ct_check_lock(ct)
            if ct.snapshots:
                raise PveError(500, 'unable to create template, because CT contains snapshots')
            if ct.template:
                raise PveError(500, "you can't convert a template to a template")
            if ct.status == 'running':
                raise PveError(500, "you can't convert a CT to template if the CT is running")

        await self._config_lock(ct)
        try:
            await self.sync()
            checks()
        finally:
            self.release(ct, 'config')

        async def body() -> None:
            checks()
            await self.pause(self.ct_secs['template'])
            old = dict(ct.config)
            new = dict(old, template=1)
            for key, mount in ct.volumes():
                if not UNUSED.fullmatch(key):
                    new[key] = rewrite.mount(dict(mount, volume=self.base_volume(mount['volume'])), key == 'rootfs')
            await self.backend.to_template(ct.vmid, old, new)
            ct.config = new
            self.save(ct)

        await self._ct_task(ct, 'vztemplate', user, body)

    # ------------------------------------------------------------ move volume
    async def _move_volume(self, v: Any, _user: str) -> str:
        ct = self._find_ct(v['node'], v['vmid'])
        self._ct_check_lock(ct)
        if ct.status == 'running':
            raise PveError(500, 'cannot move volumes of a running container')
        raise PveError(501, 'lab: POST /nodes/{node}/lxc/{vmid}/move_volume is not simulated')

    # ----------------------------------------------------------------- resize
    async def _lxc_resize(self, user: str, v: Any) -> str:
        ct = self._find_ct(v['node'], v['vmid'])
        disk, text = v['disk'], str(v['size'])
        request = parse_size(text.lstrip('+'))
        if request is None:
            raise PveError(500, 'invalid size string')
        self._ct_check_lock(ct)
        self._check_modify_perm(
            user, ct.vmid, ct.pool, ct.config, {'disk': disk, 'size': text}, [], ct.config.get('unprivileged')
        )
        if v.get('digest') and v['digest'] != ct.digest():
            raise PveError(500, 'detected modified configuration - file changed by other user? Try again.')

        def plan() -> tuple[dict[str, str], int]:
            if ct.config.get(disk) is None:
                missing = 'property is missing and it is not optional'
                raise PveError(500, 'format error', {'volume': missing, 'mp': missing})
            mount = parse_mount(ct.config[disk])
            if mount_type(mount['volume']) != 'volume':
                raise PveError(500, "unable to parse volume ID '{}'".format(mount['volume']))
            owner = volume_owner(mount['volume'].rpartition('/')[2] or mount['volume'])
            if owner not in (None, ct.vmid):
                raise PveError(500, f"can't resize mount point owned by another container ({owner})")
            self.require(user, '/storage/' + mount['volume'].split(':')[0], 'Datastore.AllocateSpace')
            size = parse_size(mount.get('size', '')) or 0
            new = size + request if text.startswith('+') else request
            if new < size:
                raise PveError(500, 'unable to shrink disk size')
            if new == size:
                raise PveError(500, 'disk is already at specified size')
            return mount, new

        plan()

        async def body() -> None:
            mount, new = plan()
            await self.pause(self.ct_secs['resize'])
            if ct.template and '/base-' in mount['volume']:
                path = '{}/images/{}'.format(
                    self._base_path(mount['volume'].split(':')[0]), mount['volume'].split(':')[1]
                )
                raise TaskError(f"command '/usr/bin/qemu-img resize -f raw {path} {new}' failed: exit code 1")
            await self.backend.resize(ct.vmid, disk, mount['volume'], new)
            ct.config[disk] = rewrite.mount(dict(mount, size=rewrite.size_text(new)), disk == 'rootfs')
            self.save(ct)

        return await self._ct_task(ct, 'resize', user, body)

    # -------------------------------------------------------------- snapshots
    @staticmethod
    def _volids(options: dict[str, Any]) -> list[str]:
        return [rewrite.volume_of(options[k]) for k in sorted(options) if MOUNT.fullmatch(k)]

    async def _lxc_snapshot(self, user: str, v: Any) -> str:
        ct = self._find_ct(v['node'], v['vmid'])
        name = v['snapname']
        if name in ('current', 'vzdump'):
            raise PveError(500, f"unable to use snapshot name '{name}' (reserved name)")
        self.need_quorum()

        async def body() -> None:
            if ct.template:
                raise TaskError("you can't take a snapshot if it's a template")
            self._task_lock(ct)
            if name in ct.snapshots:
                raise TaskError(f"snapshot name '{name}' already used")
            if not self.can_snapshot(ct):
                raise TaskError('snapshot feature is not available')
            snap = {k: x for k, x in ct.config.items() if k != 'description' and not UNUSED.fullmatch(k)}
            snap['snaptime'] = int(time.time())
            if v.get('description'):
                snap['description'] = v['description']
            ct.lock = 'snapshot'
            ct.snapshots[name] = dict(snap, snapstate='prepare')
            self.save(ct)
            try:
                await self.pause(self.ct_secs['snapshot'])
                await self.backend.snapshot(ct.vmid, name, self._volids(snap))
            except TaskError:
                del ct.snapshots[name]
                raise
            else:
                ct.snapshots[name].pop('snapstate')
                ct.config['parent'] = name
            finally:
                ct.lock = None
                self.save(ct)

        return await self._ct_task(ct, 'vzsnapshot', user, body)

    async def _lxc_snapshot_delete(self, user: str, v: Any) -> str:
        ct = self._find_ct(v['node'], v['vmid'])
        name = v['snapname']
        self.need_quorum()

        async def body() -> None:
            if name not in ct.snapshots:
                raise TaskError(f"snapshot '{name}' does not exist")
            await self._migration_lock(ct)
            self._task_lock(ct)
            ct.lock = 'snapshot-delete'
            ct.snapshots[name]['snapstate'] = 'delete'
            self.save(ct)
            try:
                await self.pause(self.ct_secs['delsnapshot'])
                await self.backend.delete_snapshot(ct.vmid, name, self._volids(ct.snapshots[name]))
                parent = ct.snapshots.pop(name).get('parent')
                for other in [*ct.snapshots.values(), ct.config]:
                    if other.get('parent') == name:
                        other.pop('parent')
                        if parent:
                            other['parent'] = parent
            finally:
                ct.lock = None
                self.save(ct)

        return await self._ct_task(ct, 'vzdelsnapshot', user, body)

    async def _lxc_rollback(self, user: str, v: Any) -> str:
        ct = self._find_ct(v['node'], v['vmid'])
        name = v['snapname']
        if v.get('start'):
            self.require(user, f'/vms/{ct.vmid}', 'VM.PowerMgmt')
        self.need_quorum()

        async def body() -> None:
            if ct.template:
                raise TaskError("you can't rollback if vm is a template")
            snap = ct.snapshots.get(name)
            if snap is None:
                raise TaskError(f"snapshot '{name}' does not exist")
            if snap.get('snapstate'):
                raise TaskError('unable to rollback to incomplete snapshot (snapstate = {})'.format(snap['snapstate']))
            self._task_lock(ct)
            ct.lock = 'rollback'
            self.save(ct)
            try:
                if ct.status == 'running':
                    await self.backend.stop(ct.vmid)
                    await self.refresh(ct)
                await self.pause(self.ct_secs['rollback'])
                await self.backend.rollback(ct.vmid, name, self._volids(ct.snapshots[name]))
                keep = {k: x for k, x in ct.config.items() if k == 'description' or re.match('unused', k)}
                config = {
                    k: x for k, x in ct.snapshots[name].items() if k not in ('snapstate', 'snaptime', 'description')
                }
                ct.config = dict(config, **keep, parent=name)
                ct.pending, ct.deletions = {}, set()
            finally:
                ct.lock = None
                self.save(ct)
            if v.get('start'):
                await self._start_nested(ct, user)

        return await self._ct_task(ct, 'vzrollback', user, body)

    async def _lxc_snapshot_config_put(self, user: str, v: Any) -> None:
        await super()._lxc_snapshot_config_put(user, v)
        self.flush()
