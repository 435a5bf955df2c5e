# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/network/interfaces as PVE reads and writes it: what the API shows of each interface, and back to text.

What PVE has no key for stays: further lines of an interface, and whole lines such as `source` after all interfaces.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

# Word of the file -> key of the API.
KEYS = {
    'bridge-ports': 'bridge_ports',
    'bridge-stp': 'bridge_stp',
    'bridge-fd': 'bridge_fd',
    'bridge-vlan-aware': 'bridge_vlan_aware',
    'bridge-vids': 'bridge_vids',
    'bond-slaves': 'slaves',
    'bond-mode': 'bond_mode',
    'bond-miimon': 'bond_miimon',
    'bond-xmit-hash-policy': 'bond_xmit_hash_policy',
    'bond-primary': 'bond-primary',
    'vlan-id': 'vlan-id',
    'vlan-raw-device': 'vlan-raw-device',
    'mtu': 'mtu',
    'ovs-type': 'ovs_type',
    'ovs-bridge': 'ovs_bridge',
    'ovs-ports': 'ovs_ports',
    'ovs-bonds': 'ovs_bonds',
    'ovs-options': 'ovs_options',
}
_FAMILIES = {'inet': '', 'inet6': '6'}


@dataclass
class Interfaces:
    """The file: interfaces by name in its order, and the lines that belong to none."""

    ifaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)


def parse(text: str) -> Interfaces:
    """The file's text. `priority` counts from 3 as PVE's does."""
    result = Interfaces()
    auto: set[str] = set()
    current: dict[str, Any] | None = None
    suffix = ''
    for raw in text.splitlines():
        words = raw.split()
        if not words:
            current = None
        elif words[0] in ('auto', 'allow-auto'):
            auto.update(words[1:])
            current = None
        elif words[0] == 'iface' and len(words) == 4 and words[2] in _FAMILIES:
            current, suffix = result.ifaces.setdefault(words[1], {'families': []}), _FAMILIES[words[2]]
            current['families'].append(words[2])
            current['method' + suffix] = words[3]
        elif current is None:
            if not raw.startswith('#'):
                result.rest.append(raw)
        else:
            _line(current, suffix, raw, words)
    for name in sorted(auto & set(result.ifaces)):
        result.ifaces[name]['autostart'] = 1
    for number, (name, iface) in enumerate(result.ifaces.items(), 2):
        iface.setdefault('method', 'manual')
        iface.setdefault('method6', 'manual')
        iface['priority'] = number
        _take_tag(iface)
        iface['type'] = kind(name, iface)
    return result


def _line(iface: dict[str, Any], suffix: str, raw: str, words: list[str]) -> None:
    name, value = words[0].replace('_', '-'), ' '.join(words[1:])
    if raw.lstrip().startswith('#'):
        iface['comments' + suffix] = iface.get('comments' + suffix, '') + raw.lstrip()[1:] + '\n'
    elif name == 'address' and '/' in value:
        address, _slash, prefix = value.partition('/')
        iface.update({'address' + suffix: address, 'netmask' + suffix: prefix, 'cidr' + suffix: value})
    elif name in ('address', 'netmask'):
        iface[name + suffix] = value
        if suffix == '' and 'address' in iface and 'netmask' in iface:
            bits = ipaddress.ip_network('0.0.0.0/' + iface['netmask']).prefixlen
            iface.update(netmask=str(bits), cidr=f'{iface["address"]}/{bits}')
    elif name == 'gateway':
        iface['gateway' + suffix] = value
    elif name in KEYS:
        key = KEYS[name]
        value = '' if value == 'none' and key in ('bridge_ports', 'slaves') else value
        iface[key] = 1 if key == 'bridge_vlan_aware' else value
    else:
        iface.setdefault('options' + suffix, []).append(raw.strip())


def _take_tag(iface: dict[str, Any]) -> None:
    """PVE keeps the tag of an Open vSwitch port among its options, and shows it by itself."""
    words = str(iface.get('ovs_options') or '').split()
    for word in words:
        if word.startswith('tag='):
            iface['ovs_tag'] = int(word[4:])
            iface['ovs_options'] = ' '.join(other for other in words if other != word)


def kind(name: str, iface: dict[str, Any]) -> str:
    """The type that PVE shows: by what the interface has, else by its name."""
    if iface.get('ovs_type'):
        return str(iface['ovs_type'])
    if 'bridge_ports' in iface or re.fullmatch(r'vmbr\d+', name):
        return 'bridge'
    if 'slaves' in iface or re.fullmatch(r'bond\d+', name):
        return 'bond'
    if 'vlan-raw-device' in iface or re.fullmatch(r'\S+\.\d+', name):
        return 'vlan'
    if ':' in name:
        return 'alias'
    return 'loopback' if name == 'lo' else 'eth' if re.match(r'(eth|en|ib|wl)', name) else 'unknown'


def render(interfaces: Interfaces) -> str:
    """The text: loopback, then ports, bonds, VLANs, bridges, each in its order."""
    order = (
        'loopback',
        'eth',
        'OVSPort',
        'bond',
        'vlan',
        'alias',
        'OVSIntPort',
        'OVSBond',
        'unknown',
        'bridge',
        'OVSBridge',
    )
    ranked = sorted(interfaces.ifaces, key=lambda name: order.index(interfaces.ifaces[name]['type']))
    parts = [_stanzas(name, interfaces.ifaces[name]) for name in ranked]
    parts += [[line] for line in interfaces.rest]
    return '\n'.join('\n'.join(part) + '\n' for part in parts)


def _stanzas(name: str, iface: dict[str, Any]) -> list[str]:
    lines = [f'auto {name}'] if iface.get('autostart') else []
    for family in iface.get('families') or ['inet']:
        suffix = _FAMILIES[family]
        lines.append(f'iface {name} {family} {iface.get("method" + suffix, "manual")}')
        if iface.get('address' + suffix):
            lines.append(f'\taddress {iface["address" + suffix]}/{iface["netmask" + suffix]}')
        if iface.get('gateway' + suffix):
            lines.append(f'\tgateway {iface["gateway" + suffix]}')
        if family == (iface.get('families') or ['inet'])[0]:
            lines += _own(iface)
        lines += [f'\t{line}' for line in iface.get('options' + suffix, ())]
        lines += [f'#{line}' for line in str(iface.get('comments' + suffix) or '').splitlines()]
    return lines


def _own(iface: dict[str, Any]) -> list[str]:
    defaults: dict[str, Any] = {}
    if iface['type'] == 'bridge':
        defaults = {'bridge_ports': 'none', 'bridge_stp': 'off', 'bridge_fd': '0'}
        if iface.get('bridge_vlan_aware'):
            defaults['bridge_vids'] = '2-4094'
    elif iface['type'] == 'bond':
        defaults = {'slaves': 'none', 'bond_miimon': '100', 'bond_mode': 'balance-rr'}
    tag = f'tag={iface["ovs_tag"]}' if iface.get('ovs_tag') else ''
    iface = {**iface, 'ovs_options': f'{tag} {iface.get("ovs_options") or ""}'.strip()}
    values = {**{key: iface.get(key) for key in KEYS.values()}, **{k: iface.get(k) or v for k, v in defaults.items()}}
    words = {key: word.replace('-', '_') if word.startswith('ovs-') else word for word, key in KEYS.items()}
    shown = {'bridge_vlan_aware': 'yes'}
    return [f'\t{words[key]} {shown.get(key, value)}' for key, value in values.items() if value not in (None, '', 0)]
