# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PVE changes in a running guest: limits, interfaces, new mount points and devices."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, Mapping

from fakepve.lxc import mount_type, parse_mount, split_props
from fakepve.model import TaskError

from . import cgroups, lxc_config, volumes
from .commands import command, output
from .guest_files import GuestRoot, flag

# Option to the cgroup files that it decides.
LIMITS = {'memory': ('memory.',), 'swap': ('memory.',), 'cpulimit': ('cpu.cfs', 'cpu.max'),
          'cpuunits': ('cpu.shares', 'cpu.weight'), 'cores': ('cpuset.',)}
# The limits of a running guest, as last written: a single option is applied with its neighbours.
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
        await asyncio.to_thread(cgroups.apply, vmid, config, LIMITS[key])
    elif re.fullmatch(r'net\d+', key):
        await _net(vmid, key, old, new, pid)
    elif re.fullmatch(r'mp\d+', key) and new is not None:
        await _mount(vmid, new, pid)
    elif re.fullmatch(r'dev\d+', key) and new is not None:
        await _device(vmid, new, pid, lxc_config.shift_of(config))


def _running_config(vmid: int) -> dict[str, Any]:
    """The limits of a guest that an earlier control plane started, from the file that PVE keeps."""
    from . import conffile
    path = Path('/etc/pve/lxc/%d.conf' % vmid)
    return dict(conffile.parse(path.read_text()).config) if path.exists() else {}


async def _net(vmid: int, key: str, old: Any, new: Any, pid: int) -> None:
    """Replug the interface, as PVE does for a change of address, bridge or MAC."""
    host_side = lxc_config.veth(vmid, key)
    if Path('/sys/class/net', host_side).exists():
        await command('ip', 'link', 'delete', host_side, check=False)
    if new is None:
        return
    net = split_props(new)[1]
    if net.get('bridge') and not Path('/sys/class/net', net['bridge']).exists():
        raise TaskError("bridge '%s' does not exist" % net['bridge'])
    peer = host_side + 'p'
    mtu = lxc_config.mtu_of(net)
    await command('ip', 'link', 'add', host_side, 'mtu', mtu, 'type', 'veth', 'peer', 'name', peer, 'mtu', mtu,
                  'address', net['hwaddr'])
    if net.get('bridge'):
        await command('ip', 'link', 'set', host_side, 'master', net['bridge'])
    await command('ip', 'link', 'set', host_side, 'down' if flag(net.get('link_down')) else 'up')
    await command('ip', 'link', 'set', peer, 'netns', str(pid), 'name', net.get('name', 'eth0'))
    inside = ['nsenter', '-t', str(pid), '-n', 'ip']
    name = net.get('name', 'eth0')
    await command(*inside, 'link', 'set', name, 'up')
    for address, gateway in ((net.get('ip'), net.get('gw')), (net.get('ip6'), net.get('gw6'))):
        if address and '/' in address:
            await command(*inside, 'address', 'add', address, 'dev', name)
            if gateway:
                await command(*inside, 'route', 'replace', 'default', 'via', gateway, 'dev', name, check=False)
    config = _config[vmid]
    root = GuestRoot(volumes.path(parse_mount(config['rootfs'])['volume']), lxc_config.shift_of(config))
    await asyncio.to_thread(root.prepare, config)
    if net.get('ip') == 'dhcp':
        # The guest's own client; without one PVE leaves the interface without an address as well.
        await output('lxc-attach', '-n', str(vmid), '--clear-env', '--', 'sh', '-c',
                     'command -v dhclient >/dev/null && dhclient -nw "$0"', name, check=False)


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
        raise TaskError("unable to mount '%s' at '%s': %s" % (source, target, e)) from e
