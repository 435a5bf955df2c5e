# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pve-firewall's part for the node itself: the .fw files -> nftables, so that a rule that cuts SSH really cuts it.

Only what comes in to the node: options enable and policy_in, rules IN with protocol, ports, source, destination,
interface, the macros below, groups, sets and aliases. The node's rules are asked before the datacenter's, and an
existing connection stays, as on a real node.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .firewallfiles import parse

TABLE = 'phoenix_lab_firewall'
MACROS = {
    'ssh': ('tcp', '22'),
    'http': ('tcp', '80'),
    'https': ('tcp', '443'),
    'web': ('tcp', '80,443'),
    'dns': ('udp', '53'),
    'ping': ('icmp', ''),
}
_VERDICTS = {'ACCEPT': 'accept', 'DROP': 'drop', 'REJECT': 'reject'}


def read(pve: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The datacenter's and the node's firewall."""
    paths = (pve / 'firewall' / 'cluster.fw', pve / 'local' / 'host.fw')
    cluster, node = (parse(path.read_text(encoding='utf-8') if path.exists() else '') for path in paths)
    return cluster, node


def compile_rules(cluster: dict[str, Any], node: dict[str, Any]) -> str:
    """The commands for nft: an empty table when nothing is filtered."""
    lines = [f'table inet {TABLE} {{ }}', f'delete table inet {TABLE}']
    if not cluster['options'].get('enable') or str(node['options'].get('enable', 1)) == '0':
        return ''.join(f'{line}\n' for line in lines)
    policy = _VERDICTS[str(cluster['options'].get('policy_in', 'DROP'))]
    lines += [
        f'table inet {TABLE} {{',
        'chain input {',
        'type filter hook input priority filter; policy accept;',
        'ct state established,related accept',
        'iifname "lo" accept',
        *(line for rule in [*node['rules'], *cluster['rules']] for line in _lines(rule, cluster)),
        policy,
        '}',
        '}',
    ]
    return ''.join(f'{line}\n' for line in lines)


def _lines(rule: dict[str, Any], cluster: dict[str, Any]) -> list[str]:
    if not rule.get('enable', 1):
        return []
    if rule['type'] == 'group':
        return [line for one in cluster['groups'].get(rule['action'], []) for line in _lines(one, cluster)]
    if rule['type'] != 'in':
        return []
    proto, dport = str(rule.get('proto') or ''), str(rule.get('dport') or '')
    if rule.get('macro'):
        if rule['macro'].lower() not in MACROS:
            return []  # the lab knows no more of them
        proto, dport = MACROS[rule['macro'].lower()]
    words = [f'iifname {json.dumps(rule["iface"])}'] if rule.get('iface') else []
    for key, word in (('source', 'saddr'), ('dest', 'daddr')):
        if rule.get(key):
            addresses = [one for one in _addresses(str(rule[key]), cluster) if ':' not in one]
            if not addresses:
                return []
            words.append(f'ip {word} {{ {", ".join(addresses)} }}')
    if dport:
        words.append(f'{proto} dport {{ {dport.replace(":", "-")} }}')
    elif proto:
        words.append(f'meta l4proto {proto}')
    return [' '.join([*words, _VERDICTS[rule['action']]])]


def _addresses(text: str, cluster: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for one in text.split(','):
        name = one.rpartition('/')[2] if one.startswith(('+', 'dc/')) else one
        if one.startswith('+'):
            entries = cluster['ipset'].get(name.lstrip('+'), [])
            found += [each for entry in entries for each in _addresses(entry['cidr'], cluster)]
        elif name.lower() in cluster['aliases']:
            found.append(cluster['aliases'][name.lower()]['cidr'])
        elif one[:1].isdigit() or ':' in one:
            found.append(one)
    return found
