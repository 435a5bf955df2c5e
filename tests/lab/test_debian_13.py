# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""base_setup and docker in a guest of another release than the node's: Debian 13, from a small template."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.site import SITE, Lab, Project

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'lab'))

from phoenix_lab import images

CTID = 961
RELEASE = 'trixie'
TEMPLATE = 'local:vztmpl/debian-13-lab.tar.zst'


def add_template(lab: Lab) -> None:
    """The template on the node's storage."""
    if lab.has_template(TEMPLATE):
        return
    place = '/var/lib/vz/template/cache/' + TEMPLATE.rpartition('/')[2]
    command = ['ssh', '-F', lab.variables['PHOENIX_LAB_SSH_CONFIG'], lab.variables['PHOENIX_LAB_NODE']]
    with images.template_of(RELEASE).open('rb') as archive:
        subprocess.run([*command, f'cat > {place}.part && mv {place}.part {place}'], stdin=archive, check=True)


@pytest.fixture(scope='module')
def trixie(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A guest of Debian 13 with both features."""
    site_lab.run('reset')
    add_template(site_lab)
    project = Project(site_lab, tmp_path_factory.mktemp('trixie'))
    project.write('group_vars/containers.yml', json.dumps({'base_setup_timezone': 'Europe/Vienna'}))
    project.containers(
        _961={
            'name': 'trixie',
            'template': TEMPLATE,
            'storage_size_gb': 4,
            'memory_mb': 1024,
            'cores': 2,
            'pct_options': ['nesting=1', 'keyctl=1'],
            'features': ['base_setup', 'docker'],
        }
    )
    project.play(playbook=SITE).good()
    return project


def test_it_is_debian_13_with_its_base(trixie: Project) -> None:
    guest = trixie.lab.guest
    assert f'VERSION_CODENAME={RELEASE}' in guest(CTID, 'cat /etc/os-release')
    assert 'LANG=en_US.UTF-8' in guest(CTID, 'cat /etc/default/locale')
    assert guest(CTID, 'locale -a').count('en_US.utf8') == 1
    assert guest(CTID, 'readlink /etc/localtime').strip() == '/usr/share/zoneinfo/Europe/Vienna'


def test_docker_has_overlay2_and_compose(trixie: Project) -> None:
    info = json.loads(trixie.lab.guest(CTID, 'docker info --format "{{json .}}"'))
    assert info['Driver'] == 'overlay2'
    assert 'Docker Compose version' in trixie.lab.guest(CTID, 'docker compose version')


def test_nothing_of_the_trial_start_is_left(trixie: Project) -> None:
    assert trixie.lab.guest(CTID, 'docker ps --all --quiet; docker image ls --quiet') == ''


def test_second_run_makes_no_mutating_call(trixie: Project) -> None:
    trixie.lab.forget_requests()
    assert trixie.play().good().changed == 0
    assert trixie.lab.mutations() == []
