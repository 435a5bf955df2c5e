# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first provisioning, against the same done by hand with pct over SSH."""

from __future__ import annotations

from pathlib import Path

from support.site import TEMPLATE, Lab, Project

from bench.figures import Figure, seconds

# What the feature installs and sets by default.
PACKAGES = 'ca-certificates curl less locales tzdata'
BY_HAND = """set -e
pct create 951 {template} --hostname byhand --memory 512 --swap 0 --cores 1 --rootfs local:2 --unprivileged 1 \\
  --net0 name=eth0,bridge=vmbr0,ip=dhcp
pct start 951
until pct exec 951 -- ip -4 addr show eth0 | grep -q inet; do sleep 0.1; done
pct exec 951 -- sh -c '
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update
  apt-get -q -y install --no-install-recommends python3 python3-apt {packages}
  echo "en_US.UTF-8 UTF-8" >> /etc/locale.gen; locale-gen; update-locale LANG=en_US.UTF-8' >/dev/null
"""


def measure(lab: Lab, folder: Path) -> list[Figure]:
    """The same container twice: by the playbook, and by the commands that a person would type."""
    project = Project(lab, folder)
    project.containers(_950={'template': TEMPLATE, 'memory_mb': 512, 'features': ['base_setup']})
    # The hand first: whatever that warms up, it warms up for the product.
    hand = seconds(lambda: lab.sh(BY_HAND.format(template=TEMPLATE, packages=PACKAGES)))
    product = seconds(lambda: project.play(playbook='playbooks/containers.yml').good())
    details = f'{product:.1f} s against {hand:.1f} s'
    return [Figure('first provisioning, against pct and shell by hand', product / hand, 1.3, ' times', details=details)]
