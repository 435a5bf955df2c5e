# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall of datacenter and node: the ways in come first, and what cuts SSH anyway goes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.host import HOST, files, revert_phase, settled
from support.site import Lab, Project, Run

MODULE = 'phoenix.hypervisor.phoenix_pve_firewall'
WATCHED = '/etc/pve /etc/systemd/system /var/lib/phoenix_hypervisor'
OPEN = 'IN ACCEPT -p tcp -dport 22,8006 # phoenix.hypervisor: SSH and the web interface stay open'
ADD = 'pvesh create /cluster/firewall/rules --type in --action DROP --enable 1 --proto tcp'
FIREWALL = {
    'enabled': True,
    'default_input_policy': 'DROP',
    'default_forward_policy': 'DROP',
    'rules': [
        {'type': 'in', 'action': 'ACCEPT', 'macro': 'Ping'},
        {'type': 'group', 'action': 'web'},
        {'type': 'forward', 'action': 'ACCEPT', 'source': '10.1.0.0/16'},
    ],
    'node': {'rules': [{'type': 'in', 'action': 'DROP', 'proto': 'tcp', 'dport': 22}]},
    'groups': {'web': [{'type': 'in', 'action': 'ACCEPT', 'proto': 'tcp', 'dport': '80,443', 'source': '+office'}]},
    'ipsets': {'office': ['10.1.0.0/16', {'cidr': '10.1.9.0/24', 'nomatch': True, 'comment': 'guests'}, 'lan']},
    'aliases': {'lan': '10.2.0.0/16'},
}


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """The node, asked over connections of their own: what cuts the way to it would cut a shared one or pass it by."""
    lab.disconnect()
    return lab


def play(project: Project, firewall: dict[str, Any] | None, *words: str) -> Run:
    """The firewall alone."""
    project.containers()
    project.write('hypervisor_config.json', json.dumps({} if firewall is None else {'firewall': firewall}, indent=1))
    return project.play('--tags', 'hypervisor_firewall', *words, playbook=HOST)


def result(run: Run) -> dict[str, Any]:
    """What the module said at last."""
    return run.of(MODULE, 'pve')[-1]


def section(lab: Lab, name: str, path: str = '/etc/pve/firewall/cluster.fw') -> list[str]:
    """The lines of one section of a firewall's file."""
    found, inside = [], False
    for line in lab.sh(f'cat {path} 2>/dev/null || true').splitlines():
        if line.startswith('['):
            inside = line == f'[{name}]'
        elif inside and line:
            found.append(line)
    return found


def test_the_ways_in_come_first_and_a_second_run_does_nothing(lab: Lab, project: Project) -> None:
    lab.sh(f'{ADD} --dport 22 --comment theirs')
    before = files(lab, WATCHED)
    lab.forget_requests()
    look = play(project, FIREWALL, '--check', '--diff').good()
    assert look.changed == 1
    assert f'comes first: {OPEN}' in look.output
    assert (lab.mutations(), files(lab, WATCHED)) == ([], before)

    done = play(project, FIREWALL).good()
    assert result(done)['outcome'] == 'confirmed'
    assert result(done)['calls'] == result(look)['calls']
    theirs = 'IN DROP -p tcp -dport 22 # theirs'
    assert section(lab, 'RULES')[0] == OPEN
    assert sorted(section(lab, 'RULES')) == sorted(
        [OPEN, 'IN Ping(ACCEPT)', 'GROUP web', 'FORWARD ACCEPT -source 10.1.0.0/16', theirs]
    )
    assert section(lab, 'RULES', '/etc/pve/local/host.fw') == [OPEN, 'IN DROP -p tcp -dport 22']
    assert sorted(section(lab, 'IPSET office')) == ['! 10.1.9.0/24 # guests', '10.1.0.0/16', 'lan']
    assert section(lab, 'group web') == ['IN ACCEPT -source +office -p tcp -dport 80,443']
    assert section(lab, 'OPTIONS') == ['enable: 1', 'policy_forward: DROP', 'policy_in: DROP']
    assert 'tcp dport { 22, 8006 } accept' in lab.sh('nft list table inet phoenix_lab_firewall')
    settled(lab, 'firewall', 'confirmed')

    before = files(lab, WATCHED)
    lab.forget_requests()
    again = play(project, FIREWALL).good()
    assert (again.changed, lab.mutations(), files(lab, WATCHED)) == (0, [], before)

    lab.sh(f'{ADD} --dport 8006')
    play(project, FIREWALL).good()
    assert section(lab, 'RULES')[:2] == [OPEN, 'IN DROP -p tcp -dport 8006']

    play(project, {}, '-e', 'phoenix_host_consent=firewall').good()
    assert sorted(section(lab, 'RULES')) == ['IN DROP -p tcp -dport 22 # theirs', 'IN DROP -p tcp -dport 8006']
    assert section(lab, 'OPTIONS') == section(lab, 'ALIASES') == section(lab, 'group web') == []


def test_what_cuts_ssh_goes_back_and_the_run_says_so(lab: Lab, project: Project) -> None:
    play(project, FIREWALL).good()
    before = lab.sh(
        'cat /etc/pve/firewall/cluster.fw /etc/pve/local/host.fw /var/lib/phoenix_hypervisor/host/firewall.json'
    )
    elsewhere = {**FIREWALL, 'management': ['198.51.100.0/24']}
    run = play(project, elsewhere, '-e', 'hypervisor_confirm_timeout=8')
    assert run.rc == 2, run.output
    assert result(run)['outcome'] == 'reverted'
    assert 'The node rolled back the change of its firewall' in run.output
    assert revert_phase(lab, 'firewall') == 'reverted'
    assert 'source 198.51.100.0/24' in lab.sh('cat /var/lib/phoenix_hypervisor/revert/firewall/rejected/0')
    after = lab.sh(
        'cat /etc/pve/firewall/cluster.fw /etc/pve/local/host.fw /var/lib/phoenix_hypervisor/host/firewall.json'
    )
    assert after == before
    settled(lab, 'firewall', 'reverted')
    mine = '.'.join(lab.variables['PHOENIX_LAB_NODE_IP'].split('.')[:3]) + '.0/24'
    done = play(project, {**FIREWALL, 'management': [mine, '198.51.100.0/24']}).good()
    assert result(done)['outcome'] == 'confirmed'
    assert section(lab, 'RULES')[0].startswith(f'IN ACCEPT -source {mine},198.51.100.0/24 -p tcp')


def test_a_name_that_nobody_has_is_told_before_anything(lab: Lab, project: Project) -> None:
    rules = [{'type': 'group', 'action': 'wbe'}, {'type': 'in', 'action': 'ACCEPT', 'source': '+offcie'}]
    before = files(lab, WATCHED)
    lab.forget_requests()
    run = play(project, {'enabled': True, 'rules': rules, 'groups': FIREWALL['groups'], 'ipsets': {'office': []}})
    assert run.rc == 2, run.output
    assert 'firewall.rules[0] names wbe' in run.output
    assert 'firewall.rules[1] names offcie' in run.output
    assert (lab.mutations(), files(lab, WATCHED)) == ([], before)
