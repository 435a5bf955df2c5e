# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's side of the lab's network: a bridge, a route to the guests, NAT."""

from __future__ import annotations

import json
from pathlib import Path

from . import host, kernel
from .instance import Instance
from .run import run


def up(lab: Instance) -> None:
    """Make bridge and NAT; existing ones are left as they are."""
    mtu = str(host.mtu())
    if not Path('/sys/class/net', lab.bridge).exists():
        run(['ip', 'link', 'add', lab.bridge, 'type', 'bridge', 'forward_delay', '0'])
    run(['ip', 'link', 'set', lab.bridge, 'mtu', mtu, 'up'])
    run(['ip', 'address', 'replace', f'{lab.host_ip}/24', 'dev', lab.bridge])
    run(['ip', 'route', 'replace', str(lab.guests), 'via', lab.node_ip, 'dev', lab.bridge])
    kernel.up()
    # One transaction: declare, empty, fill; so it can be repeated.
    run(
        ['nft', '-f', '-'],
        stdin=f'''
table ip {lab.nft_table} {{ }}
flush table ip {lab.nft_table}
table ip {lab.nft_table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {lab.network} ip daddr != {lab.network} masquerade
  }}
}}
''',
    )
    for rule in ('iifname', 'oifname'):
        _docker_accept(lab, rule)


def down(lab: Instance) -> None:
    """Remove all of it. Fine when nothing is there."""
    for chain in ('DOCKER-USER',):
        for handle in _docker_rules(lab):
            run(['nft', 'delete', 'rule', 'ip', 'filter', chain, 'handle', str(handle)], check=False)
    run(['nft', 'delete', 'table', 'ip', lab.nft_table], check=False)
    for link in (lab.veth, lab.bridge):
        if Path('/sys/class/net', link).exists():
            run(['ip', 'link', 'delete', link], check=False)


def leftovers(lab: Instance) -> list[str]:
    """What of the network is there now, in words."""
    found = ['interface ' + link for link in (lab.bridge, lab.veth) if Path('/sys/class/net', link).exists()]
    if run(['nft', 'list', 'table', 'ip', lab.nft_table], check=False).returncode == 0:
        found.append('nft table ' + lab.nft_table)
    return found


def _docker_accept(lab: Instance, direction: str) -> None:
    """A Docker on the host sets FORWARD to drop; its own chain for exceptions lets the lab through."""
    listing = run(['nft', 'list', 'chain', 'ip', 'filter', 'DOCKER-USER'], check=False)
    if listing.returncode == 0 and f'{direction} "{lab.bridge}"' not in listing.stdout:
        run(['nft', 'insert', 'rule', 'ip', 'filter', 'DOCKER-USER', direction, lab.bridge, 'accept'])


def _docker_rules(lab: Instance) -> list[int]:
    listing = run(['nft', '-j', '-a', 'list', 'chain', 'ip', 'filter', 'DOCKER-USER'], check=False)
    if listing.returncode:
        return []
    rules = [item['rule'] for item in json.loads(listing.stdout)['nftables'] if 'rule' in item]
    return [rule['handle'] for rule in rules if f'"{lab.bridge}"' in json.dumps(rule)]
