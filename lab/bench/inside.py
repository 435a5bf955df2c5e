# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten and forty tasks in a container: warm, against community.proxmox's connection and against our own without it."""

from __future__ import annotations

import functools
import json
import statistics
from pathlib import Path

from bench.costs import ROUNDS, alternating, task_seconds
from bench.figures import Figure
from bench.fleet import COLD
from bench.node import BenchNode, BenchProject

CTID = 952
# The other plugin writes the keys of hosts into the user's known_hosts unless it is forbidden.
PLAIN = {**COLD, 'ANSIBLE_PARAMIKO_RECORD_HOST_KEYS': 'false'}
TASK = {'ansible.builtin.command': 'true', 'changed_when': False}
# By name: the connection, and whether modules run in the Python that waits.
WAYS = {
    'warm': ('phoenix.hypervisor.pct', True),
    'cold': ('phoenix.hypervisor.pct', False),
    'proxmox_pct_remote': ('community.proxmox.proxmox_pct_remote', False),
}


def good(project: BenchProject, hosts: str, playbook: str, trail: Path) -> None:
    """Run a playbook that must succeed; its tasks go to the trail of the controller in this folder."""
    project.inventory.write_text(hosts, encoding='utf-8')
    project.play(playbook=playbook, env={**PLAIN, 'PHOENIX_LOG_DIR': str(trail)}).good()


def inventory(node: BenchNode, connection: str, warm: bool) -> str:
    """An inventory with the container as its one host."""
    common = {
        'ansible_user': 'root',
        'ansible_connection': connection,
        'ansible_python_interpreter': '/usr/bin/python3',
    }
    if connection.startswith('phoenix'):
        name = node.variables['PHOENIX_LAB_NODE']
        own = {**node.login, 'phoenix_ctid': CTID, 'phoenix_node': name, 'phoenix_warm_interpreter': warm}
    else:
        own = {**node.other_login(), 'proxmox_vmid': CTID, 'ansible_host_key_checking': False}
    return json.dumps({'all': {'hosts': {'inside': {**common, **own}}}})


def measure(node: BenchNode, folder: Path) -> list[Figure]:
    """The same plays through each; what ansible-playbook takes without any task is taken off all."""
    project = BenchProject(node, folder)
    node.create_with_python(CTID)
    books = {}
    for count in (0, 10, 40):
        tasks = [{'name': f'Task {index}', **TASK} for index in range(count)]
        play = {'name': 'Tasks', 'hosts': 'all', 'gather_facts': False, 'tasks': tasks}
        project.write(f'{count}.yml', json.dumps([play]))
        books[count] = str(folder / f'{count}.yml')
    hosts = {name: inventory(node, *way) for name, way in WAYS.items()}
    trails = {name: folder / f'trail-{name}' for name in (*hosts, 'none')}
    # Opens the shared connection, which a run leaves open for the next.
    good(project, hosts['cold'], books[10], trails['none'])
    figures = []
    for count, limit in ((10, 40.0), (40, 100.0)):
        acts = {
            name: functools.partial(good, project, text, books[count], trails[name]) for name, text in hosts.items()
        }
        acts['none'] = functools.partial(good, project, hosts['cold'], books[0], trails['none'])
        costs = alternating(acts, node.node_seconds, ROUNDS if count == 10 else 1)
        wall = {name: costs[name].wall - costs['none'].wall for name in WAYS}
        details = ', '.join(f'{name} {1000 * seconds / count:.0f} ms a task' for name, seconds in wall.items())
        what = f'{count} tasks in a container, warm against proxmox_pct_remote'
        ratio = wall['proxmox_pct_remote'] / wall['warm']
        figures.append(Figure(what, ratio, limit, ' times faster', at_least=True, details=details, costs=costs))
    median = 1000 * statistics.median(task_seconds(trails['warm']))
    figures.append(Figure('a task in a container, warm, the median of all', median, 80.0, ' ms'))
    return figures
