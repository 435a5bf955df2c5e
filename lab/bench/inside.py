# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten tasks in a container: this connection plugin against community.proxmox's."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from support.site import WITH_PYTHON, Lab, Project

from bench.figures import Figure, seconds

CREATE = """set -e
pct create 952 {template} --hostname inside --memory 256 --rootfs local:2 --unprivileged 1
pct start 952
until pct exec 952 -- test -d /run/systemd/system; do sleep 0.1; done
"""
TASKS = [{'name': f'Task {index}', 'ansible.builtin.command': 'true', 'changed_when': False} for index in range(10)]


def good(project: Project, playbook: str) -> None:
    """Run a playbook that must succeed."""
    project.play(playbook=playbook).good()


def inventory(lab: Lab, connection: str) -> str:
    """An inventory with the container as its one host."""
    login = lab.login
    common = {
        'ansible_host': login['ansible_host'],
        'ansible_user': 'root',
        'ansible_connection': connection,
        'ansible_python_interpreter': '/usr/bin/python3',
    }
    own: dict[str, object] = {**login, 'phoenix_ctid': 952, 'phoenix_node': lab.variables['PHOENIX_LAB_NODE']}
    if not connection.startswith('phoenix'):
        key = login.get('ansible_ssh_private_key_file')
        own = {
            'proxmox_vmid': 952,
            'ansible_host_key_checking': False,
            **({'ansible_private_key_file': key} if key else {}),
        }
    return json.dumps({'all': {'hosts': {'inside': {**common, **own}}}})


def measure(lab: Lab, folder: Path) -> list[Figure]:
    """The same play through both; what ansible-playbook takes without any task is taken off both."""
    project = Project(lab, folder)
    lab.add_python_template()
    lab.sh(CREATE.format(template=WITH_PYTHON))
    play = {'name': 'Ten tasks', 'hosts': 'all', 'gather_facts': False}
    project.write('ten.yml', json.dumps([{**play, 'tasks': TASKS}]))
    project.write('none.yml', json.dumps([{**play, 'tasks': []}]))
    taken = {}
    for name, connection in {'pct': 'phoenix.hypervisor.pct', 'theirs': 'community.proxmox.proxmox_pct_remote'}.items():
        project.inventory.write_text(inventory(lab, connection), encoding='utf-8')
        ten, none = (str(folder / name) for name in ('ten.yml', 'none.yml'))
        project.play(playbook=ten).good()  # opens the shared connection, which a run leaves open for the next
        taken[name] = seconds(functools.partial(good, project, ten), 3)
        taken[name] -= seconds(functools.partial(good, project, none), 3)
    details = f'{taken["theirs"]:.1f} s against {taken["pct"]:.1f} s'
    what = 'ten tasks in a container, against proxmox_pct_remote'
    return [Figure(what, taken['theirs'] / taken['pct'], 5.0, ' times faster', at_least=True, details=details)]
