# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faulty configurations never reach a node: by name from an installed collection and from a clone, limited or not, with
and without ansible.cfg."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.site import CHECKOUT, SITE, Lab, Project, ansible

BROKEN = """{
  "lxc_configs": {
    "950": {
      "name": "web",
      "template": "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
      "memory_mb": "lots",
      "coress": 2,
      "features": []
    },
    "951": {"name": "fine", "template": "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst", "features": []}
  }
}
"""


@pytest.fixture(scope='module')
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ANSIBLE_COLLECTIONS_PATH with the collection as a user installs it."""
    folder = tmp_path_factory.mktemp('installed')
    galaxy = ansible('ansible-galaxy')
    subprocess.run(
        [galaxy, 'collection', 'build', '--output-path', folder], cwd=CHECKOUT, check=True, capture_output=True
    )
    (archive,) = folder.glob('*.tar.gz')
    install = [galaxy, 'collection', 'install', '--offline', '--no-deps', '-p', folder, archive]
    # Elsewhere on the path the same version may lie already, and then nothing would be installed.
    env = {**os.environ, 'ANSIBLE_COLLECTIONS_PATH': str(folder)}
    subprocess.run(install, cwd=folder, env=env, check=True, capture_output=True)
    return folder


@pytest.fixture(scope='module')
def node(site_lab: Lab) -> Lab:
    """An empty node for the whole module: nothing here may touch it."""
    site_lab.run('reset')
    return site_lab


@pytest.mark.parametrize('config', ['with ansible.cfg', 'without ansible.cfg'])
@pytest.mark.parametrize(
    'limit', [(), ('--limit', '950'), ('--limit', '951')], ids=['whole', 'the faulty one', 'a good one']
)
@pytest.mark.parametrize('way', ['by name', 'clone'])
def test_faulty_configuration_is_reported_and_touches_nothing(
    node: Lab, tmp_path: Path, installed: Path, way: str, limit: tuple[str, ...], config: str
) -> None:
    project = Project(node, tmp_path)
    project.write('phoenix_lxc_configs.json', BROKEN)
    project.write('hypervisor_config.json', '{\n  "timezoen": "Etc/UTC"\n}\n')
    before, asked = node.node_files(), len(node.requests())
    none = project.write('none.cfg', '')
    env = {'ANSIBLE_CONFIG': str(none if config == 'without ansible.cfg' else CHECKOUT / 'ansible.cfg')}
    if way == 'by name':
        run = project.play(
            *limit,
            playbook='phoenix.hypervisor.site',
            cwd=tmp_path,
            env={**env, 'ANSIBLE_COLLECTIONS_PATH': str(installed)},
        )
    else:
        # Nothing but the clone: it must find its own collection beside site.yml.
        env |= {'ANSIBLE_COLLECTIONS_PATH': '', 'ANSIBLE_CALLBACKS_ENABLED': ''}
        run = project.play(*limit, playbook=SITE, env=env)
    assert run.rc != 0, run.output
    text = ' '.join(run.output.split())
    lxc = ('phoenix_lxc_configs.json:6', '/lxc_configs/950/memory_mb', 'phoenix_lxc_configs.json:7', 'coress', 'cores')
    for words in (*lxc, 'hypervisor_config.json:2', 'timezoen', 'timezone'):
        assert words in text, f'{words} is not in {run.output}'
    assert node.node_files() == before
    assert len(node.requests()) == asked


def test_text_that_is_no_json_is_reported_with_its_line(node: Lab, tmp_path: Path) -> None:
    project = Project(node, tmp_path)
    project.write('phoenix_lxc_configs.json', '{\n  "lxc_configs": {\n    "950": {"name": "web",}\n  }\n}\n')
    run = project.play(playbook=SITE)
    assert run.rc != 0
    assert 'phoenix_lxc_configs.json:3' in run.output


def test_missing_application_script_is_reported(node: Lab, tmp_path: Path) -> None:
    project = Project(node, tmp_path)
    project.containers(_950={'application_script': 'not_there.sh'})
    run = project.play('--limit', '950', playbook=SITE)
    assert run.rc != 0
    assert '/lxc_configs/950/application_script' in run.output
    assert node.sh('pct list') == ''


def test_what_the_operators_policy_forbids_is_reported_and_touches_nothing(node: Lab, tmp_path: Path) -> None:
    project = Project(node, tmp_path)
    source = json.loads(project.inventory.read_text(encoding='utf-8'))
    policy = {'mount_prefixes': ['/srv/models'], 'features': ['phoenix.hypervisor.*']}
    project.inventory.write_text(json.dumps({**source, 'policy': policy}, indent=2), encoding='utf-8')
    etc = [{'host_path': '/etc', 'container_path': '/node'}]
    hook = ['lxc.hook.start-host: /tmp/x']
    project.containers(_950={'mount_points': etc, 'lxc_options': hook}, _951={'name': 'other', 'unprivileged': False})
    before, asked = node.node_files(), len(node.requests())
    for words in (('--check',), (), ('--limit', '951'), ('-e', '{"policy": {"privileged": true}}')):
        run = project.play(*words, playbook=SITE)
        assert run.rc != 0, run.output
        text = ' '.join(run.output.split())
        for key, pointer in (
            ('mount_prefixes', '/lxc_configs/950/mount_points/0/host_path'),
            ('lxc_options', '/lxc_configs/950/lxc_options/0'),
            ('privileged', '/lxc_configs/951/unprivileged'),
        ):
            assert pointer in text, run.output
            assert f'ask the operator: policy.{key} in phoenix.yml' in text, run.output
    assert node.node_files() == before
    assert len(node.requests()) == asked
