# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers: a container that starts from one, against the same by hand; eight equal ones, against one."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from support.site import STATE

from bench.costs import ROUNDS, Cost, measured, median
from bench.figures import Figure, against
from bench.node import BenchNode, BenchProject
from bench.provision import by_hand, provision

FIRST = 1000
EQUAL = 8
# By hand, the first container, which leaves a layer, the next one, and the fleet.
EACH = 3 + EQUAL
CTIDS = range(FIRST, FIRST + EACH * min(ROUNDS, 3))
# Containers with another number of terminals share no layer. Two is the default, which a layer on a real node may have.
TERMINALS = (0, 1, 3, 4, 5, 6)


def addresses(node: BenchNode) -> set[str]:
    """The layers on the node."""
    return set(node.sh(f"cd {STATE}/layers 2>/dev/null && ls | sed -n 's/[.]json$//p' || true").split())


def write(project: BenchProject, terminals: int, ctids: range) -> None:
    """The containers of a run."""
    common = {'memory_mb': 512, 'features': ['base_setup'], 'tty': terminals}
    project.containers(**{f'_{ctid}': common for ctid in ctids})


def measure(node: BenchNode, folder: Path) -> list[Figure]:
    """By hand, the first container, which leaves a layer, the next one, and a fleet without one, in turns."""
    project = BenchProject(node, folder)
    source = json.loads(project.inventory.read_text(encoding='utf-8'))
    project.inventory.write_text(json.dumps({**source, 'layers': node.layers() or True}), encoding='utf-8')
    before = addresses(node)
    taken: dict[str, list[Cost]] = {'by hand': [], 'one': [], 'from the layer': [], str(EQUAL): []}
    run = functools.partial(provision, project)
    for turn in range(len(CTIDS) // EACH):
        hand, one, following = (CTIDS[turn * EACH + place] for place in range(3))
        script = functools.partial(node.sh, by_hand(node, hand))
        taken['by hand'].append(measured(script, node.node_seconds))
        for name, ctid in (('one', one), ('from the layer', following)):
            write(project, TERMINALS[2 * turn], range(ctid, ctid + 1))
            taken[name].append(measured(run, node.node_seconds))
        fleet = range(following + 1, following + 1 + EQUAL)
        write(project, TERMINALS[2 * turn + 1], fleet)
        taken[str(EQUAL)].append(measured(run, node.node_seconds))
        node.sh(f'for ctid in $(seq {hand} {fleet[-1]}); do pct stop $ctid; done')
    left = len(addresses(node) - before)
    if left != 2 * len(taken['one']):
        raise RuntimeError(f'expected {2 * len(taken["one"])} new layers, found {left}')
    costs = {name: median(rounds) for name, rounds in taken.items()}
    layered = {name: costs[name] for name in ('from the layer', 'by hand')}
    equal = {name: costs[name] for name in (str(EQUAL), 'one')}
    return [
        *against('the next container from a layer, against pct and shell by hand', layered, 0.5),
        *against(f'{EQUAL} equal containers, against one', equal, 3.0),
    ]
