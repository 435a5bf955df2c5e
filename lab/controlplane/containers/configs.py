# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GET and PUT of a container's config: the checks, then hotplug or the application of pending changes."""

from __future__ import annotations

import json
import re
from typing import Any

from fakepve.lxc import FASTPLUG, HOT_DELETE, mount_type, option_exists, parse_mount
from fakepve.model import PveError, TaskError

from ..node.storages import Storages
from . import values as rewrite
from .guests import LabCt
from .values import DEVICE, MOUNT, NET, NEW_DISK, UNUSED

STALE = 'detected modified configuration - file changed by other user? Try again.'


def bad_param(**fields: str) -> PveError:
    """PVE's 400 with a message per field."""
    return PveError(400, 'Parameter verification failed.', fields)


class PendingError(Exception):
    """This option can't be changed while the container runs: it stays pending."""


class Configs(Storages):
    """Mixin of LabPve."""

    # ------------------------------------------------------------------ views
    async def _lxc_pending(self, user: str, v: Any) -> list[dict[str, Any]]:
        ct = self._find_ct(v['node'], v['vmid'])
        out: list[dict[str, Any]] = []
        for key in sorted((set(ct.config) | set(ct.pending) | ct.deletions) - {'lxc'}):
            item: dict[str, Any] = {'key': key}
            if key in ct.config:
                item['value'] = ct.config[key]
            if key in ct.pending:
                item['pending'] = ct.pending[key]
            if key in ct.deletions:
                item['delete'] = 1
            out.append(item)
        return [*out, {'key': 'digest', 'value': ct.digest()}]

    async def _lxc_config_get(self, user: str, v: Any) -> dict[str, Any]:
        data: dict[str, Any] = await super()._lxc_config_get(user, v)
        if not v.get('current') and not v.get('snapshot'):
            for key in self._find_ct(v['node'], v['vmid']).deletions:
                data.pop(key, None)
        return data

    # -------------------------------------------------------------------- PUT
    async def _lxc_config_put(self, user: str, v: Any) -> None:
        values = {k: x for k, x in v.items() if k not in ('node', 'vmid')}
        digest = values.pop('digest', None)
        if not values:
            raise PveError(500, 'no options specified')
        deletes = rewrite.split_list(values.pop('delete', ''))
        reverts = rewrite.split_list(values.pop('revert', ''))
        self.need_quorum()
        ct = self._find_ct(v['node'], v['vmid'])
        await self._config_lock(ct)
        try:
            await self.sync()
            ct = self._find_ct(v['node'], v['vmid'])
            self._ct_check_lock(ct)
            if digest and digest != ct.digest():
                raise PveError(500, STALE)
            unprivileged = ct.config.get('unprivileged')
            for names in (deletes, reverts):
                self._check_modify_perm(user, ct.vmid, ct.pool, ct.config, {}, names, unprivileged)
            self._check_names(values, deletes, reverts)
            self._check_modify_perm(user, ct.vmid, ct.pool, ct.config, values, [], unprivileged)
            await self._update_config(ct, user, values, deletes, reverts)
        except BaseException:
            self.reload(ct)
            raise
        finally:
            self.release(ct, 'config')

    @staticmethod
    def _check_names(values: Any, deletes: list[str], reverts: list[str]) -> None:
        for opt in reverts:
            if not option_exists(opt) or opt == 'lxc':
                raise bad_param(revert=f"unknown option '{opt}'")
            if opt in values:
                raise bad_param(revert=f"you can't use '-{opt}' and '-revert {opt}' at the same time")
        for opt in deletes:
            if not option_exists(opt) or opt == 'lxc':
                raise bad_param(delete=f"unknown option '{opt}'")
            if opt in values:
                raise bad_param(delete=f"you can't use '-{opt}' and -delete {opt}' at the same time")
            if opt in reverts:
                raise bad_param(delete=f"you can't use '-delete {opt}' and '-revert {opt}' at the same time")

    async def _update_config(self, ct: LabCt, user: str, values: Any, deletes: list[str], reverts: list[str]) -> None:
        """Write the changes to pending, then make a running container take what it can, a stopped one all."""
        pending = ct.pending
        for opt in reverts:
            pending.pop(opt, None)
            ct.deletions.discard(opt)
        modified = set()
        for opt in deletes:
            if opt not in ct.config and pending.get(opt) is None:
                continue  # PVE only warns: cannot delete 'x' - not set in current configuration!
            modified.add(opt)
            if opt in ('memory', 'rootfs', 'ostype'):
                raise PveError(500, f"unable to delete required option '{opt}'")
            if opt == 'unprivileged':
                raise PveError(500, "unable to delete read-only option: 'unprivileged'")
            if UNUSED.fullmatch(opt) or MOUNT.fullmatch(opt):
                self._check_protection(ct, f"can't remove CT {ct.vmid} drive '{opt}'")
            ct.deletions.add(opt)  # a pending value of it stays
        for opt in sorted(values):
            modified.add(opt)
            self._check_value(ct, opt, values[opt])
            pending[opt] = rewrite.stored(opt, values[opt])
            ct.deletions.discard(opt)
        self._cleanup_pending(ct)
        running = ct.status == 'running'
        errors = await (self._hotplug(ct, modified) if running else self._apply_pending(ct, modified))
        if errors:
            raise PveError(400, 'Parameter verification failed.', errors)
        self.save(ct)

    def _check_value(self, ct: LabCt, opt: str, value: Any) -> None:
        if MOUNT.fullmatch(opt):
            self._check_protection(ct, f"can't update CT {ct.vmid} drive '{opt}'")
            volume = rewrite.volume_of(value)
            if mount_type(volume) == 'volume':
                sid = volume.split(':')[0]
                if sid not in self.storages:
                    raise PveError(500, f"storage '{sid}' does not exist")
                if 'rootdir' not in rewrite.split_list(self.storages[sid].get('content')):
                    raise PveError(500, f"storage '{sid}' does not allow content type 'rootdir' (Container)")
        elif opt == 'unprivileged':
            raise PveError(500, "unable to modify read-only option: 'unprivileged'")
        elif opt == 'hookscript':
            self.check_hookscript(value)
        elif DEVICE.fullmatch(opt):
            self.check_device(opt, value)

    def _cleanup_pending(self, ct: LabCt) -> None:
        """Forget pending changes that change nothing."""
        for opt, value in list(ct.pending.items()):
            if opt in ct.config and str(ct.config[opt]) == str(value):
                del ct.pending[opt]
        ct.deletions &= set(ct.config)

    # ---------------------------------------------------------------- running
    async def _hotplug(self, ct: LabCt, modified: set[str]) -> dict[str, str]:
        """What a running container takes at once; {option: error} of what failed.

        ct.config and ct.pending are looked up again each time: a network card that is replaced saves the file.
        """
        errors: dict[str, str] = {}
        for opt in sorted(modified & set(ct.pending)):
            if opt in FASTPLUG:
                old, ct.config[opt] = ct.config.get(opt), ct.pending.pop(opt)
                if opt == 'cores':
                    await self.backend.apply_hot(ct.vmid, opt, old, ct.config[opt])
        for opt in sorted(modified & ct.deletions):
            try:
                await self._unplug(ct, opt)
                ct.config.pop(opt, None)
                ct.deletions.discard(opt)
            except PendingError:
                continue
            except TaskError as e:
                errors[opt] = f'unable to hotplug {opt}: {e}\n'
        for opt in sorted(modified & set(ct.pending)):
            try:
                ct.config[opt] = await self._plug(ct, opt, ct.pending[opt])
                ct.pending.pop(opt)
            except PendingError:
                continue
            except TaskError as e:
                errors[opt] = f'unable to hotplug {opt}: {e}\n'
        return errors

    async def _unplug(self, ct: LabCt, opt: str) -> None:
        if opt in FASTPLUG:
            return
        if UNUSED.fullmatch(opt):
            await self.free_unused(ct, opt)
        elif opt in HOT_DELETE or NET.fullmatch(opt):
            await self.backend.apply_hot(ct.vmid, opt, ct.config.get(opt), None)
        else:
            raise PendingError

    async def _plug(self, ct: LabCt, opt: str, value: Any) -> Any:
        """Give a running container one changed option; the value that the config gets."""
        old = ct.config.get(opt)
        if opt in ('cpulimit', 'cpuunits', 'memory', 'swap'):
            await self.backend.apply_hot(ct.vmid, opt, old, value)
            return value
        if NET.fullmatch(opt):
            return await self._plug_net(ct, opt, old, rewrite.net(value))
        if (MOUNT.fullmatch(opt) or DEVICE.fullmatch(opt)) and old is None and opt != 'rootfs':
            if DEVICE.fullmatch(opt):
                if self.pve_version < 9:
                    raise PendingError
                await self.backend.apply_hot(ct.vmid, opt, None, value)
                return value
            new, made = await self.allocate_mount(ct.vmid, opt, value)
            try:
                await self.backend.apply_hot(ct.vmid, opt, None, new)
            except TaskError:
                for volid in made:
                    await self.backend.free_volume(volid)
                raise
            return new
        raise PendingError

    async def _plug_net(self, ct: LabCt, opt: str, old: Any, new: str) -> str:
        """update_net: a new address or name replaces the interface; PVE takes the old one out, and says so in the
        file, before it looks at the bridge."""
        before, after = rewrite.net_props(old), rewrite.net_props(new)
        if old is not None and any(before.get(k) != after.get(k) for k in ('hwaddr', 'name')):
            ct.config.pop(opt)
            self.save(ct)
            await self.backend.apply_hot(ct.vmid, opt, old, None)
            old = None
        bridge = after.get('bridge')
        if bridge and not await self.backend.bridge_exists(bridge):
            if old is not None and before.get('bridge') != bridge:
                ct.config[opt] = re.sub(r',(bridge|tag|firewall|rate)=[^,]*', '', old)
                self.save(ct)
            raise TaskError(f"bridge '{bridge}' does not exist")
        if old != new:
            await self.backend.apply_hot(ct.vmid, opt, old, new)
        return new

    # ---------------------------------------------------------------- stopped
    async def _apply_pending(self, ct: LabCt, selection: set[str] | None = None) -> dict[str, str]:
        """Move pending changes into the config of a stopped container; {option: error}. The caller saves."""
        errors: dict[str, str] = {}
        cfg, pending = ct.config, ct.pending
        # Deletions first, then the values, which win (PVE facts, 'Pending changes').
        for opt in sorted(ct.deletions if selection is None else ct.deletions & selection):
            if MOUNT.fullmatch(opt) and opt in cfg:
                self.keep_unused(ct, opt, cfg[opt])
            elif UNUSED.fullmatch(opt) and opt in cfg:
                await self.free_unused(ct, opt)
            cfg.pop(opt, None)
            ct.deletions.discard(opt)
        for opt in sorted(pending if selection is None else set(pending) & selection):
            value = pending[opt]
            try:
                if MOUNT.fullmatch(opt) and opt != 'rootfs':
                    value, _made = await self.allocate_mount(ct.vmid, opt, value)
                    if opt in cfg and rewrite.volume_of(cfg[opt]) != rewrite.volume_of(value):
                        self.keep_unused(ct, opt, cfg[opt])
                elif NET.fullmatch(opt):
                    value = rewrite.net(value)
            except (TaskError, PveError) as e:
                errors[opt] = f'unable to apply pending change {opt} : {e}\n'
                continue
            cfg[opt] = value
            pending.pop(opt)
        return errors

    # ----------------------------------------------------------------- checks
    def _check_bridge(self, user: str, net: str) -> None:
        props = rewrite.net_props(net)
        bridge = props.get('bridge')
        if bridge:
            place = f'/sdn/zones/{self._vnets().get(bridge, "localnetwork")}/{bridge}'
            vlans = ';'.join(props[key] for key in ('tag', 'trunks') if props.get(key))
            for where in [f'{place}/{vlan}' for vlan in vlans.split(';')] if vlans else [place]:
                self.require(user, where, 'SDN.Use')

    def _vnets(self) -> dict[str, str]:
        """The virtual networks in force, each with its zone."""
        path = self.access_dir / 'sdn' / '.running-config' if self.access_dir else None
        if path is None or not path.exists():
            return {}
        ids = json.loads(path.read_text()).get('vnets', {}).get('ids', {})
        return {name: entry['zone'] for name, entry in ids.items()}

    @staticmethod
    def new_disk(value: Any) -> tuple[str, float] | None:
        """(storage, GiB) of a volume still to be made, else None."""
        found = NEW_DISK.fullmatch(parse_mount(value).get('volume', ''))
        return (found.group(1), float(found.group(2))) if found else None
