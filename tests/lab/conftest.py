# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab of the site tests: one a session, brought up by lab.py of the checkout under test and removed at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.site import TEMPLATE, WITH_PYTHON, Lab, Project

# Set while writing tests: the lab stays between sessions, which saves its second template.
KEEP = bool(os.environ.get('PHOENIX_LAB_KEEP'))
APT = 'DEBIAN_FRONTEND=noninteractive apt-get -q -y'
PYTHON = f'{APT} update && {APT} install --no-install-recommends python3 python3-apt'


@pytest.fixture(scope='session')
def site_lab() -> Iterator[Lab]:
    """The node, up, with a second template that has Python, so that only the tests of its absence install it."""
    if os.geteuid() != 0:
        pytest.skip('the lab needs root')
    if not shutil.which('apt-get'):
        pytest.skip('the lab needs Debian: apt-get is not here')
    lab = Lab()
    lab.up(keep=KEEP)
    if not lab.has_template(WITH_PYTHON):
        lab.sh(f'''set -e
pct create 999 {TEMPLATE} --rootfs local:2 --hostname python --unprivileged 0 --memory 512 \\
  --net0 name=eth0,bridge=vmbr0,ip=dhcp --start 1
left=300
until pct exec 999 -- ip -4 addr show eth0 | grep -q inet; do left=$((left-1)); [ $left -gt 0 ]; sleep 0.1; done
pct exec 999 -- sh -c '{PYTHON}' >/dev/null
pct stop 999
root=$(find /var/lib/vz/images/999 -maxdepth 2 -name etc -printf '%h\n')
tar -C $root --numeric-owner -cf - . | zstd -q -1 -o /var/lib/vz/template/cache/debian-12-python_12.7-1_amd64.tar.zst
pct destroy 999
''')
    yield lab
    if not KEEP:
        lab.run('down')


@pytest.fixture
def lab(site_lab: Lab) -> Lab:
    """The node as after its first boot."""
    site_lab.run('reset')
    return site_lab


@pytest.fixture
def project(lab: Lab, tmp_path: Path) -> Project:
    """An empty project for that node."""
    return Project(lab, tmp_path)
