# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers on real containers: the first of two leaves one, the second starts from it; a damaged one; a killed run.

One fleet serves all of these, in order. What is tried at each call is tests/integration/api/test_layers_left.py's part.
The first container becomes its attacker's once its layer is left: a further feature and its application plant what
they like.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.site import STATE, WITH_PYTHON, Lab, Project, Run, container, until

CACHE = '/var/lib/vz/template/cache'
MODULES = ('phoenix.hypervisor.phoenix_lxc_state', 'phoenix.hypervisor.phoenix_feature')
FEATURES = ['plain', 'extra']
# What somebody who has taken the first container over wants in its neighbors.
PLANTED = (
    'mkdir -p /root/.ssh /etc/cron.d',
    'echo "ssh-ed25519 phx-planted" | tee -a /root/.ssh/authorized_keys /etc/ssh_host_key',
    'echo "* * * * * root echo phx-planted" > /etc/cron.d/phx-planted',
    'cp /bin/dash /usr/local/bin/phx-planted; chmod 4755 /usr/local/bin/phx-planted',
    'echo "export TOKEN=phx-planted" | tee -a /root/.bash_history /root/.profile /root/.token /etc/environment',
    'printf "[Service]\\nExecStart=/bin/echo phx-planted\\n" > /etc/systemd/system/phx-planted.service',
    'echo phx-planted >> /var/lib/phoenix_hypervisor/planted; echo phx-planted >> /etc/vzdump-hook',
)


@pytest.fixture(scope='module')
def fleet(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """950 and 951, equal but for their names, with layers on. Nothing of them exists at first."""
    site_lab.run('reset')
    site_lab.sh(f'rm -rf {CACHE}/phoenix-layer-* {CACHE}/.phoenix-layer-* {STATE}/layers')
    project = Project(site_lab, tmp_path_factory.mktemp('layers'))
    source = json.loads(project.inventory.read_text(encoding='utf-8'))
    project.inventory.write_text(json.dumps({**source, 'layers': True}), encoding='utf-8')
    for name in FEATURES:
        project.feature(name)
    plant = {'name': 'Plant', 'ansible.builtin.shell': '; '.join(PLANTED), 'changed_when': True}
    project.feature('taken', [plant])
    project.write('roles/taken/meta/phoenix_feature.yml', '{"layer": false}')
    project.script(
        'echo phx-planted >> /root/.bash_history; cp -p /usr/local/bin/phx-planted /opt/phx-planted\n', 'taken.sh'
    )
    write(project, 950, 951)
    return project


def write(project: Project, *ctids: int) -> None:
    """The fleet's file."""
    taken = {'features': [*FEATURES, 'taken'], 'application_script': 'taken.sh'}
    project.containers(
        **{
            f'_{ctid}': container(**{'name': f'c{ctid}', 'features': FEATURES, **(taken if ctid == 950 else {})})
            for ctid in ctids
        }
    )


def layers(lab: Lab) -> list[str]:
    """The archives and the folders of archives that are being made."""
    return lab.sh(f'ls -A {CACHE} | grep phoenix-layer || true').split()


def created_from(lab: Lab, ctid: int) -> str:
    """What the control plane was asked to create a container from."""
    made = [call['params'] for call in lab.mutations() if call['path'] == '/nodes/pve/lxc']
    return str(next((params['ostemplate'] for params in made if str(params['vmid']) == str(ctid)), ''))


def archived(lab: Lab, ctid: int) -> bool:
    """Whether the control plane was asked to archive a container."""
    return any(
        call['path'] == '/nodes/pve/vzdump' and str(call['params']['vmid']) == str(ctid) for call in lab.mutations()
    )


def is_whole(lab: Lab) -> bool:
    """Whether there is one archive and nothing half, and it is what its metadata say."""
    found = layers(lab)
    said = lab.sh(f'cat {STATE}/layers/*.json 2>/dev/null || true')
    return len(found) == 1 and bool(said) and json.loads(said)['sha256'] == lab.sha256(f'{CACHE}/{found[0]}')


def entries(run: Run, ctid: int) -> list[tuple[str, str]]:
    """What a run changed of a container, or would change."""
    found: list[dict[str, Any]] = []
    for event in run.events:
        if event.get('action') in MODULES and event['host'] == str(ctid) and event['status'] != 'skipped':
            found += event['result'].get('journal') or []
    return [(entry['op'], entry['what']) for entry in found]


def test_a_wrong_storage_is_a_fault_of_the_inventory_source(fleet: Project) -> None:
    source = fleet.inventory.read_text(encoding='utf-8')
    fleet.inventory.write_text(json.dumps({**json.loads(source), 'layers': {'storage': 'lcoal'}}), encoding='utf-8')
    fleet.lab.forget_requests()
    run = fleet.play('--limit', '950', playbook='playbooks/containers.yml')
    fleet.inventory.write_text(source, encoding='utf-8')
    text = run.of('phoenix.hypervisor.phoenix_lxc_state', '950')[0]['msg']
    place = f'{fleet.inventory.name}:1:1  /layers/storage  storage "lcoal" does not exist on node pve'
    assert f'{place} (did you mean local?)' in text
    assert fleet.lab.mutations() == []


def test_the_second_container_starts_from_the_layer_of_the_first(fleet: Project) -> None:
    lab = fleet.lab
    dry = fleet.play('--check', playbook='playbooks/containers.yml').good()
    assert layers(lab) == []
    assert dry.state('951')['due_features'] == []
    run = fleet.play(playbook='playbooks/containers.yml').good()
    (archive,) = layers(lab)
    assert created_from(lab, 950) == WITH_PYTHON
    assert created_from(lab, 951) == f'local:vztmpl/{archive}'
    for ctid in (950, 951):
        assert entries(run, ctid) == entries(dry, ctid)
    assert ('layer', 'publish') in entries(run, 950)
    assert lab.word(951) == 'completed'
    assert lab.sh(f'stat -c "%a %U" {CACHE}/{archive} {STATE}/layers/*').split() == ['600', 'root'] * 2


def test_it_has_the_same_files_and_an_identity_of_its_own(fleet: Project) -> None:
    lab = fleet.lab
    packages = [lab.guest(ctid, 'dpkg-query -W; cat /etc/plain /etc/extra') for ctid in (950, 951)]
    assert packages[0] == packages[1]
    assert packages[0]
    ledgers = [json.loads(lab.guest(ctid, f'cat {STATE}/ledger.json'))['features'] for ctid in (950, 951)]
    assert ledgers[0].pop('taken')
    assert ledgers[0] == ledgers[1]
    assert sorted(ledgers[0]) == sorted(FEATURES)
    # What vzdump adds: the config of the first one.
    assert [lab.guest(ctid, 'ls -d /etc/vzdump || true') for ctid in (950, 951)] == ['', '']
    own = [lab.guest(ctid, 'hostname; cat /etc/machine-id').split() for ctid in (950, 951)]
    assert [names[0] for names in own] == ['c950', 'c951']
    assert own[0][1] != own[1][1]
    ids = {json.loads(lab.sh(f'cat {STATE}/records/{ctid}.json'))['instance']['id'] for ctid in (950, 951)}
    assert len(ids) == 2


def test_nothing_of_the_first_one_after_its_layer_is_in_the_layer(fleet: Project) -> None:
    """Names, content and permission bits: of the archive, and of what was created from it."""
    lab = fleet.lab
    planted = 'find / -xdev -iname "*phx-planted*"; grep -rlIs phx-planted /root /etc /opt /usr/local /var/lib'
    assert len(lab.guest(950, f'{planted}; true').split()) > 12
    assert lab.guest(951, f'{planted}; true') == ''
    (archive,) = layers(lab)
    assert lab.sh(f'zstdcat {CACHE}/{archive} | grep -ac phx-planted || true').strip() == '0'
    setuid = 'find / -xdev -type f -perm /6000 | sort'
    assert set(lab.guest(950, setuid).split()) - set(lab.guest(951, setuid).split()) == {
        '/opt/phx-planted',
        '/usr/local/bin/phx-planted',
    }


def test_a_second_run_makes_no_call(fleet: Project) -> None:
    fleet.lab.forget_requests()
    run = fleet.play(playbook='playbooks/containers.yml').good()
    assert (run.changed, fleet.lab.mutations()) == (0, [])


def test_a_damaged_layer_and_runs_that_are_killed_while_another_is_left_and_used(fleet: Project) -> None:
    lab = fleet.lab
    lab.sh(f'for archive in {CACHE}/phoenix-layer-*; do echo damaged >> "$archive"; done')
    write(fleet, 950, 951, 952)
    started = fleet.start(playbook='playbooks/containers.yml')
    # The folder of the archive is soon gone again, also between two looks at it; the call stays on record.
    until(lambda: archived(lab, 952))
    started.kill()
    assert created_from(lab, 952) == WITH_PYTHON
    # The module on the node outlives its controller and leaves the layer, unless the next run comes in between.
    until(lambda: is_whole(lab))
    write(fleet, 950, 951, 952, 953)
    using = fleet.start(playbook='playbooks/containers.yml')
    until(lambda: created_from(lab, 953))
    using.kill()
    assert created_from(lab, 953) == f'local:vztmpl/{layers(lab)[0]}'
    fleet.play(playbook='playbooks/containers.yml').good()
    killed = Run(0, '', started.results)
    assert any('has changed' in note for note in killed.state('952')['notes'])
    assert [lab.word(ctid) for ctid in (952, 953)] == ['completed', 'completed']
    assert is_whole(lab)
