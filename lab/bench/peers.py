# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A settled fleet, against the module of community.proxmox that keeps containers, with a task for each state."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from support.site import Lab, Project

from bench import fleet
from bench.costs import alternating
from bench.figures import Figure, against
from bench.real import RealNode

COUNT = 10
LIMIT = 10.0
TOKEN = 'bench'
MODULE = 'community.proxmox.proxmox'


def access(lab: Lab) -> dict[str, object]:
    """What the module logs in with: a token of root's."""
    made = lab.sh(f'pvesh create /access/users/root@pam/token/{TOKEN} --privsep 0 --output-format json')
    return {
        'api_host': lab.variables['PHOENIX_LAB_NODE_IP'],
        'api_user': 'root@pam',
        'api_token_id': TOKEN,
        'api_token_secret': json.loads(made)['value'],
        'validate_certs': False,
    }


def playbook(lab: Lab) -> list[dict[str, object]]:
    """The same containers, present and started, in loops on the controller, as that collection's examples have it."""
    container = {'vmid': '{{ item }}', 'node': lab.variables['PHOENIX_LAB_NODE']}
    own = {'hostname': 'fleet-{{ item }}', 'ostemplate': fleet.TEMPLATE, 'disk': 'local:1', 'memory': 64}
    loop = list(range(fleet.FIRST, fleet.FIRST + COUNT))
    tasks = [
        # Not with `update`, which writes what it does not compare.
        {'name': 'Create', MODULE: {**container, **own, 'state': 'present', 'update': False}, 'loop': loop},
        {'name': 'Start', MODULE: {**container, 'state': 'started'}, 'loop': loop},
    ]
    defaults = {f'group/{MODULE.rpartition(".")[0]}.proxmox': access(lab)}
    return [{'hosts': 'all', 'gather_facts': False, 'module_defaults': defaults, 'tasks': tasks}]


def theirs(project: Project, inventory: str) -> None:
    """One run of that playbook, which must succeed."""
    project.inventory.write_text(inventory, encoding='utf-8')
    project.play(playbook=str(project.folder / 'peer.yml'), env=fleet.COLD).good()


def ours(project: Project, inventory: str) -> None:
    """One settled run."""
    project.inventory.write_text(inventory, encoding='utf-8')
    fleet.play(project)


def measure(lab: Lab, folder: Path) -> list[Figure]:
    """Both over one settled fleet, in turns. Not on a real node: it would get a token with all rights of root."""
    if isinstance(lab, RealNode):
        return []
    lab.sh(fleet.MAKE_TEMPLATE)
    fleet.cold_node(lab)
    project = Project(lab, folder)
    project.containers(**fleet.entries(COUNT))
    fleet.play(project, settled=False)
    project.write('peer.yml', json.dumps(playbook(lab)))
    local = {'ansible_connection': 'local', 'ansible_python_interpreter': '{{ ansible_playbook_python }}'}
    acts = {
        'community.proxmox': functools.partial(theirs, project, json.dumps({'all': {'hosts': {'localhost': local}}})),
        'the playbook': functools.partial(ours, project, project.inventory.read_text(encoding='utf-8')),
    }
    costs = alternating(acts, lab.node_seconds)
    figures = against(f'settled, {COUNT} containers, community.proxmox against the playbook', costs, LIMIT)
    return [Figure(figure.what, figure.value, LIMIT, ' times', True, figure.details, costs) for figure in figures]
