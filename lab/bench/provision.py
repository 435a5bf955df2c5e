# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first provisioning, against the same done by hand with pct over SSH."""

from __future__ import annotations

import functools
from pathlib import Path

from support.site import TEMPLATE, Lab, Project

from bench.costs import Cost, measured, median
from bench.figures import Figure, against
from bench.fleet import COLD, PLAY, cold_node

ROUNDS = 3
FIRST = 960
# What the feature installs and sets by default.
PACKAGES = 'ca-certificates curl less locales tzdata'
BY_HAND = """set -e
pct create {ctid} {template} --hostname byhand --memory 512 --swap 0 --cores 1 --rootfs local:2 --unprivileged 1 \\
  --net0 name=eth0,bridge=vmbr0,ip=dhcp
pct start {ctid}
until pct exec {ctid} -- ip -4 addr show eth0 | grep -q inet; do sleep 0.1; done
pct exec {ctid} -- sh -c '
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update
  apt-get -q -y install --no-install-recommends python3 python3-apt {packages}
  echo "en_US.UTF-8 UTF-8" >> /etc/locale.gen; locale-gen; update-locale LANG=en_US.UTF-8' >/dev/null
"""


def provision(project: Project) -> None:
    """One run over the project's container."""
    project.play(playbook=PLAY, env=COLD).good()


def measure(lab: Lab, folder: Path) -> list[Figure]:
    """The same container by the playbook and by the commands that a person would type, in turns."""
    cold_node(lab)
    project = Project(lab, folder)
    taken: dict[str, list[Cost]] = {'the playbook': [], 'by hand': []}
    for turn in range(ROUNDS):
        ctid = FIRST + 2 * turn
        by_hand = BY_HAND.format(template=TEMPLATE, packages=PACKAGES, ctid=ctid + 1)
        project.containers(**{f'_{ctid}': {'template': TEMPLATE, 'memory_mb': 512, 'features': ['base_setup']}})
        # The hand first: whatever that warms up, it warms up for the product.
        taken['by hand'].append(measured(functools.partial(lab.sh, by_hand), lab.node_seconds))
        taken['the playbook'].append(measured(functools.partial(provision, project), lab.node_seconds))
        lab.sh(f'pct stop {ctid}; pct stop {ctid + 1}')
    costs = {name: median(rounds) for name, rounds in taken.items()}
    return against('first provisioning with base_setup, against pct and shell by hand', costs, 1.0)
