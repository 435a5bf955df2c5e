# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten and forty tasks in a container: warm, against community.proxmox's connection and against our own without it."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from support.site import WITH_PYTHON, Lab, Project

from bench.costs import alternating
from bench.figures import Figure
from bench.fleet import COLD

CREATE = """set -e
pct create 952 {template} --hostname inside --memory 256 --rootfs local:2 --unprivileged 1
pct start 952
until pct exec 952 -- test -d /run/systemd/system; do sleep 0.1; done
"""
TASK = {'ansible.builtin.command': 'true', 'changed_when': False}
# By name: the connection, and whether modules run in the Python that waits.
WAYS = {
    'warm': ('phoenix.hypervisor.pct', True),
    'cold': ('phoenix.hypervisor.pct', False),
    'proxmox_pct_remote': ('community.proxmox.proxmox_pct_remote', False),
}


def good(project: Project, hosts: str, playbook: str) -> None:
    """Run a playbook that must succeed."""
    project.inventory.write_text(hosts, encoding='utf-8')
    project.play(playbook=playbook, env=COLD).good()


def inventory(lab: Lab, connection: str, warm: bool) -> str:
    """An inventory with the container as its one host."""
    login = lab.login
    common = {
        'ansible_host': login['ansible_host'],
        'ansible_user': 'root',
        'ansible_connection': connection,
        'ansible_python_interpreter': '/usr/bin/python3',
    }
    own: dict[str, object] = {**login, 'phoenix_ctid': 952, 'phoenix_node': lab.variables['PHOENIX_LAB_NODE']}
    own['phoenix_warm_interpreter'] = warm
    if not connection.startswith('phoenix'):
        key = login.get('ansible_ssh_private_key_file')
        own = {
            'proxmox_vmid': 952,
            'ansible_host_key_checking': False,
            **({'ansible_private_key_file': key} if key else {}),
        }
    return json.dumps({'all': {'hosts': {'inside': {**common, **own}}}})


def measure(lab: Lab, folder: Path) -> list[Figure]:
    """The same plays through each; what ansible-playbook takes without any task is taken off all."""
    project = Project(lab, folder)
    lab.add_python_template()
    lab.sh(CREATE.format(template=WITH_PYTHON))
    books = {}
    for count in (0, 10, 40):
        tasks = [{'name': f'Task {index}', **TASK} for index in range(count)]
        play = {'name': 'Tasks', 'hosts': 'all', 'gather_facts': False, 'tasks': tasks}
        project.write(f'{count}.yml', json.dumps([play]))
        books[count] = str(folder / f'{count}.yml')
    hosts = {name: inventory(lab, *way) for name, way in WAYS.items()}
    good(project, hosts['cold'], books[10])  # opens the shared connection, which a run leaves open for the next
    figures = []
    for count, limit in ((10, 40.0), (40, 100.0)):
        acts = {name: functools.partial(good, project, text, books[count]) for name, text in hosts.items()}
        acts['none'] = functools.partial(good, project, hosts['cold'], books[0])
        costs = alternating(acts, lab.node_seconds, 3 if count == 10 else 1)
        wall = {name: costs[name].wall - costs['none'].wall for name in WAYS}
        details = ', '.join(f'{name} {1000 * seconds / count:.0f} ms a task' for name, seconds in wall.items())
        for name, than in (('proxmox_pct_remote', limit), ('cold', 3.0)):
            what = f'{count} tasks in a container, warm against {name}'
            ratio = wall[name] / wall['warm']
            figures.append(Figure(what, ratio, than, ' times faster', at_least=True, details=details, costs=costs))
    return figures
