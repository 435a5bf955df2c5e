# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers: a container that starts from one, against the same by hand; eight equal ones, against one."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from support.site import STATE, TEMPLATE, Lab, Project

from bench.costs import Cost, measured, median
from bench.figures import Figure, against
from bench.provision import BY_HAND, PACKAGES, provision

BY_HAND_CTID = 950
FIRST = 951
ROUNDS = 3
FLEET = range(955, 963)
ARCHIVES = '/var/lib/vz/template/cache/phoenix-layer-*'


def addresses(lab: Lab) -> set[str]:
    """The layers on the node."""
    return set(lab.sh(f"cd {STATE}/layers 2>/dev/null && ls | sed 's/.json$//' || true").split())


def write(project: Project, terminals: int, *ctids: int) -> None:
    """The containers of a run. Those with another number of terminals share no layer: none is there at first."""
    common = {'template': TEMPLATE, 'memory_mb': 512, 'features': ['base_setup'], 'tty': terminals}
    project.containers(**{f'_{ctid}': {**common, 'name': f'layered-{ctid}'} for ctid in ctids})


def measure(lab: Lab, folder: Path) -> list[Figure]:
    """By hand, the first container, which leaves a layer, the next ones, and a fleet that begins without one."""
    project = Project(lab, folder)
    source = json.loads(project.inventory.read_text(encoding='utf-8'))
    project.inventory.write_text(json.dumps({**source, 'layers': True}), encoding='utf-8')
    by_hand = BY_HAND.format(template=TEMPLATE, packages=PACKAGES, ctid=BY_HAND_CTID)
    before = addresses(lab)
    try:
        hand = measured(functools.partial(lab.sh, by_hand), lab.node_seconds)
        taken: list[Cost] = []
        for ctid in range(FIRST, FIRST + 1 + ROUNDS):
            write(project, 3, ctid)
            taken.append(measured(functools.partial(provision, project), lab.node_seconds))
        first, second = taken[0], median(taken[1:])
        write(project, 4, *FLEET)
        fleet = measured(functools.partial(provision, project), lab.node_seconds)
        left = addresses(lab) - before
    finally:
        for address in addresses(lab) - before:
            lab.sh(f'rm -f {STATE}/layers/{address}.json {ARCHIVES.replace("*", address)}.tar.zst')
    if len(left) != 2:
        raise RuntimeError(f'expected 2 new layers, found {len(left)}')
    next_one = 'the next container from a layer, against pct and shell by hand'
    return [
        *against(next_one, {'from the layer': second, 'by hand': hand}, 0.5),
        *against(f'{len(FLEET)} equal containers, against one', {str(len(FLEET)): fleet, 'one': first}, 3.0),
    ]
