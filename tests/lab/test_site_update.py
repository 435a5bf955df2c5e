# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a real container updated under a snapshot or a backup: a good update stays, a bad one goes back."""

from __future__ import annotations

import base64
import gzip
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.site import TANK, Lab, Project, Run

UPDATE = 'playbooks/update.yml'
CONTROL = """Package: phoenix-demo
Version: {version}
Architecture: all
Maintainer: the lab <lab@localhost>
Description: a package of the lab
"""


def published(folder: Path, version: str, works: bool) -> str:
    """The script that puts a version of the package into the container's own repository, its only source."""
    root = folder / version
    (root / 'DEBIAN').mkdir(parents=True)
    (root / 'DEBIAN' / 'control').write_text(CONTROL.format(version=version), encoding='utf-8')
    tool = root / 'usr' / 'local' / 'bin' / 'demo'
    tool.parent.mkdir(parents=True)
    tool.write_text(f'#!/bin/sh\necho {version}\nexit {0 if works else 1}\n', encoding='utf-8')
    tool.chmod(0o755)
    root.chmod(0o755)
    file = folder / f'phoenix-demo_{version}_all.deb'
    subprocess.run(['dpkg-deb', '--root-owner-group', '--build', root, file], check=True, capture_output=True)
    content = file.read_bytes()
    about = f'Filename: ./{file.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n'
    packages = gzip.compress((CONTROL.format(version=version) + about).encode())
    return (
        f'mkdir -p /srv/repo && cd /srv/repo && echo {base64.b64encode(content).decode()} | base64 -d > {file.name} && '
        f'echo {base64.b64encode(packages).decode()} | base64 -d > Packages.gz && '
        # apt takes a list of the same second for the same list.
        f'touch -d "2026-01-01 00:{version.rpartition(".")[2]}:00" Packages.gz && rm -rf /etc/apt/sources.list.d/* && '
        'echo "deb [trusted=yes] file:/srv/repo ./" > /etc/apt/sources.list'
    )


def update(project: Project, *words: str) -> Run:
    """One run of the playbook."""
    project.lab.forget_requests()
    return project.play(*words, playbook=UPDATE)


@pytest.fixture
def node_package(lab: Lab, tmp_path: Path) -> Iterator[None]:
    """A node with nothing but a repository of its own, which has a newer version of the package."""
    lab.sh('cp -a /etc/apt /root/kept-apt')
    try:
        folder = tmp_path / 'node'
        lab.sh(f'{published(folder, "1.0", True)} && apt-get -qq update && apt-get -qq -y install phoenix-demo')
        lab.sh(published(folder, '1.1', works=True))
        yield
    finally:
        lab.sh('rm -rf /etc/apt && mv /root/kept-apt /etc/apt && dpkg --purge phoenix-demo && rm -rf /srv/repo')


def calls(lab: Lab) -> list[str]:
    """What the control plane was asked to do with the container."""
    return [f"{call['method']} {call['path'].rpartition('/950')[2] or call['path']}" for call in lab.mutations()]


@pytest.mark.usefixtures('node_package')
def test_a_good_update_stays_and_a_bad_one_goes_back(lab: Lab, project: Project, tmp_path: Path) -> None:
    lab.sh(TANK)
    first = published(tmp_path, '1.0', works=True)
    script = project.script(f'{first}\napt-get -qq update\napt-get -qq -y install phoenix-demo\n')
    health = {'command': 'demo', 'retries': 1, 'interval': 1}
    values: dict[str, object] = {'storage_pool': 'tank', 'health_check': health, 'application_script': script}
    project.containers(_950=values, _951={'name': 'second', 'dependencies': ['950'], 'target_state': 'created'})
    project.play().good()

    lab.guest(950, published(tmp_path, '1.1', works=True))
    both = ('-e', 'phoenix_update_host=true', '-e', 'phoenix_update_batch=2')
    dry = update(project, '--check', *both).good()
    assert dry.output.count('phoenix-demo 1.0 -> 1.1') == 2  # of the node, and of the container
    assert 'not updated: it does not run' in dry.output
    assert (calls(lab), lab.guest(950, 'demo'), lab.sh('demo')) == ([], '1.0\n', '1.0\n')
    update(project, *both).good()
    assert calls(lab) == ['POST /snapshot', 'DELETE /snapshot/phoenix-guard']
    assert (lab.guest(950, 'demo'), lab.sh('demo')) == ('1.1\n', '1.1\n')

    lab.guest(950, published(tmp_path, '1.2', works=False))
    run = update(project)
    assert run.rc != 0
    assert 'The container is as before the update, by its snapshot.' in run.output
    assert 'Not updated after it: 951.' in run.output
    assert calls(lab) == ['POST /snapshot', 'POST /snapshot/phoenix-guard/rollback', 'DELETE /snapshot/phoenix-guard']
    assert lab.guest(950, 'demo') == '1.1\n'

    # PVE takes no snapshot of a container with a bind mount: a backup guards it, and is restored.
    values['mount_points'] = [{'host_path': '/srv', 'container_path': '/models'}]
    project.containers(_950=values)
    project.play().good()
    lab.guest(950, 'touch /root/kept')
    run = update(project)
    assert run.rc != 0
    assert 'The container is as before the update, by its backup.' in run.output
    assert lab.guest(950, 'demo; ls /root/kept') == '1.1\n/root/kept\n'
    assert (lab.status(950), lab.sh('ls /var/lib/vz/dump')) == ('running', '')
    assert 'mp0: /srv' in lab.sh('cat /etc/pve/lxc/950.conf')
