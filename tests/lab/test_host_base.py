# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground of a node: its sources, name, clock, ID ranges, kernel parameters and the bounds of the audit trail; the
tests are steps, in this order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.site import APT, Lab, Project, Run

RANGE = 'root:300000:65536'
FORWARD, KEPT = 'net.ipv4.conf.default.rp_filter', 'net.ipv4.conf.default.log_martians'
HOST: dict[str, Any] = {
    # None is asked for its lists: Proxmox's servers are not what is tested.
    'repositories': [
        {'name': name, 'enabled': False}
        for name in ('pve-enterprise', 'pve-no-subscription', 'ceph-enterprise', 'ceph-no-subscription')
    ],
    'hostname': 'pve.example.org',
    'ntp': {'servers': ['192.0.2.7']},
    'subids': [{'user': 'root', 'start': 300000, 'count': 65536}],
    'sysctl': {FORWARD: 2, KEPT: 1},
    'log_keep_days': 30,
}
SOURCES = '/etc/apt/sources.list.d'
# As PVE 8 comes: one-line files, and the name on a loopback address, as Debian has it.
BEFORE = f"""set -e
echo 'deb https://enterprise.proxmox.com/debian/pve bookworm pve-enterprise' > {SOURCES}/pve-enterprise.list
echo '127.0.1.1 pve.old pve' >> /etc/hosts
"""
PLACES = '/etc /var/lib/phoenix_hypervisor'


def play(lab: Lab, folder: Path, config: dict[str, Any], *words: str) -> Run:
    """The role alone."""
    folder.mkdir(exist_ok=True)
    project = Project(lab, folder)
    project.containers()
    project.write('hypervisor_config.json', json.dumps(config))
    return project.play('--tags', 'hypervisor_base', '--diff', *words, playbook='playbooks/hypervisor.yml')


def state(lab: Lab) -> str:
    """What the role could touch."""
    return lab.sh(
        f'for place in {PLACES}; do [ -e $place ] || continue; '
        "find $place -xdev -printf '%p %y %m %U %G %s %C@ %l\\n' | sort; done; "
        f'dpkg-query -W | sha256sum; sysctl {FORWARD} {KEPT}; hostname'
    )


def changed_tasks(run: Run) -> list[str]:
    """What the recap counts as changed, by name."""
    return [e['task'].partition(' : ')[2] for e in run.events if e['status'] == 'ok' and e['result'].get('changed')]


def test_a_dry_run_changes_nothing_and_the_run_all(host_lab: Lab, tmp_path: Path) -> None:
    lab = host_lab
    # A fresh node has nothing that writes sources, and its own answers 401: nothing can be installed before.
    lab.sh(f'{BEFORE}{APT} remove python3-debian >/dev/null')
    before = state(lab)
    dry = play(lab, tmp_path / 'dry', HOST, '--check').good()
    assert '+server 192.0.2.7 iburst' in dry.output
    assert '+URIs: https://enterprise.proxmox.com/debian/pve' in dry.output
    assert state(lab) == before
    play(lab, tmp_path / 'run', HOST).good()
    assert 'ii' not in lab.sh("dpkg-query -W -f '${db:Status-Abbrev}' python3-debian 2>/dev/null || true")
    files = lab.sh(f'cd {SOURCES}; ls; cat *.sources')
    for name in ('pve-enterprise', 'proxmox', 'ceph', 'ceph-no-subscription'):
        assert f'{name}.sources\n' in files
    assert 'pve-enterprise.list' not in files
    assert files.count('Enabled: no') >= 4
    assert 'https://enterprise.proxmox.com/debian/ceph-squid' in files
    hosts = lab.sh('getent ahostsv4 pve.example.org; cat /etc/hosts')
    assert lab.variables['PHOENIX_LAB_NODE_IP'] in hosts
    assert '127.0.1.1' not in hosts
    assert lab.sh('cat /etc/chrony/sources.d/phoenix.sources').splitlines()[-1] == 'server 192.0.2.7 iburst'
    assert lab.sh('systemctl is-active chrony').strip() == 'active'
    assert [RANGE in lab.sh(f'cat /etc/{name}').split() for name in ('subuid', 'subgid')] == [True, True]
    assert lab.sh(f'sysctl -n {FORWARD} {KEPT}').split() == ['2', '1']
    assert 'm:30d' in lab.sh('cat /etc/tmpfiles.d/phoenix_hypervisor.conf')
    lab.sh('logrotate --debug /etc/logrotate.d/phoenix_hypervisor 2>&1')
    after = state(lab)
    assert changed_tasks(play(lab, tmp_path / 'again', HOST).good()) == []
    assert state(lab) == after


def test_what_is_gone_from_the_file_is_taken_back(host_lab: Lab, tmp_path: Path) -> None:
    lab = host_lab
    less = HOST | {'ntp': {}, 'sysctl': {KEPT: 1}}
    before = state(lab)
    assert f'-{FORWARD}=2' in play(lab, tmp_path / 'dry', less, '--check').good().output.replace(' ', '')
    assert state(lab) == before
    assert changed_tasks(play(lab, tmp_path / 'run', less).good()) == [
        'Remove the time servers that left the file',
        'Restart chrony without the removed servers',
        'Write the kernel parameters that each boot sets',
    ]
    assert FORWARD not in lab.sh('cat /etc/sysctl.d/90-phoenix.conf')
    assert KEPT in lab.sh('cat /etc/sysctl.d/90-phoenix.conf')
    assert lab.sh('ls /etc/chrony/sources.d').split() in ([], ['README'])
    assert changed_tasks(play(lab, tmp_path / 'again', less).good()) == []
    play(lab, tmp_path / 'none', {}).good()
    assert KEPT in lab.sh('cat /etc/sysctl.d/90-phoenix.conf')
    play(lab, tmp_path / 'empty', {'sysctl': {}}).good()
    lab.sh('test ! -e /etc/sysctl.d/90-phoenix.conf')


@pytest.mark.parametrize('words', [(), ('--check',)])
def test_a_node_with_guests_is_not_renamed(host_lab: Lab, tmp_path: Path, words: tuple[str, ...]) -> None:
    lab = host_lab
    lab.sh('mkdir -p /etc/pve/nodes/pve/lxc && touch /etc/pve/nodes/pve/lxc/4242.conf')
    before = state(lab)
    run = play(lab, tmp_path, {'hostname': 'other.example.org'}, *words)
    assert run.rc != 0
    assert 'has 1 guests' in ' '.join(run.output.split())
    assert (lab.sh('hostname').strip(), state(lab)) == ('pve', before)
    lab.sh('rm /etc/pve/nodes/pve/lxc/4242.conf')
