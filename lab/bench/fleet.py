# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets: what the run costs that finds nothing to do, and what clones of one template cost."""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path

from support import warm
from support.site import TANK, Lab, Project, ansible
from support.site import TEMPLATE as DEBIAN

from bench import stopped
from bench.costs import Cost, alternating, measured
from bench.figures import Figure, against
from bench.real import RealNode

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
TEMPLATE = 'local:vztmpl/bench-1_amd64.tar.gz'
# The smallest system that boots: so many containers are to run on one small machine.
MAKE_TEMPLATE = """set -e
apt-get -q update >/dev/null
apt-get -q -y install busybox-static >/dev/null
mkdir -p /tmp/tiny && cd /tmp/tiny
mkdir -p bin sbin etc dev proc sys run tmp root var/lib usr/bin usr/sbin
cp /usr/bin/busybox bin/busybox 2>/dev/null || cp /bin/busybox bin/busybox
for name in sh cat ls ip mkdir mv rm cp chmod sync test hostname env stat sleep; do ln -sf busybox bin/$name; done
ln -sf ../bin/busybox sbin/init
printf '::sysinit:/bin/true\\n::respawn:/bin/sleep 100000\\n::shutdown:/bin/true\\n' > etc/inittab
printf 'root:x:0:0:root:/root:/bin/sh\\n' > etc/passwd
printf 'root:x:0:\\n' > etc/group
printf 'ID=debian\\nVERSION_ID="12"\\n' > etc/os-release
echo 12.7 > etc/debian_version
tar -czf /var/lib/vz/template/cache/bench-1_amd64.tar.gz .
"""


def entries(count: int) -> dict[str, dict[str, object]]:
    """Containers that run and have no features."""
    common = {'template': TEMPLATE, 'storage_size_gb': 1, 'memory_mb': 64, 'network_config': None}
    return {f'_{FIRST + index}': {**common, 'name': f'fleet-{index}'} for index in range(count)}


def stopped_entries(count: int) -> dict[str, dict[str, object]]:
    """Containers that are configured and not to run."""
    common = {**entries(1)[f'_{FIRST}'], 'target_state': 'configured'}
    return {f'_{FIRST_STOPPED + index}': {**common, 'name': f'stopped-{index}'} for index in range(count)}


def play(project: Project, *words: str, settled: bool = True) -> None:
    """One run as a user has it."""
    run = project.play(*words, playbook=PLAY, env=COLD, timeout=7200).good()
    if settled and re.search('changed=[1-9]', run.output):
        raise RuntimeError(f'not settled:\n{run.output}')


def cold_node(lab: Lab) -> None:
    """Let the node's Python keep nothing either."""
    lab.sh(f'rm -f {warm.SITE}/{warm.ON_NODE}.*')


def empty(project: Project) -> None:
    """What ansible-playbook takes without anything to do: one host of a plain inventory, and no task."""
    playbook = project.write('empty.yml', '[{hosts: all, gather_facts: false, tasks: []}]')
    plain = project.write('plain.yml', 'all: {hosts: {node: {}}}')
    command = [ansible('ansible-playbook'), '-i', str(plain), str(playbook)]
    subprocess.run(command, env=project.environment(**COLD), stdout=subprocess.DEVNULL, check=True)


def measure(lab: Lab, folder: Path, size: int) -> list[Figure]:
    """The settled run over fleets of several sizes, in turns with an empty play; then over stopped containers."""
    lab.sh(MAKE_TEMPLATE)
    cold_node(lab)
    project = Project(lab, folder)
    project.containers(**entries(size))
    play(project, '--forks', '4', settled=False)

    def settled(count: int) -> None:
        project.containers(**entries(count))
        play(project)

    sizes = sorted({1, *(count for count in (10, 50, size) if count <= size)})
    acts = {count: functools.partial(settled, count) for count in sizes}
    lab.forget_requests()
    settled(size)
    calls = len(lab.requests()) / size
    costs = alternating(
        {'an empty play': functools.partial(empty, project), **{str(count): act for count, act in acts.items()}},
        lab.node_seconds,
    )
    one = costs['1']
    figures = against('settled, 1 container against an empty play', {'1': one, 'empty': costs['an empty play']}, 2.0)
    for count in sizes[1:]:
        figures += against(f'settled, {count} containers against 1', {str(count): costs[str(count)], '1': one}, 2.0)
    if not isinstance(lab, RealNode):
        figures += against(
            f'settled, {STOPPED} stopped containers against 1', {str(STOPPED): many(lab, project), '1': one}, 2.5
        )
    return [*figures, Figure('PVE calls for a settled container', calls, 2.0)]


def many(lab: Lab, project: Project) -> Cost:
    """The settled run over many stopped containers."""
    project.containers(**stopped_entries(1))
    play(project, settled=False)
    lab.sh(stopped.script(FIRST_STOPPED, STOPPED))
    project.containers(**stopped_entries(STOPPED))
    return alternating({'': functools.partial(play, project)}, lab.node_seconds)['']


def clones(lab: Lab, folder: Path) -> list[Figure]:
    """A template with a feature and its linked clones, against the template alone."""
    lab.sh(TANK)
    cold_node(lab)
    project = Project(lab, folder)
    template = {
        f'_{FIRST}': {'template': DEBIAN, 'storage_pool': 'tank', 'features': ['base_setup'], 'is_template': True}
    }
    project.containers(**template)
    first = measured(functools.partial(play, project, settled=False), lab.node_seconds)
    own = {'template': None, 'storage_pool': None, 'storage_size_gb': None, 'unprivileged': None}
    for index in range(1, CLONES + 1):
        template[f'_{FIRST + index}'] = {
            **own,
            'name': f'clone-{index}',
            'clone_from_ctid': FIRST,
            'features': ['base_setup'],
        }
    project.containers(**template)
    rest = measured(functools.partial(play, project, settled=False), lab.node_seconds)
    both = Cost(first.wall + rest.wall, first.controller + rest.controller, first.node + rest.node)
    return against(
        f'a template and {CLONES} linked clones, against the template', {'both': both, 'template': first}, 2.0
    )
