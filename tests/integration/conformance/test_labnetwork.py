# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's network file and its filter: texts as a node has them, and what they become."""

from __future__ import annotations

import pytest
from controlplane.node.firewallfiles import parse as parse_firewall
from controlplane.node.interfaces import parse, render
from controlplane.node.nodefilter import compile_rules

FILE = '''auto lo
iface lo inet loopback

iface eth1 inet manual
\tpost-up echo by hand
#a comment

auto bond0
iface bond0 inet manual
\tbond-slaves eth1 eth2
\tbond-mode 802.3ad
\tbond-miimon 100

auto vmbr0
iface vmbr0 inet static
\taddress 192.0.2.10/24
\tgateway 192.0.2.1
\tbridge-ports bond0
\tbridge-stp off
\tbridge-fd 0
\tbridge-vlan-aware yes
\tbridge-vids 2-4094
\tmtu 9000
iface vmbr0 inet6 static
\taddress fd00::10/64
\tgateway fd00::1

source /etc/network/interfaces.d/*
'''


def test_what_is_read_is_written():
    found = parse(FILE)
    assert render(found) == FILE
    assert found.ifaces['vmbr0']['cidr6'] == 'fd00::10/64'
    assert found.ifaces['vmbr0']['bridge_vlan_aware'] == 1
    kinds = {name: iface['type'] for name, iface in found.ifaces.items()}
    assert kinds == {'lo': 'loopback', 'eth1': 'eth', 'bond0': 'bond', 'vmbr0': 'bridge'}


def test_a_netmask_is_a_length():
    found = parse('iface eth0 inet static\n\taddress 10.0.0.2\n\tnetmask 255.255.255.0\n')
    assert found.ifaces['eth0']['cidr'] == '10.0.0.2/24'


@pytest.mark.parametrize(
    ('rule', 'line'),
    [
        ('IN ACCEPT -p tcp -dport 22,8000:8010', 'tcp dport { 22,8000-8010 } accept'),
        ('|IN ACCEPT -p tcp -dport 22', None),
        ('OUT DROP', None),
        ('IN SSH(DROP) -source 10.0.0.0/8', 'ip saddr { 10.0.0.0/8 } tcp dport { 22 } drop'),
        ('IN REJECT -source +office -i vmbr0', 'iifname "vmbr0" ip saddr { 10.1.0.0/16, 10.2.0.0/16 } reject'),
        ('GROUP web', 'ip daddr { 10.2.0.0/16 } tcp dport { 443 } accept'),
        ('IN Ping(ACCEPT)', 'meta l4proto icmp accept'),
        ('IN Ceph(ACCEPT)', None),
        ('IN ACCEPT -source fd00::/8', None),
    ],
)
def test_a_rule_for_nftables(rule: str, line: str | None):
    text = '[OPTIONS]\nenable: 1\n[ALIASES]\nlan 10.2.0.0/16\n[IPSET office]\n10.1.0.0/16\nlan\n[RULES]\n'
    text += f'{rule}\n[group web]\nIN HTTPS(ACCEPT) -dest lan\n'
    lines = compile_rules(parse_firewall(text), parse_firewall('')).splitlines()
    rules = lines[lines.index('iifname "lo" accept') + 1 : -3]
    assert rules == ([line] if line else [])
    assert lines[-3] == 'drop'


@pytest.mark.parametrize('node', ['[OPTIONS]\nenable: 0\n', None])
def test_nothing_is_filtered_unless_both_are_on(node: str | None):
    cluster = '[OPTIONS]\nenable: 1\n' if node else '[RULES]\nIN DROP\n'
    assert 'hook' not in compile_rules(parse_firewall(cluster), parse_firewall(node or ''))


OVS = '''iface eth1 inet manual
\tovs_type OVSPort
\tovs_bridge vmbr1

auto vlan10
iface vlan10 inet static
\taddress 10.10.0.1/24
\tovs_type OVSIntPort
\tovs_bridge vmbr1
\tovs_options tag=10
\tup ip route add 10.20.0.0/16 via 10.10.0.254

auto vmbr1
iface vmbr1 inet manual
\tovs_type OVSBridge
\tovs_ports eth1 vlan10
\tpost-up echo by hand
'''


def test_open_vswitch_and_lines_of_others_are_kept():
    found = parse(OVS)
    assert render(found) == OVS
    assert {name: iface['type'] for name, iface in found.ifaces.items()} == {
        'eth1': 'OVSPort',
        'vlan10': 'OVSIntPort',
        'vmbr1': 'OVSBridge',
    }
