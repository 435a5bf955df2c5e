# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible on the node itself: it shows what it would change of the ways in, and refuses to change it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.host import files
from support.site import CHECKOUT, Lab, shared_collections

HERE = '/root/controller'
PYTHON = '3.11'
"""The node's."""
REQUIRED = ('ansible/posix', 'community/general')
PARTS = ('galaxy.yml', 'meta', 'playbooks', 'plugins', 'roles')
WATCHED = '/etc/network /etc/pve /etc/systemd/system /var/lib/phoenix_hypervisor'
SOURCE = {
    'plugin': 'phoenix.hypervisor.phoenix',
    'lxc_config': 'phoenix_lxc_configs.json',
    'hypervisor_config': 'hypervisor_config.json',
    'nodes': {'pve': {'ansible_connection': 'local'}},
}
WANTED = {
    'network': {'interfaces': [{'name': 'vmbr1', 'address': '10.66.0.1/24', 'bridge_ports': 'none'}]},
    'firewall': {'enabled': True},
}


def push(lab: Lab, folder: Path, names: list[str], target: str) -> None:
    """Copy files and folders onto the node."""
    archive = subprocess.run(['tar', '--create', '--directory', folder, *names], check=True, capture_output=True).stdout
    command = ['ssh', '-F', lab.variables['PHOENIX_LAB_SSH_CONFIG'], lab.variables['PHOENIX_LAB_NODE']]
    unpack = f'mkdir -p {target} && tar --extract --no-same-owner --directory {target}'
    subprocess.run([*command, unpack], input=archive, check=True, timeout=120)


@pytest.fixture
def controller(lab: Lab, tmp_path: Path) -> Lab:
    """The node with ansible-core, this collection and those that it needs, as the README says."""
    wheels = tmp_path / 'wheels'
    download = [sys.executable, '-m', 'pip', 'download', '--quiet', '--only-binary=:all:', '--python-version', PYTHON]
    # pip decides on 'only for Python below 3.13' by this Python, not by the node's.
    names = ['ansible-core<2.20', 'jsonschema', 'typing_extensions']
    subprocess.run([*download, '--dest', wheels, *names], check=True, timeout=300)
    push(lab, wheels, [path.name for path in wheels.iterdir()], f'{HERE}/wheels')
    push(lab, CHECKOUT, list(PARTS), f'{HERE}/collections/ansible_collections/phoenix/hypervisor')
    for place in shared_collections():
        push(lab, Path(place), [f'ansible_collections/{name}' for name in REQUIRED], f'{HERE}/collections')
    for name, content in (('phoenix.yml', SOURCE), ('phoenix_lxc_configs.json', {'lxc_configs': {}})):
        (tmp_path / name).write_text(json.dumps(content), encoding='utf-8')
    (tmp_path / 'hypervisor_config.json').write_text(json.dumps(WANTED), encoding='utf-8')
    push(lab, tmp_path, ['phoenix.yml', 'phoenix_lxc_configs.json', 'hypervisor_config.json'], HERE)
    install = f'{HERE}/venv/bin/pip install --quiet --no-index --find-links {HERE}/wheels ansible-core jsonschema'
    lab.sh(f'python3 -m venv {HERE}/venv && {install}')
    return lab


def test_a_run_on_the_node_shows_and_refuses(controller: Lab) -> None:
    lab = controller
    try:
        before = files(lab, WATCHED)
        for name in ('network', 'firewall'):
            words = f'-i phoenix.yml phoenix.hypervisor.hypervisor --tags hypervisor_{name}'
            play = f'cd {HERE} && ANSIBLE_COLLECTIONS_PATH=collections venv/bin/ansible-playbook {words}'
            assert 'changed=1' in lab.sh(f'{play} --check --diff')
            lab.forget_requests()
            refused = lab.sh(f'{play}; echo "ended with $?"', check=False)
            assert 'ended with 2' in refused
            assert f"The node's {name} is not changed by a run on the node itself" in refused
            assert (lab.mutations(), files(lab, WATCHED)) == ([], before)
    finally:
        lab.sh(f'rm -rf {HERE}')
