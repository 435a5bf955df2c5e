# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first provisioning, against the same done by hand with pct over SSH."""

from __future__ import annotations

import functools
from pathlib import Path

from bench.costs import ROUNDS, Cost, measured, median
from bench.figures import Figure, against
from bench.fleet import COLD, PLAY
from bench.node import BenchNode, BenchProject

CTIDS = range(960, 960 + 2 * ROUNDS)
# What the feature installs and sets by default.
PACKAGES = 'ca-certificates curl less locales tzdata'
BY_HAND = """set -e
{create}
pct start {ctid}
{await_address}
pct exec {ctid} -- sh -c '
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update
  apt-get -q -y install --no-install-recommends python3 python3-apt {packages}
  echo "en_US.UTF-8 UTF-8" >> /etc/locale.gen; locale-gen; update-locale LANG=en_US.UTF-8' >/dev/null
"""


def by_hand(node: BenchNode, ctid: int) -> str:
    """The script of the commands that a person would type."""
    create = node.create(ctid, '--memory 512 --swap 0 --cores 1')
    return BY_HAND.format(create=create, await_address=node.has_address(ctid), packages=PACKAGES, ctid=ctid)


def provision(project: BenchProject) -> None:
    """One run over the project's container."""
    project.play(playbook=PLAY, env=COLD).good()


def measure(node: BenchNode, folder: Path) -> list[Figure]:
    """The same container by the playbook and by the commands that a person would type, in turns."""
    node.forget_warmth()
    project = BenchProject(node, folder)
    taken: dict[str, list[Cost]] = {'the playbook': [], 'by hand': []}
    for ctid in CTIDS[::2]:
        project.containers(**{f'_{ctid}': {'memory_mb': 512, 'features': ['base_setup']}})
        # The hand first: whatever that warms up, it warms up for the product.
        hand = functools.partial(node.sh, by_hand(node, ctid + 1))
        taken['by hand'].append(measured(hand, node.node_seconds))
        taken['the playbook'].append(measured(functools.partial(provision, project), node.node_seconds))
        node.sh(f'pct stop {ctid}; pct stop {ctid + 1}')
    costs = {name: median(rounds) for name, rounds in taken.items()}
    return against('first provisioning with base_setup, against pct and shell by hand', costs, 1.0)
