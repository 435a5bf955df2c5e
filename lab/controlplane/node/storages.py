# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages and volume names, allocation through the backend, files on directory storages, device nodes."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

from fakepve.lxc import MOUNT_KEY, mount_type, parse_mount, parse_size, to_base
from fakepve.model import PveError, TaskError
from fakepve.server import FakePve

from ..containers import values as rewrite
from ..containers.guests import LabCt

_FILES = {
    'vztmpl': ('template/cache', ('.tar.gz', '.tar.xz', '.tar.zst', '.tar.bz2')),
    'iso': ('template/iso', ('.iso', '.img')),
    'backup': ('dump', ('.tar', '.tar.gz', '.tar.lzo', '.tar.zst')),
    'snippets': ('snippets', ('',)),
}
# Storage types that can snapshot a container volume, or link a clone to it.
_SNAPSHOTS = ('btrfs', 'lvmthin', 'zfspool', 'rbd')


def _of_backup(file: Path) -> dict[str, Any]:
    """What the name of a backup and the file beside it say of it."""
    owner = re.match(r'vzdump-lxc-(\d+)-', file.name)
    notes = file.with_name(f'{file.name}.notes')
    return {
        **({'vmid': int(owner.group(1)), 'subtype': 'lxc'} if owner else {}),
        **({'notes': notes.read_text(encoding='utf-8')} if notes.is_file() else {}),
    }


class Storages(FakePve):
    """Part of LabPve."""

    # ------------------------------------------------------------------ names
    def _next_volume(self, vmid: int, sid: str, gib: float, taken: set[str]) -> str:
        """A free volume id. A size of 0 is a plain directory where the storage has such; both count as one row."""
        numbers = set()
        for volid in taken:
            if volid.startswith(sid + ':'):
                parts = volid.split(':')[1].rsplit('/', 1)[-1].split('.')[0].split('-')
                if len(parts) == 4 and parts[1] == str(vmid) and parts[3].isdigit():
                    numbers.add(int(parts[3]))
        n = next(i for i in range(len(numbers) + 1) if i not in numbers)
        kind = self.storages.get(sid, {}).get('type', 'dir')
        if kind in ('dir', 'nfs', 'cifs', 'btrfs'):
            name = '{0}/vm-{0}-disk-{1}.raw' if gib else '{0}/subvol-{0}-disk-{1}.subvol'
            volid = f'{sid}:{name.format(vmid, n)}'
        else:
            volid = f'{sid}:{self._ct_volume_name(vmid, sid, n)}'
        taken.add(volid)
        return volid

    def _used_volumes(self) -> set[str]:
        out = set()
        for ct in self.cts:
            for cfg in [ct.config, *ct.snapshots.values()]:
                out |= {mount['volume'] for _key, mount in ct.volumes(cfg)}
        return out

    # ------------------------------------------------------------- allocation
    async def allocate_mount(
        self, vmid: int, key: str, value: Any, taken: set[str] | None = None
    ) -> tuple[str, list[str]]:
        """(the config value, [volumes made]) of a rootfs or mpN; STORAGE:GIB makes a new volume."""
        mount = parse_mount(value)
        found = rewrite.NEW_DISK.fullmatch(mount.get('volume', ''))
        made = []
        if found:
            sid, gib = found.group(1), float(found.group(2))
            size = int(gib * 1024) * 1024 * 1024
            taken = self._used_volumes() if taken is None else taken
            taken |= set(self.backend.volumes_of(sid, vmid))
            volid = self._next_volume(vmid, sid, gib, taken)
            await self.backend.alloc_volume(vmid, volid, size)
            made.append(volid)
            mount['volume'] = volid
            mount['size'] = rewrite.size_text(size)
        return rewrite.mount(mount, key == 'rootfs'), made

    def keep_unused(self, ct: LabCt, key: str, value: Any) -> None:
        """Detach a mount point: a volume that nothing else refers to becomes unusedN."""
        volume = rewrite.volume_of(value)
        if mount_type(volume) != 'volume':
            return
        if not any(
            k != key and rewrite.volume_of(cfg[k]) == volume
            for cfg in [ct.config, *ct.snapshots.values()]
            for k in cfg
            if MOUNT_KEY.match(k)
        ):
            ct.config[self._unused_key(ct.config)] = volume

    async def free_unused(self, ct: LabCt, key: str) -> None:
        """Delete the volume of an unusedN, unless a snapshot needs it."""
        volume = rewrite.volume_of(ct.config[key])
        if not any(
            rewrite.volume_of(x) == volume
            for snap in ct.snapshots.values()
            for k, x in snap.items()
            if MOUNT_KEY.match(k)
        ):
            await self.backend.free_volume(volume)

    async def free_all(self, ct: LabCt) -> None:
        """Delete all volumes that belong to the container."""
        for _key, mount in ct.volumes():
            await self.backend.free_volume(mount['volume'])

    async def free_unreferenced(self, vmid: int) -> None:
        """Delete the volumes that only their names tie to the container: what a creation that died left."""
        for sid in self.storages:
            for volid in self.backend.volumes_of(sid, vmid):
                await self.backend.free_volume(volid)

    def can_snapshot(self, ct: LabCt) -> bool:
        """Whether every mount point, unused ones excepted, can be snapshotted."""
        for key in ct.config:
            if MOUNT_KEY.match(key) and not rewrite.UNUSED.fullmatch(key):
                volume = rewrite.volume_of(ct.config[key])
                kind = self.storages.get(volume.split(':')[0], {}).get('type')
                if mount_type(volume) != 'volume' or kind not in _SNAPSHOTS:
                    return False
        return True

    def can_link(self, volid: str) -> bool:
        """Whether a linked clone of this (base) volume can be made."""
        kind = self.storages.get(volid.split(':', maxsplit=1)[0], {}).get('type')
        return kind in _SNAPSHOTS and to_base(volid) == volid

    def check_no_linked(self, ct: LabCt) -> None:
        """A template whose volumes linked clones stand on can't be destroyed.

        Of images in a directory the recorded node destroyed the base nevertheless (pct_session_1, step 26).
        """
        used = self._used_volumes()
        for _key, mount in ct.volumes():
            image = mount['volume'].endswith(('.raw', '.qcow2'))
            if not image and any(volid.startswith(mount['volume'] + '/') for volid in used):
                name = mount['volume'].partition(':')[2]
                raise TaskError(f"base volume '{name}' is still in use by linked cloned")  # PVE's own wording

    def base_volume(self, volid: str) -> str:
        """The name of the volume once its container is a template; a directory's subvol keeps its own."""
        if self.storages.get(volid.split(':', maxsplit=1)[0], {}).get('type', 'dir') == 'dir' and '/subvol-' in volid:
            return volid
        return to_base(volid)

    # --------------------------------------------------------------- the disk
    def file_of(self, volid: str) -> Path | None:
        """The file of a template, ISO, backup or snippet on a directory storage."""
        sid, _colon, name = volid.partition(':')
        kind, _slash, base = name.partition('/')
        store = self.storages.get(sid)
        if store is None or kind not in _FILES or not base or '/' in base or 'path' not in store:
            return None
        return Path(store['path']) / _FILES[kind][0] / base

    def volume_exists(self, volid: str) -> bool | None:
        """Whether a template or backup is there; None for what is no file."""
        path = self.file_of(volid)
        return None if path is None else path.is_file()

    def _volumes(self, name: str) -> dict[str, dict[str, Any]]:
        out = super()._volumes(name)
        store = self.storages[name]
        for content, (folder, endings) in _FILES.items():
            directory = Path(store['path']) / folder if 'path' in store else None
            if directory is None or not directory.is_dir():
                continue
            for entry in sorted(directory.iterdir()):
                if entry.is_file() and entry.name.endswith(endings):
                    info = entry.stat()
                    fmt = next((e for e in endings if e and entry.name.endswith(e)), '').lstrip('.')
                    form = {'vztmpl': fmt.replace('tar.', 't'), 'iso': 'iso', 'backup': fmt}.get(content, 'snippet')
                    out[f'{content}/{entry.name}'] = {
                        'content': content,
                        'format': form,
                        'size': info.st_size,
                        'ctime': int(info.st_ctime),
                        **(_of_backup(entry) if content == 'backup' else {}),
                    }
        return out

    def _item(self, name: str, volname: str, vol: dict[str, Any]) -> dict[str, Any]:
        """A row of the content list; a container volume names its (missing) parent and what it uses."""
        item = super()._item(name, volname, vol)
        if item['content'] in ('rootdir', 'images'):
            item.setdefault('parent', None)
            item.setdefault('used', 0)
        return item

    def _space(self, store: dict[str, Any]) -> tuple[int, int, int]:
        """(total, used, avail) bytes of the file system behind a directory storage."""
        try:
            info = os.statvfs(store['path'])
        except (KeyError, OSError):
            return super()._space(store)
        return (
            info.f_blocks * info.f_frsize,
            (info.f_blocks - info.f_bfree) * info.f_frsize,
            info.f_bavail * info.f_frsize,
        )

    # ----------------------------------------------------------------- checks
    def check_hookscript(self, volid: str) -> None:
        """The script must be there."""
        if not self.volume_exists(volid):
            raise PveError(500, f"script '{volid}' does not exist")

    def check_device(self, opt: str, value: Any) -> None:
        """The path of a devN must be a device of the node."""
        mount = parse_mount(value)
        path = mount.get('path') or mount.get('volume')
        if not path:
            raise PveError(500, f'Path is not defined for passthrough device {opt}')
        try:
            mode = self.device_mode(path)
        except OSError:
            raise PveError(500, f'Device {path} does not exist') from None
        if not stat.S_ISCHR(mode) and not stat.S_ISBLK(mode):
            raise PveError(500, f'{path} is not a device')

    @staticmethod
    def device_mode(path: str) -> int:
        """The file mode of a path on the node; OSError when there is none."""
        return os.stat(path).st_mode

    async def check_start(self, ct: LabCt) -> None:
        """What the node must have before the container can start."""
        for key in sorted(ct.config):
            if rewrite.NET.fullmatch(key):
                bridge = rewrite.net_props(ct.config[key]).get('bridge')
                if bridge and not await self.backend.bridge_exists(bridge):
                    raise TaskError(f"bridge '{bridge}' does not exist")
            elif rewrite.DEVICE.fullmatch(key):
                try:
                    self.check_device(key, ct.config[key])
                except PveError as e:
                    raise TaskError(e.message) from e

    @staticmethod
    def mount_size(value: Any) -> int:
        """Bytes of a mount point from its size=, 0 when unlimited or unknown."""
        return parse_size(parse_mount(value).get('size', '')) or 0
