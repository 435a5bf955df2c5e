# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An empty node is set up whole by hypervisor.yml from a file of the field's shape: real apt, accounts, sudo, ZFS
pools on loop devices, NFS and Samba; PVE's part by the lab's control plane. The tests are steps, in this order."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import drifts, field_host
from support.disks import FOLDER, disks
from support.figures import FIGURES
from support.site import APT, Lab, Project, Run, until

SPARE = 'ata-INVENTED_C1'
PLACES = (
    '/etc /root/.ssh /root/.phoenix_hypervisor /home /srv /mnt /usr/share/keyrings /var/lib/phoenix_hypervisor '
    '/var/lib/samba /var/lib/nfs'
)
# Of a settled run, and of what it does by SSH: what it takes on a machine of its own goes with their number.
MOST_TASKS, MOST_COMMANDS = 6, 12
# What is printed of pools and datasets; that nothing else happens on a settled node is the second run's to show.
STORAGE = ('--tags', 'hypervisor_storage')
# Where the servers have a file for each of their processes and clients, which ends a moment after a client.
OF_SERVERS = '\\( -name msg.sock -o -path /var/lib/nfs/ganesha \\)'
ZFS_CALLS = '/run/phoenix-lab/zfs-calls'
API = ('/storage', '/access/users?full=1', '/access/groups', '/access/roles', '/access/acl', '/nodes/pve/network')


@pytest.fixture(scope='module')
def node(host_lab: Lab) -> Iterator[Lab]:
    """The node, with the disks that the file names and one more."""
    with disks(host_lab, *field_host.DISKS, *field_host.FASTER, SPARE):
        yield host_lab


@pytest.fixture
def project(node: Lab, tmp_path: Path) -> Project:
    """A project without containers."""
    project = Project(node, tmp_path)
    project.containers()
    return project


def play(project: Project, config: dict[str, Any], *words: str) -> Run:
    """The whole of hypervisor.yml."""
    project.write('hypervisor_config.json', json.dumps(config, indent=2))
    return project.play('--diff', *words, playbook='playbooks/hypervisor.yml')


def changed_tasks(run: Run) -> list[str]:
    """What the recap counts as changed, by name."""
    return [e['task'] for e in run.events if e['status'] == 'ok' and e['result'].get('changed')]


def state(lab: Lab) -> str:
    """The file system where the roles could touch it, packages, pools, and what the control plane answers."""
    files = lab.sh(
        f"for place in {PLACES}; do [ -e $place ] || continue; "
        f"find $place -xdev {OF_SERVERS} -prune -o -printf '%p %y %m %U %G %s %C@ %l\\n' | sort; "
        "find $place -xdev -type f ! -name '*.tdb' -exec sha256sum {} + | sort; done; "
        "dpkg-query -W | sha256sum; getent passwd group; zpool list -H -o name,size,health; "
        # Not what is used: ZFS counts its own records, some of them seconds later.
        'zfs list -H -o name | xargs -r zfs get -H -o name,property,value quota,compression,mountpoint,recordsize'
    )
    return files + '\n'.join(api(lab, path) for path in API)


def api(lab: Lab, path: str) -> str:
    """An answer of the control plane."""
    path, _mark, query = path.partition('?')
    options = ' '.join(f'--{item.replace("=", " ")}' for item in query.split('&') if item)
    return lab.sh(f'pvesh get {path} {options} --output-format json')


def zfs_calls(lab: Lab) -> list[list[str]]:
    """The arguments of the calls of `zfs` that change something, since the last time that this was asked."""
    lines = lab.sh(f'cat {ZFS_CALLS} 2>/dev/null; rm -f {ZFS_CALLS}').splitlines()
    return [words for words in map(json.loads, lines) if words[0] not in ('get', 'list')]


def options(words: list[str]) -> set[str]:
    """The properties that a call of `zfs create` gives."""
    return {words[index + 1] for index, word in enumerate(words) if word == '-o'}


@contextmanager
def shares() -> Iterator[list[float]]:
    """What a thread here gets of a processor while the block runs, again and again: 1 where nobody else works."""
    found: list[float] = []
    over = threading.Event()

    def measure() -> None:
        while not over.wait(0.5):
            started, used = time.monotonic(), time.thread_time()
            while time.thread_time() - used < 0.05:
                pass
            found.append(0.05 / (time.monotonic() - started))

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def test_check_mode_shows_the_whole_plan_of_an_untouched_node_and_changes_nothing(project: Project) -> None:
    before = state(project.lab)
    text = ' '.join(play(project, field_host.config(), '--check').good().output.split())
    for words in (
        'jq tree', 'make pool quick: mirror', 'make pool bulk: raidz1', 'make dataset quick/shared/projects',
        'make dataset bulk/export', 'quick-guests', 'bulk-images', 'admin', 'ops@pve', 'Europe/Berlin',
        'nfs-kernel-server',
        '+/mnt/pve/quick/shared/projects 10.0.0.0/8(rw,sync,no_root_squash,no_subtree_check)', '+[projects]',
        'set the Samba password of share', 'folder /srv/exchange: 100000:100000 0775',
    ):  # fmt: skip  # laid out to be read
        assert words in text, f'{words} is not in {text}'
    assert field_host.SECRET not in text
    assert state(project.lab) == before


def test_an_empty_node_is_set_up(project: Project) -> None:
    lab = project.lab
    zfs_calls(lab)
    run = play(project, field_host.config(), '-vvv').good()
    calls = {words[-1]: words for words in zfs_calls(lab)}
    assert len(calls) == len(field_host.QUICK) + len(field_host.BULK)
    # Both dialects, as the node's `zfs` gets them: sizes are bytes.
    words = {'compression=lz4', f'recordsize={1 << 20}', 'atime=off'}
    assert options(calls['quick/models']) >= {*words, f'quota={20 << 20}'}
    assert options(calls['bulk/media']) >= {*words, f'quota={16 << 20}'}
    assert field_host.SECRET not in run.output
    assert lab.sh('zpool list -H -o name,health').split() == ['bulk', 'ONLINE', 'quick', 'ONLINE']
    status = lab.sh('zpool status')
    assert 'raidz1-0' in status
    assert 'mirror-0' in status
    parts = status.split()
    faster = [Path(parts[parts.index(kind) + 1]).name for kind in ('logs', 'cache')]
    assert faster == list(field_host.FASTER)
    assert lab.sh('zfs get -H -p -o value quota quick/models').strip() == str(20 << 20)
    assert lab.sh('zfs get -H -p -o value recordsize quick/guests').strip() == str(16 << 10)
    assert len(lab.sh('zfs list -H -o name').split()) == 2 + len(field_host.QUICK) + len(field_host.BULK)
    assert len({line.split()[0] for line in lab.sh('showmount --no-headers -e localhost').splitlines()}) == 7
    shares = lab.sh('testparm -s 2>/dev/null')
    assert all(f'[{name}]' in shares for name in ('models', 'projects', 'media', 'home', 'exchange'))
    storages = {row['storage']: row for row in json.loads(api(lab, '/storage'))}
    assert {'quick-guests', 'quick-shared', 'bulk-backups', 'bulk-images', 'bulk-export'} <= set(storages)
    assert storages['quick-guests']['pool'] == 'quick/guests'
    users = {row['userid'] for row in json.loads(api(lab, '/access/users'))}
    assert {'ops@pve', 'phoenix@pve'} <= users
    assert lab.sh('stat -c %a /root/.phoenix_hypervisor/api_token').strip() == '600'
    assert lab.sh('su admin -c "sudo -n id -u"').strip() == '0'
    assert lab.sh('readlink /etc/localtime').strip().endswith('Europe/Berlin')


def test_second_run_changes_nothing_and_is_quick(project: Project) -> None:
    before = state(project.lab)
    zfs_calls(project.lab)
    started = time.monotonic()
    with shares() as of_a_processor:
        run = play(project, field_host.config(), '-vvv').good()
    seconds = time.monotonic() - started
    share = sum(of_a_processor) / len(of_a_processor)
    commands = run.output.count('SSH: EXEC')
    FIGURES.append(
        f'settled hypervisor.yml: {seconds:.1f} s with {share:.2f} of a processor, {commands} commands by SSH'
    )
    assert changed_tasks(run) == []
    assert zfs_calls(project.lab) == []
    assert state(project.lab) == before
    # With what support/warm keeps; a run without it takes about twice as long.
    assert seconds * share < 16, f'{seconds:.1f} s, with {share:.2f} of a processor'
    assert commands <= MOST_COMMANDS
    tasks = [event['task'] for event in run.events if 'task' in event]
    assert len(tasks) <= MOST_TASKS, tasks


def test_each_change_by_hand_is_found_and_undone(project: Project) -> None:
    project.write('hypervisor_config.json', json.dumps(field_host.config()))
    assert drifts.missed(project) == []
    assert play(project, field_host.config()).good().changed > len(drifts.STATES)
    (looked,) = drifts.found(project)
    assert (looked['roles'], looked['due']) == ([], {})


def shown(lab: Lab, command: str) -> str:
    """What a command of the node prints; shown with pytest's -s."""
    text = lab.sh(command)
    sys.stdout.write(f'\nroot@pve:~# {command}\n{text}')
    return text


def columns(text: str, *names: str) -> list[tuple[str, ...]]:
    """Columns of a table of PVE's tools, by name."""
    rows = [[cell.strip() for cell in line.split('│')] for line in text.splitlines() if line.startswith('│')]
    return [tuple(row[rows[0].index(name)] for name in names) for row in rows[1:]]


def test_the_nodes_own_tools_show_what_was_set_up(node: Lab) -> None:
    pools = shown(node, 'zpool status')
    assert [name for name in ('mirror-0', 'raidz1-0', *field_host.DISKS) if name not in pools] == []
    assert pools.count('errors: No known data errors') == 2
    properties = shown(node, 'zfs get compression,recordsize,quota,atime,mountpoint')
    assert {tuple(line.split()[:3]) for line in properties.splitlines()} >= {
        ('quick/models', 'compression', 'lz4'), ('quick/models', 'recordsize', '1M'), ('quick/models', 'quota', '20M'),
        ('quick/guests', 'recordsize', '16K'), ('quick/shared', 'atime', 'off'),
        ('bulk/media', 'compression', 'lz4'), ('bulk/media', 'recordsize', '1M'), ('bulk/media', 'quota', '16M'),
        ('bulk/backups', 'compression', 'gzip'), ('bulk/home', 'mountpoint', '/mnt/pve/bulk/home'),
    }  # fmt: skip  # laid out to be read
    rows = [line.rsplit(maxsplit=1) for line in shown(node, 'showmount -e localhost').splitlines()[1:]]
    lan, own = '10.0.0.0/8', '127.0.0.1'
    places = ('quick/models', 'quick/shared/projects', 'bulk/media', 'bulk/backups', 'bulk/iso')
    assert {path: set(clients.split(',')) for path, clients in rows} == {
        **{f'/mnt/pve/{name}': {lan} for name in places},
        '/mnt/pve/bulk/export': {lan, own},
        '/srv/exchange': {'*'},
    }
    account = f'username = share\\npassword = {field_host.SECRET.replace("%", "%%")}\\n'
    node.sh(f"{APT} install smbclient >/dev/null; printf '{account}' > /root/share")
    disks = [
        line.split()[0] for line in shown(node, 'smbclient -A /root/share -L localhost').splitlines() if ' Disk' in line
    ]
    node.sh('rm /root/share')
    assert set(disks) >= {'exchange', 'home', 'media', 'models', 'projects'}
    storages = {line.split()[0]: line.split()[1:3] for line in shown(node, 'pvesm status').splitlines()[1:]}
    assert storages.keys() >= {'local', 'quick-shared', 'bulk-backups', 'bulk-images', 'bulk-export'}
    assert storages['quick-guests'] == ['zfspool', 'active']
    users = columns(shown(node, 'pveum user list'), 'userid', 'comment')
    assert {('ops@pve', 'operator'), ('phoenix@pve', 'phoenix.hypervisor')} <= set(users)
    roles = {
        name: set(privileges.split(','))
        for name, privileges in columns(shown(node, 'pveum role list'), 'roleid', 'privs')
    }
    assert roles['Watcher'] == {'VM.Audit', 'Datastore.Audit'}
    permissions = columns(shown(node, 'pveum acl list'), 'path', 'roleid', 'type', 'ugid')
    assert set(permissions) >= {
        ('/vms', 'PVEVMAdmin', 'user', 'ops@pve'),
        ('/storage', 'Watcher', 'group', 'operators'),
        ('/vms', 'PVEVMAdmin', 'token', 'phoenix@pve!automation'),
        ('/storage', 'PVEDatastoreUser', 'token', 'phoenix@pve!automation'),
        ('/sdn/zones/localnetwork', 'PVESDNUser', 'token', 'phoenix@pve!automation'),
    }


def test_a_disk_with_a_foreign_signature_is_not_touched_unless_it_is_named(project: Project) -> None:
    lab = project.lab
    lab.sh(f'mkswap --label precious {FOLDER}/{SPARE} >/dev/null')
    config = field_host.config()
    spare: dict[str, Any] = {'name': 'third', 'raid_level': 'single', 'disks': [SPARE]}
    config['zfs']['pools'].append(spare)
    before, content = state(lab), lab.sh(f'sha256sum {FOLDER}/{SPARE}')
    for words in (STORAGE, (*STORAGE, '--check')):
        run = play(project, config, *words)
        assert run.rc != 0
        assert 'is not empty: signature swap' in ' '.join(run.output.split())
    spare['force_wipe'] = ['ata-INVENTED_C2']  # another one
    assert play(project, config, *STORAGE).rc != 0
    assert lab.sh(f'sha256sum {FOLDER}/{SPARE}') == content
    assert state(lab) == before
    spare['force_wipe'] = [SPARE]
    play(project, config, *STORAGE).good()
    assert lab.sh('zpool list -H -o health third').strip() == 'ONLINE'
    spare['disks'] = [field_host.DISKS[0]]  # a member of another pool is never taken
    spare['name'], spare['force_wipe'] = 'other', [field_host.DISKS[0]]
    run = play(project, config, *STORAGE)
    assert run.rc != 0
    assert 'member of pool quick' in ' '.join(run.output.split())


def test_a_pool_with_another_layout_is_told_and_left(project: Project) -> None:
    config = field_host.config()
    config['zfs']['pools'][0]['raid_level'] = 'stripe'
    before = state(project.lab)
    run = play(project, config, *STORAGE).good()
    assert 'pool quick has another layout than the file says, and is left as it is' in ' '.join(run.output.split())
    assert changed_tasks(run) == []
    assert state(project.lab) == before


def test_a_quota_below_what_is_used_is_refused(project: Project) -> None:
    lab = project.lab
    lab.sh('dd if=/dev/urandom of=/mnt/pve/quick/models/weights bs=1M count=3 2>/dev/null; sync; zfs list >/dev/null')
    until(lambda: int(lab.sh('zfs get -H -p -o value used quick/models')) > 2 << 20)
    config = field_host.config()
    config['zfs']['datasets'][1]['properties']['quota'] = '1M'
    run = play(project, config, *STORAGE)
    assert run.rc != 0
    assert 'quota 1048576 is below what it uses' in ' '.join(run.output.split())
    assert lab.sh('zfs get -H -p -o value quota quick/models').strip() == str(20 << 20)


def test_the_arc_is_limited_at_boot_and_an_initramfs_that_was_not_told_is(project: Project) -> None:
    """The lab has no kernel of its own: a script stands for the initramfs' tool."""
    lab = project.lab
    lab.sh(r"""set -e
printf 'options zfs zfs_arc_min=1024 zfs_arc_max=5\n' > /etc/modprobe.d/zfs.conf
printf '#!/bin/sh\necho "$@" >> /run/told\ntouch /boot/initrd.img-lab\n' > /usr/sbin/update-initramfs
chmod 755 /usr/sbin/update-initramfs""")
    config = {'zfs': {'arc_max': '64M'}}
    tell = 'phoenix.hypervisor.hypervisor_storage : Update the initramfs'
    lab.sh('touch -d 2020-01-01 /boot/initrd.img-lab')
    dry = play(project, config, *STORAGE, '--check').good()
    assert changed_tasks(dry) == ['phoenix.hypervisor.hypervisor_storage : Limit the ARC, now and at boot', tell]
    assert lab.sh('cat /etc/modprobe.d/zfs.conf') == 'options zfs zfs_arc_min=1024 zfs_arc_max=5\n'
    assert changed_tasks(play(project, config, *STORAGE).good())[-1] == tell
    assert lab.sh('cat /etc/modprobe.d/zfs.conf') == f'options zfs zfs_arc_min=1024 zfs_arc_max={64 << 20}\n'
    lab.sh('touch -d 2020-01-01 /boot/initrd.img-lab')  # as where a run was killed in between
    assert changed_tasks(play(project, config, *STORAGE).good()) == [tell]
    assert changed_tasks(play(project, config, *STORAGE).good()) == []
    assert lab.sh('cat /run/told; rm /usr/sbin/update-initramfs /boot/initrd.img-lab').splitlines() == ['-u -k all'] * 2
