# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PVE changes in a running guest: limits, interfaces, new mount points and devices."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakepve.lxc import mount_type, parse_mount, split_props
from fakepve.model import TaskError

from . import cgroups, lxc_config, volumes
from .commands import command
from .guest_files import GuestRoot, flag

# Option to the cgroup files that it decides.
LIMITS = {
    'memory': ('memory.',),
    'swap': ('memory.',),
    'cpulimit': ('cpu.cfs', 'cpu.max'),
    'cpuunits': ('cpu.shares', 'cpu.weight'),
    'cores': ('cpuset.',),
}
# The limits of a running guest, as last written: a single option is applied with its neighbors.
_config: dict[int, dict[str, Any]] = {}


async def settle(vmid: int, config: Mapping[str, Any]) -> None:
    """After a start: remember the config, take links down that are meant to be down."""
    _config[vmid] = dict(config)
    for key in (k for k in config if re.fullmatch(r'net\d+', k)):
        if flag(split_props(config[key])[1].get('link_down')):
            await command('ip', 'link', 'set', lxc_config.veth(vmid, key), 'down', check=False)


async def apply(vmid: int, key: str, old: Any, new: Any, pid: int | None) -> None:
    """One changed option; None is absent."""
    if pid is None:
        return
    config = _config.setdefault(vmid, _running_config(vmid))
    if new is None:
        config.pop(key, None)
    else:
        config[key] = new
    if key in LIMITS:
        await asyncio.to_thread(cgroups.apply, vmid, pid, config, LIMITS[key])
    elif re.fullmatch(r'net\d+', key):
        await _net(vmid, key, old, new, pid)
    elif re.fullmatch(r'mp\d+', key) and new is not None:
        await _mount(vmid, new, pid)
    elif re.fullmatch(r'dev\d+', key) and new is not None:
        await _device(vmid, new, pid, lxc_config.shift_of(config))


def _running_config(vmid: int) -> dict[str, Any]:
    """The limits of a guest that an earlier control plane started, from the file that PVE keeps."""
    from ..containers import conffile

    path = Path(f'/etc/pve/lxc/{vmid}.conf')
    return dict(conffile.parse(path.read_text()).config) if path.exists() else {}


ADDRESS_KEYS = ('ip', 'gw', 'ip6', 'gw6')


async def _net(vmid: int, key: str, old: Any, new: Any, pid: int) -> None:
    """A changed interface: addresses in place, anything else by replugging it, as PVE does."""
    before, after = split_props(old or '')[1], split_props(new or '')[1]
    host_side = lxc_config.veth(vmid, key)
    if after.get('bridge') and not Path('/sys/class/net', after['bridge']).exists():
        raise TaskError("bridge '{}' does not exist".format(after['bridge']))

    def rest(net: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in net.items() if name not in ADDRESS_KEYS}

    if old is None or new is None or rest(before) != rest(after):
        if Path('/sys/class/net', host_side).exists():
            await command('ip', 'link', 'delete', host_side, check=False)
        if new is None:
            return
        await _plug(host_side, after, pid)
        before = {}
    await _addresses(before, after, pid)
    config = _config[vmid]
    root = GuestRoot(volumes.path(parse_mount(config['rootfs'])['volume']), lxc_config.shift_of(config))
    await asyncio.to_thread(root.prepare, config)


async def _plug(host_side: str, net: Mapping[str, str], pid: int) -> None:
    """A veth pair between the bridge and the guest's network namespace."""
    peer, mtu, name = host_side + 'p', lxc_config.mtu_of(net), net.get('name', 'eth0')
    await command(
        'ip',
        'link',
        'add',
        host_side,
        'mtu',
        mtu,
        'type',
        'veth',
        'peer',
        'name',
        peer,
        'mtu',
        mtu,
        'address',
        net['hwaddr'],
    )
    if net.get('bridge'):
        await command('ip', 'link', 'set', host_side, 'master', net['bridge'])
    await command('ip', 'link', 'set', host_side, 'down' if flag(net.get('link_down')) else 'up')
    await command('ip', 'link', 'set', peer, 'netns', str(pid), 'name', name)
    await command('nsenter', '-t', str(pid), '-n', 'ip', 'link', 'set', name, 'up')


async def _addresses(before: Mapping[str, str], after: Mapping[str, str], pid: int) -> None:
    """Static addresses and gateways; dhcp is the guest's own business, at its next start."""
    inside, name = ['nsenter', '-t', str(pid), '-n', 'ip'], after.get('name', 'eth0')
    for address_key, gateway_key in (('ip', 'gw'), ('ip6', 'gw6')):
        old, new, gateway = before.get(address_key, ''), after.get(address_key, ''), after.get(gateway_key)
        if new != old and '/' in old:
            await command(*inside, 'address', 'delete', old, 'dev', name, check=False)
        if new != old and '/' in new:
            await command(*inside, 'address', 'add', new, 'dev', name)
        if gateway and gateway != before.get(gateway_key):
            await command(*inside, 'route', 'replace', 'default', 'via', gateway, 'dev', name, check=False)


async def _mount(vmid: int, value: str, pid: int) -> None:
    mount = parse_mount(value)
    volume = mount['volume']
    source = volume if mount_type(volume) != 'volume' else str(volumes.path(volume))
    if mount_type(volume) == 'volume' and lxc_config.shift_of(_config[vmid]):
        await command('chown', str(volumes.SHIFT) + ':' + str(volumes.SHIFT), source)
    await _bind(vmid, source, mount['mp'], pid, folder=True)


async def _device(vmid: int, value: str, pid: int, shift: int) -> None:
    _line, made, target = lxc_config.device(vmid, value, shift)
    await _bind(vmid, str(made), '/' + target, pid, folder=False)


async def _bind(vmid: int, source: str, target: str, pid: int, folder: bool) -> None:
    """A bind mount into the guest's mount namespace: a detached tree is opened here and attached there."""
    make = 'mkdir -p "$0"' if folder else 'mkdir -p "$(dirname "$0")" && : >> "$0"'
    await command('lxc-attach', '-n', str(vmid), '--clear-env', '--', 'sh', '-c', make, target)
    await asyncio.to_thread(_move, source, target, pid)


def _move(source: str, target: str, pid: int) -> None:
    from .mounts import bind_into

    try:
        bind_into(source, target, pid)
    except OSError as e:
        raise TaskError(f"unable to mount '{source}' at '{target}': {e}") from e
