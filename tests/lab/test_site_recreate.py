# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recreating a container by its name, killed twice on the way; the firewall's file and tags of a real guest."""

from __future__ import annotations

from support.site import Lab, Project, until

RULES = '/etc/pve/firewall/950.fw'
AGAIN = ('-e', 'phoenix_recreate_ctids=950')


def calls(lab: Lab, method: str, path: str) -> int:
    """How often the control plane was asked for this."""
    return sum((r['method'], r['path']) == (method, path) for r in lab.mutations())


def test_killed_twice_it_is_destroyed_and_made_once(lab: Lab, project: Project) -> None:
    values = {'features': [project.feature()]}
    project.containers(_950=values)
    project.play().good()
    lab.guest(950, 'touch /root/old')

    # In place it is impossible, and the refusal says what would help.
    project.containers(_950={**values, 'unprivileged': False})
    lab.forget_requests()
    run = project.play()
    assert run.rc != 0
    assert 'name 950 in phoenix_recreate_ctids' in run.output
    assert lab.mutations() == []

    # The dry run says all of it, and touches nothing.
    lab.await_boot(950)
    before = lab.node_files()
    run = project.play('--check', '--diff', *AGAIN).good()
    assert 'vm-950-disk-0' in run.output
    steps = [step['kind'] for step in run.state()['plan']['steps']]
    assert steps[:3] == ['stop', 'destroy', 'create']
    assert steps[-1] == 'recreated'
    assert lab.mutations() == []
    assert lab.node_files() == before

    first = project.start(*AGAIN)
    until(lambda: calls(lab, 'DELETE', '/nodes/pve/lxc/950'), 120)
    first.kill()
    second = project.start(*AGAIN)
    until(lambda: calls(lab, 'POST', '/nodes/pve/lxc'), 120)
    second.kill()
    run = project.play(*AGAIN).good()
    assert calls(lab, 'DELETE', '/nodes/pve/lxc/950') == calls(lab, 'POST', '/nodes/pve/lxc') == 1
    assert lab.word(950) == 'completed'
    assert lab.volumes() == ['950']
    assert 'unprivileged' not in lab.config(950)
    assert lab.guest(950, 'cat /etc/marker; test -e /root/old || echo gone') == 'markergone\n'
    assert project.play().good().changed == 0

    # Named once more by another run it is meant once more; an unknown CTID stops everything first.
    lab.forget_requests()
    run = project.play('-e', 'phoenix_recreate_ctids=950,951')
    assert run.rc != 0
    assert 'phoenix_recreate_ctids  got 951, which the inventory does not have' in run.output
    assert lab.mutations() == []
    run = project.play(*AGAIN).good()
    assert 'These volumes go with it for good: local:950/vm-950-disk-0.raw' in ' '.join(run.output.split())
    assert calls(lab, 'DELETE', '/nodes/pve/lxc/950') == 1


def test_firewall_and_tags_of_a_running_guest(lab: Lab, project: Project) -> None:
    ssh = {'type': 'in', 'action': 'ACCEPT', 'macro': 'SSH', 'source': '10.0.0.0/8'}
    project.containers(_950={'firewall': {'enabled': True, 'rules': [ssh, 'IN DROP']}, 'tags': ['llm', 'web']})
    run = project.play().good()
    assert lab.sh(f'cat {RULES}').split('[RULES]')[1].split('\n')[2:4] == [
        'IN SSH(ACCEPT) -source 10.0.0.0/8',
        'IN DROP',
    ]
    assert 'firewall=1' in lab.config(950)['net0']
    assert lab.config(950)['tags'] == 'llm;web'
    booted = lab.guest(950, 'stat -c %Y /proc/1')

    # By hand: a rule in the file, a tag. Both stay; what goes from the configuration goes.
    lab.sh(f"sed -i 's/^IN DROP$/IN ACCEPT -p udp -dport 53\\nIN DROP/' {RULES}; pct set 950 --tags 'llm;mine;web'")
    project.containers(_950={'firewall': {'enabled': True, 'rules': ['IN DROP', 'IN ACCEPT -p icmp']}, 'tags': ['web']})
    check = project.play('--check').good()
    run = project.play().good()
    assert check.state()['journal'] == run.state()['journal']
    rules = [line for line in lab.sh(f'cat {RULES}').split('[RULES]')[1].split('\n') if line]
    assert rules == ['IN ACCEPT -p udp -dport 53', 'IN DROP', 'IN ACCEPT -p icmp']
    assert lab.config(950)['tags'] == 'mine;web'
    assert any('-dport 53' in note for note in run.state()['notes'])
    assert lab.guest(950, 'stat -c %Y /proc/1') == booted
    assert project.play().good().changed == 0
