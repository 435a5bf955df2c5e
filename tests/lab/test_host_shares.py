# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NFS exports, Samba shares and shared folders on a node of the module's own; the tests are steps, in this order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.canaries import encrypt, processes
from support.site import APT, SITE, TEMPLATE, Lab, Project, Run, until

SECRET = 'canary-9f3b $x"y'
# A file system of its own, as nfs-ganesha needs it in the lab.
DATA = '/var/lib/vz/shared'
HOST: dict[str, Any] = {
    'nfs': {
        'exports': [
            {'path': f'{DATA}/models', 'clients': ['*'], 'options': 'ro,insecure'},
            {
                'path': f'{DATA}/work space',
                'clients': '10.0.0.0/8,127.0.0.1',
                'options': ['rw', 'insecure', 'no_root_squash'],
            },
        ]
    },
    'samba': {
        'workgroup': 'LABGROUP',
        'user': 'reader',
        'users': [{'name': 'alice', 'password': SECRET}, {'name': 'reader', 'password': 'other-' + SECRET}],
        'shares': [
            {'name': 'work', 'path': f'{DATA}/smb', 'valid_users': ['alice'], 'read_only': False},
            {'path': f'{DATA}/models', 'options': 'read only=yes browseable=yes'},
        ],
    },
    'shared_volumes': {
        'models': {'host_path': f'{DATA}/models'},
        'work': {'host_path': f'{DATA}/work space', 'owner_uid': 1000, 'mode': '2770'},
    },
}
BY_HAND = """set -e
mkdir -p /srv/hand /var/lib/vz/shared/smb; chmod 0777 /var/lib/vz/shared/smb
echo '/srv/hand *(ro,no_subtree_check)' > /etc/exports
mkdir -p /etc/samba
printf '[global]\\n\\tworkgroup = OLD\\n\\n[hand]\\n\\tpath = /srv/hand\\n' > /etc/samba/smb.conf
"""
PLACES = '/etc /var/lib/samba/private /var/lib/vz/shared /srv /var/lib/phoenix_hypervisor /var/lib/nfs/etab'


def files(lab: Lab) -> str:
    """A fingerprint of what the role could touch: modes, owners, times of change, content."""
    return lab.sh(
        f'for place in {PLACES}; do [ -e $place ] || continue; '
        # Samba has a file there for each of its processes: that of a client ends a moment after it.
        "find $place -xdev -name msg.sock -prune -o -printf '%p %y %m %U %G %s %C@ %l\\n' | sort; "
        'find $place -xdev -type f ! -name "*.tdb" -exec sha256sum {} + | sort; done; dpkg-query -W | sha256sum'
    )


@pytest.fixture
def host(host_lab: Lab, tmp_path: Path) -> Project:
    """A project without containers, its host file as above."""
    project = Project(host_lab, tmp_path)
    project.containers()
    write(project, HOST)
    return project


def write(project: Project, config: dict[str, Any]) -> None:
    """The host's file."""
    project.write('hypervisor_config.json', json.dumps(config, indent=2))


def play(project: Project, *words: str, alone: bool = False) -> Run:
    """The role alone."""
    return project.play('--tags', 'hypervisor_shares', *words, playbook='playbooks/hypervisor.yml', alone=alone)


def changed_tasks(run: Run) -> list[str]:
    """What the recap counts as changed, by name."""
    return [e['task'] for e in run.events if e['status'] == 'ok' and e['result'].get('changed')]


def test_check_mode_shows_the_plan_of_an_untouched_node_and_changes_nothing(host: Project) -> None:
    host.lab.sh(BY_HAND)
    before = files(host.lab)
    run = play(host, '--check', '--diff').good()
    text = ' '.join(run.output.split())
    for words in (
        'nfs-kernel-server', 'samba', '+/var/lib/vz/shared/models *(ro,insecure,no_subtree_check)', '+[work]',
        f'folder {DATA}/models: 100000:100000 0775', f'folder {DATA}/work space: 101000:101000 2770',
        'make account alice', 'set the Samba password of alice', 'include = /etc/samba/phoenix.conf',
    ):  # fmt: skip  # laid out to be read
        assert words in text, f'{words} is not in {run.output}'
    assert SECRET not in run.output
    assert files(host.lab) == before


def assert_hidden(project: Project, run: Run, arguments: str) -> None:
    """The passwords are in no output, log, result, argument or file but Samba's own."""
    results = '\n'.join(path.read_text(encoding='utf-8') for path in project.folder.glob('results-*.jsonl'))
    trail = '\n'.join(path.read_text(encoding='utf-8') for path in project.logs.glob('*.log'))
    word = SECRET.split(maxsplit=1)[0]
    assert 'smbpasswd' in arguments
    for text in (run.output, results, trail, arguments):
        assert word not in text, text[max(0, text.find(word) - 400) : text.find(word) + 100]
    places = '/etc /root /var/lib/phoenix_hypervisor /var/log /tmp /run'
    assert project.lab.sh(f"grep -rlaFs '{word}' {places} || true") == ''
    assert project.lab.sh(f"journalctl --no-pager -o verbose | grep -aF '{word}' || true") == ''


def test_shares_are_made_and_answer(host: Project) -> None:
    host.lab.sh(f'printf weights > /tmp/file; {APT} install libnfs-utils smbclient >/dev/null')
    password = encrypt(host, host.folder / 'hypervisor_config.json')
    with processes() as seen:
        run = play(host, '--diff', '-vvv', '--vault-password-file', str(password), alone=True).good()
    assert_hidden(host, run, '\n'.join(seen))
    lab = host.lab
    shown = lab.sh('showmount --no-headers -e localhost')
    assert {' '.join(line.split()[:-1]) for line in shown.splitlines()} == {
        '/srv/hand', f'{DATA}/models', f'{DATA}/work space',
    }, shown  # fmt: skip  # laid out to be read
    assert lab.sh(f"stat -c '%u:%g %a' '{DATA}/models' '{DATA}/work space'").split('\n')[:2] == [
        '100000:100000 775', '101000:101000 2770',
    ]  # fmt: skip  # laid out to be read
    lab.sh(f'cp /tmp/file {DATA}/models/')
    url = f'nfs://127.0.0.1{DATA}/models/file?version=4'
    assert until(lambda: lab.sh(f"nfs-cat '{url}' 2>/dev/null || true")) == 'weights'
    listed = lab.sh(
        "printf 'username = alice\\npassword = %s\\n' '" + SECRET + "' > /root/alice; "
        'smbclient -A /root/alice -g -L localhost 2>/dev/null'
    )
    assert {line.split('|')[1] for line in listed.splitlines() if line.startswith('Disk')} >= {'work', 'models', 'hand'}
    lab.sh(
        'smbclient -A /root/alice //localhost/work -c "put /tmp/file file" && '
        'smbclient -A /root/alice //localhost/work -c "get file /tmp/back" && cmp /tmp/file /tmp/back'
    )
    assert lab.sh(f'cat {DATA}/smb/file') == 'weights'
    assert 'NT_STATUS_ACCESS_DENIED' in lab.sh('smbclient -A /root/alice //localhost/models -c ls 2>&1 || true')
    assert 'LABGROUP' in lab.sh('testparm -s --parameter-name workgroup 2>/dev/null')


def test_second_run_changes_nothing(host: Project) -> None:
    before = files(host.lab)
    run = play(host, '--diff').good()
    assert changed_tasks(run) == []
    assert files(host.lab) == before
    assert changed_tasks(play(host, '--check').good()) == []


def test_a_new_password_is_set_and_only_that(host: Project) -> None:
    changed = json.loads(json.dumps(HOST))
    changed['samba']['users'][0]['password'] = 'other-' + SECRET
    write(host, changed)
    dry = play(host, '--check', '--diff').good()
    assert 'change the Samba password of alice' in dry.output
    assert changed_tasks(play(host).good()) == ['phoenix.hypervisor.hypervisor_shares : Set the passwords']
    assert 'NT_STATUS_LOGON_FAILURE' in host.lab.sh('smbclient -A /root/alice //localhost/work -c ls 2>&1 || true')


# Each refusal by the survey stands in one message, which names them all; the programs' own come one by one.
@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        (
            {
                'nfs': {'exports': [{'path': '/srv/hand', 'clients': ['*']}, {'path': '/srv/none'}]},
                'samba': {'shares': [{'name': 'Hand', 'path': '/srv/hand'}]},
            },
            ('/etc/exports has it already', '/srv/none is not there', 'smb.conf has a section of that name'),
        ),
        (
            {'samba': {'shares': [{'name': 'new', 'path': '/srv', 'options': {'gest ok': True}}]}},
            ('Unknown parameter',),
        ),
        (
            {'nfs': {'exports': [{'path': '/srv/hand', 'clients': ['no-such-host.invalid']}]}},
            ('has its former ones again',),
        ),
    ],
    ids=['by hand or without folder', 'unknown to Samba', 'unknown to exportfs'],
)
def test_it_is_refused_and_the_former_shares_go_on(
    host: Project, change: dict[str, Any], expected: tuple[str, ...]
) -> None:
    """What the file no longer names would go: so it names the rest as before."""
    config = json.loads(json.dumps(HOST))
    for part, rows in change.items():
        for key, value in rows.items():
            config[part][key] = [*config[part][key], *value]
    write(host, config)
    kept = "cat /etc/exports.d/phoenix.exports /etc/samba/phoenix.conf; showmount --no-headers -e localhost | sort"
    before = host.lab.sh(kept)
    run = play(host)
    assert run.rc != 0
    told = ' '.join(run.output.split())
    assert [words for words in expected if words not in told] == []
    assert host.lab.sh(kept) == before


def test_a_shared_volume_is_mounted_in_the_containers_that_it_names(host: Project) -> None:
    """The host's play makes the folder, the containers' mounts it, and check mode tells both."""
    lab = host.lab
    named = {'host_path': f'{DATA}/named', 'owner_uid': 1000, 'mounts': {'950': '/named', '1001': '/vm'}}
    write(host, {**HOST, 'shared_volumes': {**HOST['shared_volumes'], 'named': named}})
    network = {'bridge': 'vmbr0', 'ip': 'dhcp', 'nameservers': '192.0.2.1,192.0.2.2'}
    host.containers(_950={'target_state': 'running', 'template': TEMPLATE, 'network_config': network})
    alone = host.play(playbook='playbooks/containers.yml')
    assert alone.rc != 0
    assert f'got "{DATA}/named", which is not on node' in alone.output
    assert 'run the playbook hypervisor first' in alone.output
    assert '1001 is not a container of phoenix_lxc_configs.json' in ' '.join(alone.output.split())
    dry = host.play('--check', '--diff', playbook=SITE).good()
    assert lab.config(950) == {}
    real = host.play(playbook=SITE).good()
    state = 'phoenix.hypervisor.phoenix_lxc_state'
    assert [entry for one in real.of(state) for entry in one['journal']] == dry.state()['journal']
    assert (lab.config(950)['mp0'], lab.status(950)) == (f'{DATA}/named,mp=/named', 'running')
    assert lab.config(950)['nameserver'] == '192.0.2.1 192.0.2.2'
    lab.guest(950, 'chown 1000:1000 /named && touch /named/mine')
    assert lab.sh(f"stat -c '%u:%g' {DATA}/named").split() == ['101000:101000']
    assert lab.sh(f'ls {DATA}/named').split() == ['mine']
    assert host.play(playbook='playbooks/containers.yml').good().changed == 0
    # What is gone from the host's file is undone in the container, as one of its own mount points is.
    write(host, HOST)
    run = host.play('--diff', playbook='playbooks/containers.yml').good()
    assert 'waits for a restart: mp0' in run.output
    lab.sh('pct stop 950')
    host.play(playbook='playbooks/containers.yml').good()
    assert 'mp0' not in lab.config(950)
    assert lab.sh(f'ls {DATA}/named').split() == ['mine']


def test_a_full_folder_is_not_given_away(host: Project) -> None:
    host.lab.sh('mkdir -p /srv/full; echo x > /srv/full/file')
    write(host, {**HOST, 'shared_volumes': {**HOST['shared_volumes'], 'full': {'host_path': '/srv/full'}}})
    run = play(host).good()
    assert 'chown -R 100000:100000' in run.output
    assert changed_tasks(run) == []
    assert host.lab.sh('stat -c %u:%g /srv/full /srv/full/file').split() == ['0:0', '0:0']


def test_what_a_killed_run_left_unread_is_read(host: Project) -> None:
    host.lab.sh('echo former > /var/lib/phoenix_hypervisor/host/exports.told')
    assert changed_tasks(play(host).good()) == [
        'phoenix.hypervisor.hypervisor_shares : Reload the exports of the NFS server',
        'phoenix.hypervisor.hypervisor_shares : Record the exports of the NFS server',
    ]
    assert changed_tasks(play(host).good()) == []


def test_what_is_gone_from_the_file_is_undone_and_the_rest_stays(host: Project) -> None:
    write(host, {'nfs': {}, 'samba': {}})
    dry = play(host, '--check', '--diff').good()
    assert '-[work]' in dry.output
    run = play(host, '--diff', '-e', 'phoenix_host_consent=nfs,samba').good()
    assert 'smbpasswd -x alice' in run.output
    lab = host.lab
    assert lab.sh('showmount --no-headers -e localhost').split() == ['/srv/hand', '*']
    listed = lab.sh('testparm -s 2>/dev/null')
    assert '[hand]' in listed
    assert '[work]' not in listed
    assert 'workgroup = OLD' in listed
    assert lab.sh('cat /etc/samba/smb.conf') == '[global]\n\tworkgroup = OLD\n\n[hand]\n\tpath = /srv/hand\n'
    assert lab.sh(f'cat {DATA}/models/file') == 'weights'
    assert changed_tasks(play(host).good()) == []
