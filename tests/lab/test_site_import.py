# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The import of containers that exist: what it writes is taken over as it is, and never over another file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.site import SITE, STATE, WITH_PYTHON, Lab, Project

STATE_MODULE = 'phoenix.hypervisor.phoenix_lxc_state'
ADOPT = ('-e', 'phoenix_adopt=record')


@pytest.fixture(scope='module')
def by_hand(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two containers that somebody made with pct, one of them stopped, and a project whose files do not exist yet."""
    site_lab.run('reset')
    site_lab.sh(
        f"""set -e
mkdir -p /srv/models
pct create 950 {WITH_PYTHON} --rootfs local:2 --hostname web --unprivileged 1 --memory 256 --swap 0 --cores 1 \
  --net0 name=eth0,bridge=vmbr0,ip=dhcp --mp0 /srv/models,mp=/models,ro=1 --onboot 1 --startup order=2,up=5 \
  --features nesting=1 --tags 'llm;gpu' --description 'By hand: 100 %'
pct create 951 {WITH_PYTHON} --rootfs local:2 --hostname db --unprivileged 1 --memory 300 --swap 0 --cores 1 \
  --net0 name=eth0,bridge=vmbr0,ip=10.50.0.7/24 --mp0 local:1,mp=/srv/data,backup=1
echo 'lxc.environment: API_TOKEN=canary' >> /etc/pve/lxc/950.conf
echo 'lxc.environment: GREETING=hello' >> /etc/pve/lxc/950.conf
pvesh create /nodes/pve/lxc/950/firewall/rules --type in --action ACCEPT --proto tcp --dport 8000 --enable 1 \
  --comment api
pct start 950
"""
    )
    project = Project(site_lab, tmp_path_factory.mktemp('import'))
    (project.folder / 'hypervisor_config.json').unlink()
    return project


def imported(project: Project, *words: str) -> Path:
    """The folder of an import."""
    return project.folder / 'imported'


def test_an_import_writes_both_files(by_hand: Project) -> None:
    folder = imported(by_hand)
    node = f'cat /etc/pve/lxc/*.conf; ls {STATE}/* 2>&1 || true'  # a running guest changes files of its own
    before = by_hand.lab.sh(node)
    by_hand.lab.forget_requests()
    run = by_hand.play('-e', f'phoenix_import_to={folder}', '--check', '--diff', playbook='playbooks/import.yml').good()
    assert not folder.exists()
    assert '+++' in run.output
    run = by_hand.play('-e', f'phoenix_import_to={folder}', playbook='playbooks/import.yml').good()
    assert (by_hand.lab.sh(node), by_hand.lab.mutations()) == (before, [])
    text = (folder / 'phoenix_lxc_configs.json').read_text(encoding='utf-8')
    assert (folder / 'phoenix_lxc_configs.json').stat().st_mode & 0o777 == 0o600
    assert 'canary' not in text + run.output
    document = json.loads(text)
    assert document['lxc_defaults']['storage_pool'] == 'local'
    web, db = document['lxc_configs']['950'], document['lxc_configs']['951']
    assert web['mount_points'] == [{'host_path': '/srv/models', 'container_path': '/models', 'read_only': True}]
    assert web['lxc_options'] == ['lxc.environment: GREETING=hello']
    assert web['firewall'] == {'rules': ['IN ACCEPT -p tcp -dport 8000 # api']}
    assert db['volumes'][0]['name'] == 'srv-data'
    assert db['target_state'] == 'configured'
    host = json.loads((folder / 'hypervisor_config.json').read_text(encoding='utf-8'))
    assert 'local' in [storage['id'] for storage in host['storage']]


def test_a_second_import_changes_nothing_and_replaces_nothing(by_hand: Project) -> None:
    folder = imported(by_hand)
    again = by_hand.play('-e', f'phoenix_import_to={folder}', playbook='playbooks/import.yml').good()
    assert 'changed=0' in again.output
    file = folder / 'hypervisor_config.json'
    whole = file.read_text(encoding='utf-8')
    file.write_text('{}', encoding='utf-8')
    run = by_hand.play('-e', f'phoenix_import_to={folder}', playbook='playbooks/import.yml')
    assert run.rc != 0
    assert 'exists with other content; nothing is written' in run.output
    assert file.read_text(encoding='utf-8') == '{}'
    consent = ('-e', 'phoenix_import_overwrite=true')
    by_hand.play('-e', f'phoenix_import_to={folder}', *consent, playbook='playbooks/import.yml').good()
    assert file.read_text(encoding='utf-8') == whole


def test_an_unknown_container_stops_the_import(by_hand: Project) -> None:
    words = ('-e', f'phoenix_import_to={by_hand.folder}/other', '-e', 'phoenix_import_ctids=950,977')
    run = by_hand.play(*words, playbook='playbooks/import.yml')
    assert run.rc != 0
    assert 'container 977 does not exist on pve; nothing is written' in run.output
    assert not (by_hand.folder / 'other').exists()


def test_the_imported_containers_are_taken_over_without_a_call(by_hand: Project) -> None:
    folder = imported(by_hand)
    for name in ('phoenix_lxc_configs.json', 'hypervisor_config.json'):
        by_hand.write(name, (folder / name).read_text(encoding='utf-8'))
    by_hand.lab.forget_requests()
    confs = by_hand.lab.sh('grep -v PHOENIX_INSTANCE /etc/pve/lxc/95?.conf')
    by_hand.play(*ADOPT, playbook=SITE).good()
    assert by_hand.lab.mutations() == []
    assert by_hand.lab.sh('grep -v PHOENIX_INSTANCE /etc/pve/lxc/95?.conf') == confs
    assert (by_hand.lab.word(950), by_hand.lab.word(951)) == ('completed', 'configured')
    assert (by_hand.lab.status(950), by_hand.lab.status(951)) == ('running', 'stopped')
    again = by_hand.play(playbook=SITE).good()
    assert 'changed=0' in again.output
    assert by_hand.lab.mutations() == []


def test_a_host_of_the_shell_orchestrator_settles(lab: Lab, project: Project) -> None:
    """Its state files say completed, and nothing says what is inside: with record nothing of it runs again."""
    lab.sh(
        f"""set -e
pct create 950 {WITH_PYTHON} --rootfs local:2 --hostname guest --unprivileged 1 --memory 256 --swap 0 --cores 1 \
  --net0 name=eth0,bridge=vmbr0,ip=dhcp --start 1
mkdir -p {STATE}/state
echo completed > {STATE}/state/950.state
"""
    )
    project.feature()
    project.script('touch /root/ran\n')
    project.containers(_950={'features': ['marker'], 'application_script': 'app.sh'})
    refused = project.play()
    assert refused.rc != 0
    assert 'phoenix_adopt' in refused.output
    lab.forget_requests()
    project.play(*ADOPT).good()
    assert lab.mutations() == []
    assert lab.guest(950, 'ls /etc/marker /root/ran 2>&1 | grep -c "No such"').strip() == '2'
    assert lab.word(950) == 'completed'
    assert 'changed=0' in project.play().good().output
