# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How PVE rewrites the values that it is sent. Pure; the facts are those of the recorded node."""

from __future__ import annotations

import re
from typing import Any

from fakepve.lxc import SIZE_UNITS, parse_mount, parse_size, random_mac, split_props
from fakepve.schema import parse_boolean

NET = re.compile(r'net\d+')
MOUNT = re.compile(r'(rootfs|mp\d+)')
DEVICE = re.compile(r'dev\d+')
UNUSED = re.compile(r'unused\d+')
NEW_DISK = re.compile(r'([^:\s]+):(\d+(?:\.\d+)?)')
_NET_FLAGS = ('firewall', 'link_down', 'host-managed')
_MOUNT_FLAGS = ('acl', 'backup', 'quota', 'replicate', 'ro', 'shared', 'keepattrs')


def split_list(text: Any) -> list[str]:
    """Items separated by commas, semicolons, blanks or NUL."""
    return [item for item in re.split(r'[\s,;\0]+', str(text or '')) if item]


def net(value: Any) -> str:
    """A netN: name first, the rest in alphabetical order, type=veth, a new random hwaddr when none was sent."""
    props = split_props(value)[1]
    props.setdefault('hwaddr', random_mac())
    props['type'] = 'veth'
    for flag in _NET_FLAGS:
        if flag in props:
            props[flag] = parse_boolean(props[flag]) or props[flag]
    keys = ['name', *sorted(key for key in props if key != 'name')]
    return ','.join(f'{key}={props[key]}' for key in keys if key in props)


def net_props(value: Any) -> dict[str, str]:
    """The keys of a netN."""
    return split_props(value or '')[1]


def tags(value: Any) -> str:
    """Lower-cased, sorted, each once, separated by semicolons."""
    return ';'.join(sorted({item.lower() for item in split_list(value)}))


def stored(key: str, value: Any) -> Any:
    """What a sent option is kept as, before any volume is allocated. netN is completed only when it is applied."""
    if key == 'tags':
        return tags(value)
    if key in ('nameserver', 'searchdomain'):
        return ' '.join(split_list(value))
    return value


def size_text(size: int) -> str:
    """The largest unit that divides it, as PVE::JSONSchema's format_size; 0 reads 0T."""
    for unit in 'TGMK':
        if size % SIZE_UNITS[unit] == 0:
            return f'{size // SIZE_UNITS[unit]}{unit}'
    return str(size)


def mount(mount_point: dict[str, str], rootfs: bool) -> str:
    """A rootfs or mpN: the volume, then mp, then the options in alphabetical order."""
    rest = sorted(key for key in mount_point if key not in ('volume', 'mp'))
    if 'mp' in mount_point and not rootfs:
        rest.insert(0, 'mp')
    out = [mount_point['volume']]
    for key in rest:
        value = mount_point[key]
        if key in _MOUNT_FLAGS:
            value = parse_boolean(value) or value
        elif key == 'size':
            size = parse_size(value)
            value = value if size is None else size_text(size)
        out.append(f'{key}={value}')
    return ','.join(out)


def volume_of(value: Any) -> str:
    """The volume of a rootfs, mpN or unusedN value."""
    return str(parse_mount(value or '').get('volume', ''))
