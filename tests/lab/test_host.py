# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An empty node is set up whole by hypervisor.yml from a file of the field's shape: real apt, accounts, sudo, ZFS
pools on loop devices, NFS and Samba; PVE's part by the lab's control plane. The tests are steps, in this order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import field_host
from support.disks import FOLDER, disks
from support.site import Lab, Project, Run, until

SPARE = 'ata-INVENTED_C1'
PLACES = (
    '/etc /root/.ssh /root/.phoenix_hypervisor /home /srv /mnt /usr/share/keyrings /var/lib/phoenix_hypervisor '
    '/var/lib/samba /var/lib/nfs'
)
API = ('/storage', '/access/users?full=1', '/access/groups', '/access/roles', '/access/acl', '/nodes/pve/network')


@pytest.fixture(scope='module')
def node(host_lab: Lab) -> Iterator[Lab]:
    """The node, with the disks that the file names and one more."""
    with disks(host_lab, *field_host.DISKS, SPARE):
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
        f"for place in {PLACES}; do [ -e $place ] || continue; find $place -xdev -printf '%p %y %m %U %G %s %C@ %l\\n' "
        "| sort; find $place -xdev -type f ! -name '*.tdb' -exec sha256sum {} + | sort; done; "
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


def share_of_a_processor() -> float:
    """What this process gets while others work too, as other tests do: 1 on a machine of its own."""
    started, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.3:
        pass
    return 0.3 / (time.monotonic() - started)


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
    run = play(project, field_host.config(), '-vvv').good()
    lab = project.lab
    assert field_host.SECRET not in run.output
    assert lab.sh('zpool list -H -o name,health').split() == ['bulk', 'ONLINE', 'quick', 'ONLINE']
    status = lab.sh('zpool status')
    assert 'raidz1-0' in status
    assert 'mirror-0' in status
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


def test_second_run_changes_nothing_and_is_quick(project: Project, record_property: Any) -> None:
    before = state(project.lab)
    shares = [share_of_a_processor()]
    started = time.monotonic()
    run = play(project, field_host.config()).good()
    seconds = time.monotonic() - started
    shares.append(share_of_a_processor())
    record_property('settled hypervisor.yml, seconds', f'{seconds:.1f}')
    assert changed_tasks(run) == []
    assert state(project.lab) == before
    assert seconds * sum(shares) / 2 < 30, f'{seconds:.1f} s, with {shares} of a processor'


def test_a_disk_with_a_foreign_signature_is_not_touched_unless_it_is_named(project: Project) -> None:
    lab = project.lab
    lab.sh(f'mkswap --label precious {FOLDER}/{SPARE} >/dev/null')
    config = field_host.config()
    spare: dict[str, Any] = {'name': 'third', 'raid_level': 'single', 'disks': [SPARE]}
    config['zfs']['pools'].append(spare)
    before, content = state(lab), lab.sh(f'sha256sum {FOLDER}/{SPARE}')
    for words in ((), ('--check',)):
        run = play(project, config, *words)
        assert run.rc != 0
        assert 'is not empty: signature swap' in ' '.join(run.output.split())
    spare['force_wipe'] = ['ata-INVENTED_C2']  # another one
    assert play(project, config).rc != 0
    assert lab.sh(f'sha256sum {FOLDER}/{SPARE}') == content
    assert state(lab) == before
    spare['force_wipe'] = [SPARE]
    play(project, config).good()
    assert lab.sh('zpool list -H -o health third').strip() == 'ONLINE'
    spare['disks'] = [field_host.DISKS[0]]  # a member of another pool is never taken
    spare['name'], spare['force_wipe'] = 'other', [field_host.DISKS[0]]
    run = play(project, config)
    assert run.rc != 0
    assert 'member of pool quick' in ' '.join(run.output.split())


def test_a_pool_with_another_layout_is_told_and_left(project: Project) -> None:
    config = field_host.config()
    config['zfs']['pools'][0]['raid_level'] = 'stripe'
    before = state(project.lab)
    run = play(project, config).good()
    assert 'pool quick has another layout than the file says, and is left as it is' in ' '.join(run.output.split())
    assert changed_tasks(run) == []
    assert state(project.lab) == before


def test_a_quota_below_what_is_used_is_refused(project: Project) -> None:
    lab = project.lab
    lab.sh('dd if=/dev/urandom of=/mnt/pve/quick/models/weights bs=1M count=3 2>/dev/null; sync; zfs list >/dev/null')
    until(lambda: int(lab.sh('zfs get -H -p -o value used quick/models')) > 2 << 20, 30)
    config = field_host.config()
    config['zfs']['datasets'][1]['properties']['quota'] = '1M'
    run = play(project, config)
    assert run.rc != 0
    assert 'quota 1048576 is below what it uses' in ' '.join(run.output.split())
    assert lab.sh('zfs get -H -p -o value quota quick/models').strip() == str(20 << 20)
