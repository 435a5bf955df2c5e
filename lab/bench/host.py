# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A settled hypervisor.yml, over a node with pools, datasets, storages, accounts and shares."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

from support import field_host
from support.disks import disks

from bench.costs import alternating
from bench.figures import Figure
from bench.fleet import COLD
from bench.node import BenchNode, BenchProject, LeftOut

PLAY = 'playbooks/hypervisor.yml'
LIMIT = 8.0


def settled(project: BenchProject) -> None:
    """One run that must find nothing to do."""
    run = project.play(playbook=PLAY, env=COLD).good()
    if re.search('changed=[1-9]', run.output):
        raise RuntimeError(f'not settled:\n{run.output}')


def measure(node: BenchNode, folder: Path) -> list[Figure]:
    """The run after the one that has set up the node."""
    if not node.is_lab:
        raise LeftOut('it would create pools and shares on the node')
    node.forget_warmth()
    project = BenchProject(node, folder)
    project.containers()
    project.write('hypervisor_config.json', json.dumps(field_host.config()))
    with disks(node, *field_host.DISKS, *field_host.FASTER):
        project.play(playbook=PLAY, env=COLD).good()
        costs = alternating({'settled': functools.partial(settled, project)}, node.node_seconds)
    cost = costs['settled']
    return [Figure('settled hypervisor.yml', cost.wall, LIMIT, ' s', details=str(cost), costs=costs)]
