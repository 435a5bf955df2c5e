# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A settled fleet, against the module of community.proxmox that keeps containers, with a task for each state."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from bench import fleet
from bench.costs import alternating
from bench.figures import Figure, against
from bench.node import MARK, BenchNode, BenchProject, LeftOut

COUNT = 10
LIMIT = 10.0
TOKEN = 'bench'
MODULE = 'community.proxmox.proxmox'


def access(node: BenchNode) -> dict[str, object]:
    """What the module logs in with: a token of root's."""
    made = node.sh(f'pvesh create /access/users/root@pam/token/{TOKEN} --privsep 0 --output-format json')
    return {
        'api_host': node.variables['PHOENIX_LAB_NODE_IP'],
        'api_user': 'root@pam',
        'api_token_id': TOKEN,
        'api_token_secret': json.loads(made)['value'],
        'validate_certs': False,
    }


def playbook(node: BenchNode, template: str) -> list[dict[str, object]]:
    """The same containers, present and started, in loops on the controller, as that collection's examples have it."""
    container = {'vmid': '{{ item }}', 'node': node.variables['PHOENIX_LAB_NODE']}
    own = {'hostname': MARK + '{{ item }}', 'ostemplate': template, 'disk': 'local:1', 'memory': 64}
    loop = list(range(fleet.FIRST, fleet.FIRST + COUNT))
    tasks = [
        # Not with `update`, which writes what it does not compare.
        {'name': 'Create', MODULE: {**container, **own, 'state': 'present', 'update': False}, 'loop': loop},
        {'name': 'Start', MODULE: {**container, 'state': 'started'}, 'loop': loop},
    ]
    defaults = {f'group/{MODULE.rpartition(".")[0]}.proxmox': access(node)}
    return [{'hosts': 'all', 'gather_facts': False, 'module_defaults': defaults, 'tasks': tasks}]


def theirs(project: BenchProject, inventory: str) -> None:
    """One run of that playbook, which must succeed."""
    project.inventory.write_text(inventory, encoding='utf-8')
    project.play(playbook=str(project.folder / 'peer.yml'), env=fleet.COLD).good()


def ours(project: BenchProject, inventory: str) -> None:
    """One settled run."""
    project.inventory.write_text(inventory, encoding='utf-8')
    fleet.play(project)


def measure(node: BenchNode, folder: Path) -> list[Figure]:
    """Both over one settled fleet, in turns."""
    if not node.is_lab:
        raise LeftOut('it would create a token with all rights of root on the node')
    template = node.tiny()
    node.forget_warmth()
    project = BenchProject(node, folder)
    project.containers(**fleet.entries(COUNT, template))
    fleet.play(project, settled=False)
    project.write('peer.yml', json.dumps(playbook(node, template)))
    local = {'ansible_connection': 'local', 'ansible_python_interpreter': '{{ ansible_playbook_python }}'}
    acts = {
        'community.proxmox': functools.partial(theirs, project, json.dumps({'all': {'hosts': {'localhost': local}}})),
        'the playbook': functools.partial(ours, project, project.inventory.read_text(encoding='utf-8')),
    }
    costs = alternating(acts, node.node_seconds)
    figures = against(f'settled, {COUNT} containers, community.proxmox against the playbook', costs, LIMIT)
    return [Figure(figure.what, figure.value, LIMIT, ' times', True, figure.details, costs) for figure in figures]
