# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The LXC configuration of a guest, from its PVE configuration. Pure but for asking which cgroups there are."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakepve.lxc import mount_type, parse_mount, split_props
from fakepve.model import TaskError

from . import volumes
from .guest_files import flag

LXC_ROOT = Path('/var/lib/lxc')
GPU_DRIVER = Path('/run/phoenix-lab/gpu/driver')
UNIFIED = Path('/sys/fs/cgroup/cgroup.controllers').exists()
CPUS = os.cpu_count() or 1


PERSONALITIES = {'i386': 'linux32', 'armhf': 'linux32', 'riscv32': 'linux32'}


def shift_of(config: Mapping[str, Any]) -> int:
    """What is added to the guest's user ids on the node."""
    return volumes.SHIFT if flag(config.get('unprivileged')) else 0


def veth(vmid: int, key: str) -> str:
    """The node's end of a netN, as PVE names it."""
    return f"veth{vmid}i{key.removeprefix('net')}"


def mtu_of(net: Mapping[str, str]) -> str:
    """The MTU of a netN: its own, else its bridge's."""
    own = Path('/sys/class/net', net.get('bridge', ''), 'mtu')
    return net.get('mtu') or (own.read_text().strip() if own.exists() else '1500')


def limits(config: Mapping[str, Any]) -> dict[str, str]:
    """cgroup file to value, in the order in which they must be written when growing."""
    memory = int(config.get('memory') or 512) << 20
    swap = int(config['swap'] if config.get('swap') is not None else 512) << 20
    out: dict[str, str] = {}
    if UNIFIED:
        out['memory.max'], out['memory.swap.max'] = str(memory), str(swap)
    else:
        out['memory.limit_in_bytes'] = str(memory)
        if Path('/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes').exists():
            out['memory.memsw.limit_in_bytes'] = str(memory + swap)
    limit = float(config.get('cpulimit') or 0)
    if UNIFIED:
        out['cpu.max'] = f'{int(limit * 100000)} 100000' if limit else 'max 100000'
        out['cpu.weight'] = str(min(10000, int(config.get('cpuunits') or 100)))
    else:
        out['cpu.cfs_period_us'] = '100000'
        out['cpu.cfs_quota_us'] = str(int(limit * 100000)) if limit else '-1'
        out['cpu.shares'] = str(max(2, int(config.get('cpuunits') or 1024)))
    out['cpuset.cpus'] = f"0-{min(int(config.get('cores') or CPUS), CPUS) - 1}"
    return out


def render(vmid: int, config: Mapping[str, Any]) -> str:
    """The text of /var/lib/lxc/ID/config. Makes the nodes of devN on the way, as PVE does before a start."""
    unprivileged = flag(config.get('unprivileged'))
    features = split_props(config.get('features') or '')[1]
    cgroup = 'cgroup2' if UNIFIED else 'cgroup'
    lines = [
        f'# written at each start from /etc/pve/lxc/{vmid}.conf',
        'lxc.include = /usr/share/lxc/config/common.conf',
    ]
    if unprivileged:
        lines += [
            'lxc.include = /usr/share/lxc/config/userns.conf',
            f'lxc.idmap = u 0 {volumes.SHIFT} {volumes.IDS}',
            f'lxc.idmap = g 0 {volumes.SHIFT} {volumes.IDS}',
        ]
    if flag(features.get('nesting')):
        lines.append('lxc.include = /usr/share/lxc/config/nesting.conf')
    lines += [
        'lxc.apparmor.profile = unconfined',
        'lxc.arch = {}'.format(PERSONALITIES.get(str(config.get('arch')), 'linux64')),
        'lxc.tty.max = {}'.format(config.get('tty', 2)),
        'lxc.environment = TERM=linux',
        'lxc.uts.name = {}'.format(str(config.get('hostname') or f'CT{vmid}').split('.')[0]),
        'lxc.rootfs.path = dir:{}'.format(volumes.path(parse_mount(config['rootfs'])['volume'])),
        # cgroup v1 gives a child no device that its parent lacks; on a real node the kernel is v2.
        f'lxc.{cgroup}.devices.allow = a',
    ]
    if 'console' in config and not flag(config['console']):
        lines.append('lxc.console.path = none')
    if config.get('entrypoint'):
        lines.append('lxc.init.cmd = {}'.format(config['entrypoint']))
    # LXC 6 calls it lxc.environment.runtime.
    lines += [f'lxc.environment = {pair}' for pair in str(config.get('env') or '').split('\0') if pair]
    lines += [f'lxc.{cgroup}.{name} = {value}' for name, value in limits(config).items() if value != '-1']
    for key in sorted((k for k in config if re.fullmatch(r'net\d+', k)), key=lambda k: int(k[3:])):
        lines += _network(vmid, key, split_props(config[key])[1])
    for key in sorted((k for k in config if re.fullmatch(r'mp\d+', k)), key=lambda k: int(k[2:])):
        lines.append(_mount(parse_mount(config[key]), unprivileged))
    for key in sorted((k for k in config if re.fullmatch(r'dev\d+', k)), key=lambda k: int(k[3:])):
        lines.append(device(vmid, config[key], shift_of(config))[0])
    # A kernel's /proc/driver is the same in all of its containers; a simulated driver must be laid there.
    GPU_DRIVER.mkdir(parents=True, exist_ok=True)
    lines.append(f'lxc.mount.entry = {GPU_DRIVER} proc/driver none bind,ro,optional 0 0')
    if flag(features.get('fuse')):
        lines.append('lxc.mount.entry = /dev/fuse dev/fuse none bind,create=file,optional 0 0')
    for name, value in config.get('lxc') or []:
        # Keys for the other cgroup version say nothing to this kernel and would stop the start.
        if not re.match(f"lxc\\.{'cgroup' if UNIFIED else 'cgroup2'}\\.", name):
            lines.append(f'{name} = {value}')
    return '\n'.join(lines) + '\n'


def _network(vmid: int, key: str, net: Mapping[str, str]) -> list[str]:
    prefix = f'lxc.net.{key[3:]}.'
    lines = [
        prefix + 'type = veth',
        prefix + 'veth.pair = ' + veth(vmid, key),
        prefix + 'name = ' + net.get('name', 'eth0'),
        prefix + 'hwaddr = ' + net['hwaddr'],
        prefix + 'mtu = ' + mtu_of(net),
    ]
    if net.get('bridge') and not flag(net.get('link_down')):
        lines.append(prefix + 'link = ' + net['bridge'])
    return lines


def _mount(mount: Mapping[str, str], unprivileged: bool) -> str:
    volume = mount['volume']
    target = mount['mp'].lstrip('/')
    options = 'create=dir' + (',ro' if flag(mount.get('ro')) else '')
    kind = mount_type(volume)
    if kind == 'device':
        return f'lxc.mount.entry = {_escape(volume)} {_escape(target)} auto defaults,{options} 0 0'
    source = Path(volume) if kind == 'bind' else volumes.path(volume)
    if not source.exists():
        raise TaskError(f"directory '{source}' does not exist")
    if kind == 'volume' and unprivileged and source.stat().st_uid == 0:
        os.chown(source, volumes.SHIFT, volumes.SHIFT)
    return f'lxc.mount.entry = {_escape(str(source))} {_escape(target)} none rbind,{options} 0 0'


def device(vmid: int, value: str, shift: int) -> tuple[str, Path, str]:
    """A devN: its LXC line, the node that was made for it, its path in the guest."""
    first, props = split_props(value)
    path = props.get('path') or first or ''
    try:
        found = os.stat(path)
    except OSError:
        raise TaskError(f'Device {path} does not exist') from None
    if not (stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)):
        raise TaskError(f'{path} is not a device')
    made = LXC_ROOT / str(vmid) / 'passthrough' / path.lstrip('/')
    made.parent.mkdir(parents=True, exist_ok=True)
    made.unlink(missing_ok=True)
    os.mknod(made, stat.S_IFMT(found.st_mode) | 0o600, found.st_rdev)
    made.chmod(int(props.get('mode', '0660'), 8))
    os.chown(made, shift + int(props.get('uid', 0)), shift + int(props.get('gid', 0)))
    target = path.lstrip('/')
    return f'lxc.mount.entry = {_escape(str(made))} {_escape(target)} none bind,create=file 0 0', made, target


def _escape(text: str) -> str:
    """fstab(5) spelling of a path."""
    return text.replace('\\', '\\134').replace(' ', '\\040').replace('\t', '\\011')
