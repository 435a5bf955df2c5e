# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that is reached by an API token alone: preview, creation and status of a real container, without SSH."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from support import kept_template
from support.site import APT, SITE, WITH_PYTHON, Lab, Project

USER = 'automation@pve'
TOKEN = f'{USER}!phoenix'
LOOKS = {'/vms': 'PVEAuditor', '/storage': 'PVEAuditor'}
WITH_SSH = 'local:vztmpl/debian-12-ssh_12.7-1_amd64.tar.zst'
CHANGES = {'/vms': 'PVEVMAdmin', '/storage': 'PVEDatastoreUser', '/sdn/zones/localnetwork': 'PVESDNUser'}


def grant(lab: Lab, roles: dict[str, str]) -> None:
    """Give the roles to the token and to its user."""
    for path, role in roles.items():
        for who in (f'--users {USER}', f"--tokens '{TOKEN}'"):
            lab.sh(f'pvesh set /access/acl --path {path} {who} --roles {role} >/dev/null')


def by_token(lab: Lab, project: Project, roles: dict[str, str], **node: Any) -> dict[str, str]:
    """Let the project reach its node by a new token with these roles; the environment of its runs."""
    lab.sh(f'pvesh create /access/users --userid {USER} >/dev/null')
    secret = json.loads(lab.sh(f'pvesh create /access/users/{USER}/token/phoenix --output-format json'))['value']
    grant(lab, roles)
    printed = lab.sh('openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem')
    source = json.loads(project.inventory.read_text(encoding='utf-8'))
    entry = {'user': USER, 'token_id': 'phoenix', 'fingerprint': printed.strip().partition('=')[2]}
    # No key, no known host: SSH to the node would fail.
    (name,) = source['nodes']
    source['nodes'] = {name: {'ansible_host': lab.variables['PHOENIX_LAB_NODE_IP'], 'api': entry, **node}}
    project.inventory.write_text(json.dumps(source), encoding='utf-8')
    return {'PROXMOX_TOKEN_SECRET': secret}


def add_ssh_template(lab: Lab) -> None:
    """A template with an SSH server that keys open for root, as the standard templates of Proxmox VE have it."""
    script = f'''set -e
pct create 999 {WITH_PYTHON} --rootfs local:2 --hostname ssh --memory 512 --unprivileged 0 \\
  --net0 name=eth0,bridge=vmbr0,ip=dhcp --start 1
left=300
until pct exec 999 -- ip -4 addr show eth0 | grep -q inet; do left=$((left-1)); [ $left -gt 0 ]; sleep 0.1; done
pct exec 999 -- sh -c '{APT} update && {APT} install --no-install-recommends openssh-server' >/dev/null
pct exec 999 -- sh -c 'rm -rf /var/cache/apt/*.bin /var/log/journal/* /etc/ssh/ssh_host_*'
pct stop 999
root=$(find /var/lib/vz/images/999 -maxdepth 2 -name etc -printf '%h\\n')
tar -C $root --numeric-owner -cf - . | zstd -q -1 -o /var/lib/vz/template/cache/{WITH_SSH.rpartition('/')[2]}
pct destroy 999
'''
    kept_template.add(lab.variables, WITH_SSH.rpartition('/')[2], script, lab.sh)


def test_a_container_by_a_token_alone(lab: Lab, project: Project) -> None:
    env = by_token(lab, project, LOOKS)
    secret = env['PROXMOX_TOKEN_SECRET']
    project.containers(_950={'name': 'web'})

    lab.forget_requests()
    dry = project.play('--check', '--diff', playbook=SITE, env=env).good()
    assert {request['method'] for request in lab.requests()} == {'GET'}
    assert dry.state()['state'] == 'completed'

    grant(lab, CHANGES)
    real = project.play(playbook='playbooks/containers.yml', env=env).good()
    planned, made = ([entry['what'] for entry in run.state()['journal']] for run in (dry, real))
    assert made == planned
    assert lab.status(950) == 'running'
    assert lab.sh('ls /var/lib/phoenix_hypervisor 2>/dev/null || true') == ''

    lab.forget_requests()
    status = project.play(playbook='playbooks/status.yml', env=env).good()
    assert {request['method'] for request in lab.requests()} == {'GET'}
    assert real.state()['address'] in status.output
    assert secret not in dry.output + real.output + status.output


def test_a_feature_over_ssh_into_a_container_of_a_token(lab: Lab, project: Project, tmp_path: Path) -> None:
    add_ssh_template(lab)
    key = tmp_path / 'guests'
    subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', str(key)], check=True)
    env = by_token(lab, project, {**LOOKS, **CHANGES}, guest_ssh={'private_key_file': str(key)})
    env['ANSIBLE_HOME'] = str(tmp_path / 'home')
    inside = {'template': WITH_SSH, 'features': [project.feature('marker')], 'application_script': project.script('id')}
    project.containers(_950=inside)

    dry = project.play('--check', env=env).good()
    real = project.play(env=env).good()
    assert lab.guest(950, 'cat /etc/marker') == 'marker'
    made = [entry for result in real.of('phoenix.hypervisor.phoenix_lxc_state') for entry in result['journal']]
    made += [entry for result in real.of('phoenix.hypervisor.phoenix_feature') for entry in result['journal']]
    assert sorted(entry['what'] for entry in made) == sorted(entry['what'] for entry in dry.state()['journal'])
    assert lab.sh('ls /var/lib/phoenix_hypervisor 2>/dev/null || true') == ''
    assert 'host_key' in lab.sh('pvesh get /nodes/pve/lxc/950/config --output-format json')

    lab.await_boot(950)
    lab.forget_requests()
    before = lab.guest_files(950)
    again = project.play(env=env).good()
    assert {request['method'] for request in lab.requests()} == {'GET'}
    assert again.changed == 0
    logins = ('/var/log/', '/run/', '/root/')
    assert {k: v for k, v in lab.guest_files(950).items() if not k.startswith(logins)} == {
        k: v for k, v in before.items() if not k.startswith(logins)
    }

    lab.sh('pct stop 950')
    project.containers(_950={**inside, 'features': ['marker', project.feature('second')]})
    more = project.play(env=env).good()
    assert more.state()['due_features'][0]['name'] == 'second'
    assert lab.guest(950, 'cat /etc/second') == 'second'

    lab.guest(950, 'rm /etc/ssh/ssh_host_*; ssh-keygen -A >/dev/null; systemctl restart ssh')
    project.containers(_950={**inside, 'features': ['marker', 'second', project.feature('third')]})
    lab.forget_requests()
    refused = project.play(env=env)
    assert refused.rc == 2
    assert 'answers with another SSH host key than the one on record' in refused.output
    assert {request['method'] for request in lab.requests()} == {'GET'}
    assert lab.guest(950, 'ls /etc/third 2>/dev/null || true') == ''
