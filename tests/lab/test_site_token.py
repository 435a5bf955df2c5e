# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that is reached by an API token alone: preview, creation and status of a real container, without SSH."""

from __future__ import annotations

import json

from support.site import SITE, Lab, Project

USER = 'automation@pve'
TOKEN = f'{USER}!phoenix'
LOOKS = {'/vms': 'PVEAuditor', '/storage': 'PVEAuditor'}
CHANGES = {'/vms': 'PVEVMAdmin', '/storage': 'PVEDatastoreUser', '/sdn/zones/localnetwork': 'PVESDNUser'}


def grant(lab: Lab, roles: dict[str, str]) -> None:
    """Give the roles to the token and to its user."""
    for path, role in roles.items():
        for who in (f'--users {USER}', f"--tokens '{TOKEN}'"):
            lab.sh(f'pvesh set /access/acl --path {path} {who} --roles {role} >/dev/null')


def test_a_container_by_a_token_alone(lab: Lab, project: Project) -> None:
    lab.sh(f'pvesh create /access/users --userid {USER} >/dev/null')
    secret = json.loads(lab.sh(f'pvesh create /access/users/{USER}/token/phoenix --output-format json'))['value']
    grant(lab, LOOKS)
    printed = lab.sh('openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem')
    source = json.loads(project.inventory.read_text(encoding='utf-8'))
    entry = {'user': USER, 'token_id': 'phoenix', 'fingerprint': printed.strip().partition('=')[2]}
    # No key, no known host: SSH would fail.
    (node,) = source['nodes']
    source['nodes'] = {node: {'ansible_host': lab.variables['PHOENIX_LAB_NODE_IP'], 'api': entry}}
    project.inventory.write_text(json.dumps(source), encoding='utf-8')
    project.containers(_950={'name': 'web'})
    env = {'PROXMOX_TOKEN_SECRET': secret}

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
