# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend that runs guests as real LXC containers on the node.

A guest is the unit pve-container@ID, as on a real node, so it outlives the control plane. Its LXC name is the CTID and
its path the default one: lxc-attach -n 950, lxc-info -n 950 and @/var/lib/lxc/950/command are what they are there.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakepve.lxc import parse_mount
from fakepve.model import TaskError

from . import cgroups, hotplug, lxc_config, volumes
from .backend import Config
from .commands import command, output
from .guest_files import GuestRoot, flag

LOGS = Path('/run/pve')
SNIPPETS = Path('/var/lib/vz/snippets')
SOCKETS = Path('/proc/net/unix')


class LxcBackend:
    """See backend.Backend for what each method must do."""

    def __init__(self) -> None:
        self._pids: dict[int, tuple[str, int]] = {}
        self._sockets: tuple[float, dict[str, str]] = (0.0, {})
        self._cleaner: asyncio.Future[None] | None = None
        LOGS.mkdir(exist_ok=True)

    # ------------------------------------------------------------- life cycle
    async def create(self, vmid: int, config: Config, template_path: str, options: Mapping[str, Any]) -> None:
        def work() -> None:
            root = _root(config)
            volumes.extract(template_path, root, flag(config.get('unprivileged')))
            guest = GuestRoot(root, lxc_config.shift_of(config))
            guest.personalise(options)
            guest.prepare(config)

        await asyncio.to_thread(_with_os_errors, work)

    async def destroy(self, vmid: int, config: Config) -> None:
        await asyncio.to_thread(shutil.rmtree, lxc_config.LXC_ROOT / str(vmid), True)
        (LOGS / (f'ct-{vmid}.log')).unlink(missing_ok=True)
        self._pids.pop(vmid, None)

    async def backup(self, vmid: int, config: Config, text: str, archive: str) -> None:
        def work() -> None:
            volumes.archive(_root(config), archive, text, flag(config.get('unprivileged')))

        await asyncio.to_thread(_with_os_errors, work)

    async def clone(self, src: int, dst: int, src_config: Config, config: Config, snapshot: str | None) -> None:
        def work() -> None:
            for key, old in _volumes(src_config).items():
                if key in config:
                    contents = volumes.snapshot_path(old, snapshot) if snapshot else volumes.path(old)
                    volumes.copy_tree(contents, volumes.path(parse_mount(config[key])['volume']))
            guest = GuestRoot(_root(config), lxc_config.shift_of(config))
            guest.forget_identity()
            guest.prepare(config)

        await asyncio.to_thread(_with_os_errors, work)

    async def to_template(self, vmid: int, old: Config, new: Config) -> None:
        after = _volumes(new)
        for key, volid in _volumes(old).items():
            if after.get(key, volid) != volid:
                volumes.rename(volid, after[key])

    # ------------------------------------------------------------ power state
    async def start(self, vmid: int, config: Config) -> None:
        def write() -> None:
            root = _root(config)
            if not (root / 'etc').is_dir():
                raise TaskError(f"unable to open file '{root}/etc/hostname' - the root file system is empty")
            GuestRoot(root, lxc_config.shift_of(config)).prepare(config)
            folder = lxc_config.LXC_ROOT / str(vmid)
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            (folder / 'config').write_text(lxc_config.render(vmid, config))

        await asyncio.to_thread(_with_os_errors, write)
        await _hook(vmid, config, 'pre-start')
        log = LOGS / (f'ct-{vmid}.log')
        log.write_text('')
        unit = f'pve-container@{vmid}.service'
        await command('systemctl', 'reset-failed', unit, check=False)
        await command('systemctl', 'start', unit)
        deadline = time.monotonic() + 60
        while True:
            state = (await output('lxc-info', '-n', str(vmid), '-s', '-H', check=False)).strip()
            if state == 'RUNNING':
                break
            active = (await output('systemctl', 'show', '-P', 'ActiveState', unit, check=False)).strip()
            if active not in ('active', 'activating') or time.monotonic() > deadline:
                text = log.read_text(errors='replace') if log.exists() else ''
                reasons = [line.split(' - ', 1)[-1] for line in text.splitlines() if ' ERROR ' in line]
                raise TaskError('\n'.join([*reasons[-4:], f"startup for container '{vmid}' failed"]))
            await asyncio.sleep(0.05)
        await hotplug.settle(vmid, config)
        await _hook(vmid, config, 'post-start')

    async def stop(self, vmid: int) -> None:
        if await self.is_running(vmid):
            await command('lxc-stop', '-n', str(vmid), '--kill', check=False)
        await self._gone(vmid)

    async def shutdown(self, vmid: int, timeout: float, force: bool) -> None:
        await command('lxc-stop', '-n', str(vmid), '--nokill', '--timeout', str(max(1, round(timeout))), check=False)
        if await self.is_running(vmid):
            if not force:
                raise TaskError('container did not stop')
            await command('lxc-stop', '-n', str(vmid), '--kill', check=False)
        await self._gone(vmid)

    async def _gone(self, vmid: int) -> None:
        """Until the unit has ended too: a start right after must not meet it."""
        await command('systemctl', 'stop', f'pve-container@{vmid}.service', check=False)
        deadline = time.monotonic() + 20
        while await self.is_running(vmid):
            if time.monotonic() > deadline:
                raise TaskError('container did not stop')
            await asyncio.sleep(0.02)

    async def is_running(self, vmid: int) -> bool:
        return self._socket(vmid) is not None

    async def pid(self, vmid: int) -> int | None:
        inode = self._socket(vmid)
        if inode is None:
            self._pids.pop(vmid, None)
            return None
        known = self._pids.get(vmid)
        # The socket's inode names this run of the monitor; a reboot inside it gives a new init.
        if known and known[0] == inode and Path(f'/proc/{known[1]}').exists():
            return known[1]
        text = (await output('lxc-info', '-n', str(vmid), '-p', '-H', check=False)).strip()
        if not text.isdigit() or int(text) <= 0:
            return None
        self._pids[vmid] = (inode, int(text))
        return int(text)

    def _socket(self, vmid: int) -> str | None:
        """The inode of the guest's command socket, None when there is none; one read serves all guests."""
        now = time.monotonic()
        if now - self._sockets[0] > 0.01:
            rows = (line.split() for line in SOCKETS.read_text().splitlines()[1:])
            self._sockets = (now, {row[7]: row[6] for row in rows if len(row) > 7 and row[7].endswith('/command')})
        return self._sockets[1].get(f'@/var/lib/lxc/{vmid}/command')

    # ---------------------------------------------------------- while it runs
    async def apply_hot(self, vmid: int, key: str, old: Any, new: Any) -> None:
        await hotplug.apply(vmid, key, old, new, await self.pid(vmid))

    async def interfaces(self, vmid: int) -> list[dict[str, Any]] | None:
        pid = await self.pid(vmid)
        if pid is None:
            return None
        text = await output('nsenter', '-t', str(pid), '-n', 'ip', '-j', 'address', check=False)
        return [_interface(link) for link in json.loads(text or '[]')]

    async def usage(self, vmid: int) -> dict[str, Any]:
        return cgroups.usage(await self.pid(vmid))

    # ---------------------------------------------------------------- volumes
    async def alloc_volume(self, vmid: int, volid: str, size: int) -> None:
        await asyncio.to_thread(_with_os_errors, lambda: volumes.alloc(volid))

    async def free_volume(self, volid: str) -> None:
        await asyncio.to_thread(_with_os_errors, lambda: volumes.free(volid))
        self.clean_up()

    def volumes_of(self, storage: str, vmid: int) -> list[str]:
        return volumes.of_guest(storage, vmid)

    def clean_up(self) -> None:
        """Delete freed files, one thread at a time."""
        if self._cleaner is None or self._cleaner.done():
            self._cleaner = asyncio.ensure_future(asyncio.to_thread(volumes.empty_trash))

    async def resize(self, vmid: int, disk: str, volid: str, size: int) -> None:
        if not volumes.path(volid).is_dir():
            raise TaskError(f"disk image '{volumes.path(volid)}' does not exist")

    # -------------------------------------------------------------- snapshots
    async def snapshot(self, vmid: int, name: str, volids: list[str]) -> None:
        for volid in volids:
            await asyncio.to_thread(volumes.copy_tree, volumes.path(volid), volumes.snapshot_path(volid, name))

    async def rollback(self, vmid: int, name: str, volids: list[str]) -> None:
        for volid in volids:
            target = volumes.path(volid)
            await asyncio.to_thread(shutil.rmtree, target)
            await asyncio.to_thread(volumes.copy_tree, volumes.snapshot_path(volid, name), target)

    async def delete_snapshot(self, vmid: int, name: str, volids: list[str]) -> None:
        for volid in volids:
            await asyncio.to_thread(shutil.rmtree, volumes.snapshot_path(volid, name), True)

    # ------------------------------------------------------------------- node
    async def bridge_exists(self, name: str) -> bool:
        return '/' not in name and Path('/sys/class/net', name, 'bridge').is_dir()

    async def bridges(self) -> list[dict[str, Any]]:
        found = []
        for link in json.loads(await output('ip', '-j', '-4', 'address', 'show', 'type', 'bridge')):
            if link.get('ifname'):
                item = {'iface': link['ifname']}
                for address in link.get('addr_info', [])[:1]:
                    item.update(cidr=f"{address['local']}/{address['prefixlen']}", address=address['local'])
                found.append(item)
        return found


def _root(config: Config) -> Path:
    return volumes.path(parse_mount(config['rootfs'])['volume'])


def _volumes(config: Config) -> dict[str, str]:
    """rootfs and mpN that are volumes: key to volume."""
    found = {}
    for key, value in config.items():
        if key == 'rootfs' or (key.startswith('mp') and key[2:].isdigit()):
            volume = parse_mount(value).get('volume', '')
            if not volume.startswith('/'):
                found[key] = volume
    return found


def _with_os_errors(work: Any) -> Any:
    """Run work; an operating system error becomes the task's."""
    try:
        return work()
    except OSError as e:
        raise TaskError(str(e)) from e


def _interface(link: Mapping[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {
        'name': link['ifname'],
        'hwaddr': link.get('address', ''),
        'hardware-address': link.get('address', ''),
        'ip-addresses': [],
    }
    for address in link.get('addr_info', []):
        item['ip-addresses'].append(
            {'ip-address-type': address['family'], 'ip-address': address['local'], 'prefix': str(address['prefixlen'])}
        )
        if address['family'] not in item:
            item[address['family']] = f"{address['local']}/{address['prefixlen']}"
    return item


async def _hook(vmid: int, config: Config, phase: str) -> None:
    """Call the container's hook script, which stops a start when it fails before it."""
    volume = str(config.get('hookscript') or '')
    if not volume:
        return
    try:
        await command(str(SNIPPETS / volume.partition('/')[2]), str(vmid), phase)
    except TaskError as e:
        if phase == 'pre-start':
            raise TaskError(f'hookscript error for {vmid} on {phase}: {e}') from e
