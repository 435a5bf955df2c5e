# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets: what the run costs that finds nothing to do, and what clones of one template cost."""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path

from support.site import Project, ansible

from bench import stopped
from bench.costs import ROUNDS, Cost, alternating, measured, median
from bench.figures import Figure, against
from bench.node import BenchNode, BenchProject, LeftOut

FIRST = 1000
FIRST_STOPPED = 5000
STOPPED = 1000
CLONES = 8
PLAY = 'playbooks/containers.yml'
# A user's run: what the tests keep from one to the next is not kept for it.
COLD = {
    'LAB_WARM': '',
    'PYTHONPATH': '',
    'PYTHONDONTWRITEBYTECODE': '',
    'ANSIBLE_CALLBACKS_ENABLED': 'phoenix.hypervisor.phoenix_log',
}


def ctids(count: int) -> range:
    """The CTIDs of so many containers."""
    return range(FIRST, FIRST + count)


def entries(count: int, template: str, first: int = FIRST, **more: object) -> dict[str, dict[str, object]]:
    """Containers that run and have no features."""
    common = {'template': template, 'storage_size_gb': 1, 'memory_mb': 64, 'network_config': None, **more}
    return {f'_{first + index}': common for index in range(count)}


CLONED = ctids(ROUNDS * (CLONES + 1))


def play(project: Project, *words: str, settled: bool = True) -> None:
    """One run as a user has it."""
    run = project.play(*words, playbook=PLAY, env=COLD, timeout=7200).good()
    if settled and re.search('changed=[1-9]', run.output):
        raise RuntimeError(f'not settled:\n{run.output}')


def empty(project: Project) -> None:
    """What ansible-playbook takes without anything to do: one host of a plain inventory, and no task."""
    playbook = project.write('empty.yml', '[{hosts: all, gather_facts: false, tasks: []}]')
    plain = project.write('plain.yml', 'all: {hosts: {node: {}}}')
    command = [ansible('ansible-playbook'), '-i', str(plain), str(playbook)]
    subprocess.run(command, env=project.environment(**COLD), stdout=subprocess.DEVNULL, check=True)


def measure(node: BenchNode, folder: Path, size: int) -> list[Figure]:
    """The settled run over fleets of several sizes, in turns with an empty play; then over stopped containers."""
    template = node.tiny()
    node.forget_warmth()
    project = BenchProject(node, folder)
    project.containers(**entries(size, template))
    play(project, '--forks', '4', settled=False)

    def settled(count: int) -> None:
        project.containers(**entries(count, template))
        play(project)

    sizes = sorted({1, *(count for count in (10, 50, size) if count <= size)})
    acts = {count: functools.partial(settled, count) for count in sizes}
    figures = []
    try:
        calls = node.calls(functools.partial(settled, size)) / size
        figures.append(Figure('PVE calls for a settled container', calls, 2.0))
    except LeftOut as reason:
        settled(size)
        print(f'left out: PVE calls for a settled container: {reason}', flush=True)
    costs = alternating(
        {'an empty play': functools.partial(empty, project), **{str(count): act for count, act in acts.items()}},
        node.node_seconds,
    )
    one = costs['1']
    figures += against('settled, 1 container against an empty play', {'1': one, 'empty': costs['an empty play']}, 2.0)
    for count in sizes[1:]:
        figures += against(f'settled, {count} containers against 1', {str(count): costs[str(count)], '1': one}, 2.0)
    what = f'settled, {STOPPED} stopped containers against 1'
    if node.is_lab:
        figures += against(what, {str(STOPPED): many(node, project, template), '1': one}, 2.5)
    else:
        print(f'left out: {what}: it writes the configs of containers that have no volumes into /etc/pve', flush=True)
    return figures


def many(node: BenchNode, project: BenchProject, template: str) -> Cost:
    """The settled run over many stopped containers."""
    some = functools.partial(entries, template=template, first=FIRST_STOPPED, target_state='configured')
    project.containers(**some(1))
    play(project, settled=False)
    node.sh(stopped.script(FIRST_STOPPED, STOPPED))
    project.containers(**some(STOPPED))
    return alternating({'': functools.partial(play, project)}, node.node_seconds)['']


def clones(node: BenchNode, folder: Path) -> list[Figure]:
    """A template with a feature and its linked clones, against the template alone: the medians of whole rounds."""
    storage = node.linking()
    node.forget_warmth()
    project = BenchProject(node, folder)
    both, alone = [], []
    for turn in range(ROUNDS):
        first = FIRST + turn * (CLONES + 1)
        containers: dict[str, dict[str, object]] = {
            f'_{first}': {'storage_pool': storage, 'features': ['base_setup'], 'is_template': True}
        }
        project.containers(**containers)
        template = measured(functools.partial(play, project, settled=False), node.node_seconds)
        own = {'template': None, 'storage_pool': None, 'storage_size_gb': None, 'unprivileged': None}
        for index in range(1, CLONES + 1):
            containers[f'_{first + index}'] = {**own, 'clone_from_ctid': first, 'features': ['base_setup']}
        project.containers(**containers)
        rest = measured(functools.partial(play, project, settled=False), node.node_seconds)
        alone.append(template)
        both.append(template.plus(rest))
        node.sh(f'for ctid in $(seq {first + 1} {first + CLONES}); do pct stop $ctid; done')
    return against(
        f'a template and {CLONES} linked clones, against the template',
        {'both': median(both), 'template': median(alone)},
        2.0,
    )
