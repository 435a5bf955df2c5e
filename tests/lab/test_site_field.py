# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet whose file other tools have written: made as it stands, told once, and settled in the second run."""

from __future__ import annotations

from support.site import SITE, Lab, Project

RULE = {'type': 'in', 'action': 'ACCEPT', 'proto': 'tcp', 'port': '8000'}
FOREIGN = {
    'tests': {'integration_tests': [{'name': 'all', 'type': 'script', 'path': 'all.sh'}]},
    'traefik_service': {'name': 'web', 'port': 8000},
    'trigger_sync_on_completion': True,
}
SCRIPT = 'echo "$PHOENIX_BOOTSTRAP_CA_URL" > /root/authority\n'


def test_the_file_is_made_as_it_stands_and_settled(lab: Lab, project: Project) -> None:
    lab.sh('mkdir -p /srv/logs')
    project.script(SCRIPT)
    project.containers(
        _900={
            'name': 'base',
            'apparmor_profile': 'unconfined',
            'apparmor_manages_nesting': True,
            'lxc_options': ['lxc.apparmor.profile=unconfined'],
            'network_config': {'name': 'eth0', 'bridge': 'vmbr0', 'ip': 'dhcp', 'hwaddr': '52:54:00:AA:00:01'},
            **FOREIGN,
        },
        _950={
            'name': 'web',
            'hwaddr': '52:54:00:AA:00:02',
            'nameserver': '192.0.2.53',
            'secondary_network_config': {'name': 'eth1', 'bridge': 'vmbr0', 'ip': '198.51.100.9/24'},
            'zfs_volumes': [{'name': 'data', 'pool': 'local', 'size_gb': 1, 'mount_point': '/data'}],
            'mount_points': [{'host_path': '/srv/logs', 'container_path': '/var/log/web'}],
            'template_snapshot_name': 'ready',
            'enable_lifecycle_snapshots': True,
            'bootstrap_ca_url': 'https://192.0.2.10:9000',
            'application_script': 'app.sh',
            'dependencies': ['900', '1002'],
            'firewall': {'enabled': True, 'rules': [RULE, {**RULE, 'comment': 'again'}]},
            **FOREIGN,
        },
    )
    # Ansible folds long lines of its output.
    output = ' '.join(project.play(playbook=SITE).good().output.split())
    unused = 'accepted and not acted on: tests, traefik_service, trigger_sync_on_completion'
    assert output.count(unused) == 1
    assert output.count('container 950 depends on 1002, and no guest of node pve') == 1
    assert 'the same rule as rules/0, no effect' in output
    base, web = lab.config(900), lab.config(950)
    assert '52:54:00:AA:00:01' in base['net0']
    assert '52:54:00:AA:00:02' in web['net0']
    assert '198.51.100.9/24' in web['net1']
    assert web['nameserver'] == '192.0.2.53'
    assert 'mp=/data' in ' '.join(web.values())
    # The profile stands in the file of the container once, whichever of the two keys says it.
    assert lab.sh('grep -c "^lxc.apparmor.profile" /etc/pve/lxc/900.conf').strip() == '1'
    assert lab.guest(950, 'cat /root/authority').strip() == 'https://192.0.2.10:9000'
    assert 'ready' not in lab.sh('pct listsnapshot 950')

    lab.forget_requests()
    assert project.play(playbook=SITE).good().changed == 0
    assert lab.mutations() == []
