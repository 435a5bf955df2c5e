# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's control plane does beyond the recordings: acts, records, faults, the root socket, its files."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from controlplane.api.rootsocket import RootSocket
from controlplane.api.worker import Worker
from controlplane.containers import conffile
from labnode import TEMPLATE, Lab

LXC = '/nodes/pve/lxc'
NEW = {
    'vmid': 950,
    'ostemplate': 'local:vztmpl/' + TEMPLATE,
    'rootfs': 'local:1',
    'unprivileged': 1,
    'net0': 'name=eth0,bridge=vmbr0,ip=dhcp',
}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A node of PVE 9."""
    node = Lab(tmp_path, 9)
    yield node
    node.close()


def call(lab: Lab, method: str, path: str, **params: Any) -> dict[str, Any]:
    """A request as root@pam, with its task's result."""
    return lab.request({'request': [method, path, params], 'as': 'root'})


def over_socket(lab: Lab, *requests: dict[str, Any]) -> list[Any]:
    """Answers of the root socket, one connection for all."""

    async def talk() -> list[Any]:
        socket = RootSocket(lab.pve, lab.directory / 'root.sock')
        await socket.start()
        try:
            reader, writer = await asyncio.open_unix_connection(str(socket.path))
            answers = []
            for request in requests:
                writer.write(json.dumps(request).encode() + b'\n')
                answers.append(json.loads(await reader.readline()))
            writer.close()
            assert socket.path.stat().st_mode & 0o777 == 0o600
            return answers
        finally:
            await socket.stop()

    return lab.run(talk())


def lines(lab: Lab, name: str) -> list[str]:
    """The lines of a log."""
    path = lab.directory / name
    return path.read_text(encoding='utf-8').splitlines() if path.exists() else []


def test_acts_reach_the_backend_in_order(lab: Lab) -> None:
    """Each request that changes something makes the backend do exactly that."""
    for method, path, params in (
        ('POST', LXC, dict(NEW, password='geheim')),
        ('POST', LXC + '/950/status/start', {}),
        ('PUT', LXC + '/950/config', {'memory': 700, 'features': 'nesting=1'}),
        ('PUT', LXC + '/950/resize', {'disk': 'rootfs', 'size': '+1G'}),
        ('POST', LXC + '/950/status/reboot', {}),
        ('POST', LXC + '/950/status/shutdown', {'timeout': 7}),
        ('DELETE', LXC + '/950', {}),
    ):
        answer = call(lab, method, path, **params)
        assert answer['status'] == 200, answer
        assert answer['task'] is None or answer['task']['exitstatus'] == 'OK', answer
    volume = 'local:950/vm-950-disk-0.raw'
    template = str(lab.directory / 'local/template/cache' / TEMPLATE)
    gib = 1024**3
    assert lab.backend.calls == [
        ('alloc_volume', volume, gib),
        ('create', 950, template),
        ('start', 950),
        ('apply_hot', 950, 'memory', 512, 700),
        ('resize', 950, 'rootfs', 2 * gib),
        ('shutdown', 950, 60, True),
        ('start', 950),
        ('shutdown', 950, 7, False),
        ('destroy', 950),
        ('free_volume', volume),
    ]
    assert lab.conf('950') is None


def test_failed_create_leaves_nothing(lab: Lab) -> None:
    """A backend that fails to unpack: the task says why; volumes and config are gone."""
    lab.act('fail', 'create', 950, None, 'tar: broken')
    answer = call(lab, 'POST', LXC, **NEW)
    assert answer['task']['exitstatus'] == 'unable to create CT 950 - tar: broken'
    assert lab.conf('950') is None
    assert lab.backend.volumes == {}


def test_guest_that_halts_by_itself_is_seen(lab: Lab) -> None:
    """The running state is the backend's, not the control plane's memory."""
    call(lab, 'POST', LXC, start=1, **NEW)
    assert call(lab, 'GET', LXC + '/950/status/current')['body']['data']['status'] == 'running'
    lab.act('running', 950, False)
    assert call(lab, 'GET', LXC + '/950/status/current')['body']['data']['status'] == 'stopped'


def test_warnings_of_a_start_end_the_task_as_warnings(lab: Lab) -> None:
    """WARNINGS: n is a task that worked."""
    call(lab, 'POST', LXC, **NEW)

    async def start(vmid: int, config: Any) -> list[str]:
        lab.backend.running[vmid] = 1
        return ['Systemd 252 detected. You may need to enable nesting.']

    lab.backend.start = start
    task = call(lab, 'POST', LXC + '/950/status/start')['task']
    assert task == {
        'exitstatus': 'WARNINGS: 1',
        'log': ['WARN: Systemd 252 detected. You may need to enable nesting.', 'TASK WARNINGS: 1'],
    }


def test_files_edited_or_removed_by_hand_are_obeyed(lab: Lab) -> None:
    """The .conf is the truth: raw lines come back, the digest follows, a missing file is a missing container."""
    call(lab, 'POST', LXC, **NEW)
    before = call(lab, 'GET', LXC + '/950/config')['body']['data']['digest']
    lab.act('append', 950, ['lxc.mount.entry: /dev/net/tun dev/net/tun none bind,create=file'])
    data = call(lab, 'GET', LXC + '/950/config')['body']['data']
    assert data['lxc'] == [['lxc.mount.entry', '/dev/net/tun dev/net/tun none bind,create=file']]
    assert data['digest'] == conffile.digest('\n'.join(lab.conf('950')) + '\n') != before
    stale = call(lab, 'PUT', LXC + '/950/config', memory=600, digest=before)
    assert stale['status'] == 500
    call(lab, 'PUT', LXC + '/950/config', memory=600)
    assert lab.conf('950')[-1] == 'lxc.mount.entry: /dev/net/tun dev/net/tun none bind,create=file'
    lab.act('remove', 950)
    assert call(lab, 'GET', LXC)['body']['data'] == []


def test_containers_survive_a_new_control_plane(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> None:
    """All that is remembered is in the files."""
    call(lab, 'POST', LXC, **NEW)
    call(lab, 'POST', LXC + '/950/status/start')
    call(lab, 'PUT', LXC + '/950/config', nameserver='9.9.9.9', delete='searchdomain', description='a: 100%\nä')
    other = Lab(tmp_path_factory.mktemp('again'), 9)
    try:
        other.act('conf', 950, lab.conf('950'))
        for path in ('/950/config', '/950/pending'):
            assert call(other, 'GET', LXC + path)['body'] == call(lab, 'GET', LXC + path)['body']
    finally:
        other.close()


def test_every_request_is_recorded_without_secrets(lab: Lab) -> None:
    """The record of mutating calls, and the access log as pveproxy writes it."""
    call(lab, 'POST', LXC, **dict(NEW, password='geheim'))
    call(lab, 'PUT', LXC + '/950/config', memory=8)
    lab.request({'request': ['GET', '/version'], 'as': 'none'})
    records = [json.loads(line) for line in lines(lab, 'requests.jsonl')]
    assert [(r['method'], r['path'], r['status'], r['user']) for r in records] == [
        ('POST', LXC, 200, 'root@pam'),
        ('PUT', LXC + '/950/config', 400, 'root@pam'),
        ('GET', '/version', 401, None),
    ]
    assert records[0]['params']['password'] == '***'
    assert 'geheim' not in '\n'.join(lines(lab, 'requests.jsonl') + lines(lab, 'access.log'))
    assert re.fullmatch(
        r'::ffff:127\.0\.0\.1 - root@pam \[\d\d/\d\d/\d{4}:\d\d:\d\d:\d\d \+0000\] '
        r'"PUT /api2/json/nodes/pve/lxc/950/config HTTP/1\.1" 400 \d+',
        lines(lab, 'access.log')[1],
    )


def test_root_socket_calls_as_root(lab: Lab) -> None:
    """pct and pvesh go this way: as root@pam, recorded, but not in pveproxy's log. A ticket is good for HTTPS."""
    created, _unknown, ticket = over_socket(
        lab,
        {'op': 'call', 'method': 'POST', 'path': LXC, 'params': dict(NEW, dev0='/dev/fuse')},
        {'op': 'nonsense'},
        {'op': 'ticket', 'user': 'root@pam'},
    )
    assert created['status'] == 200
    assert created['body']['data'].endswith(':vzcreate:950:root@pam:')
    assert [json.loads(line)['source'] for line in lines(lab, 'requests.jsonl')] == ['cli']
    assert lines(lab, 'access.log') == []
    assert lab.pve.tickets[ticket['ticket']]['csrf'] == ticket['csrf']
    (task,) = over_socket(lab, {'op': 'wait', 'upid': created['body']['data']})
    assert task == {'exitstatus': 'OK', 'log': ['TASK OK']}


def test_faults(lab: Lab) -> None:
    """Locks, failures, slow tasks and stale rows, set and cleared."""
    call(lab, 'POST', LXC, **NEW)
    over_socket(lab, {'op': 'fault', 'name': 'lock', 'vmid': 950, 'lock': 'backup'})
    assert call(lab, 'PUT', LXC + '/950/config', memory=600)['reason'] == 'CT is locked (backup)'
    assert 'lock: backup' in lab.conf('950')
    over_socket(lab, {'op': 'unlock', 'vmid': 950})
    assert call(lab, 'PUT', LXC + '/950/config', memory=600)['status'] == 200
    over_socket(lab, {'op': 'fault', 'name': 'hold', 'vmid': 950})
    assert call(lab, 'PUT', LXC + '/950/config', memory=610)['reason'].endswith('got timeout')
    lab.pve.release_config_lock(950)
    over_socket(
        lab,
        {'op': 'fault', 'name': 'fail', 'method': 'GET', 'suffix': '/version', 'status': 599, 'message': 'boom'},
        {'op': 'fault', 'name': 'guest', 'vmid': 950, 'start_error': 'no luck'},
    )
    assert call(lab, 'GET', '/version')['reason'] == 'boom'
    assert call(lab, 'POST', LXC + '/950/status/start')['task']['exitstatus'] == 'no luck'
    over_socket(lab, {'op': 'fault', 'name': 'stale', 'secs': 100000})
    assert call(lab, 'GET', '/cluster/resources', type='vm')['body']['data'][0]['status'] == 'stopped'
    over_socket(lab, {'op': 'fault', 'name': 'guest', 'vmid': 950, 'start_error': None})
    assert call(lab, 'POST', LXC + '/950/status/start')['task']['exitstatus'] == 'OK'
    assert call(lab, 'GET', '/cluster/resources', type='vm')['body']['data'][0]['status'] == 'stopped'
    over_socket(lab, {'op': 'fault', 'name': 'clear'})
    assert call(lab, 'GET', '/version')['status'] == 200
    assert call(lab, 'GET', '/cluster/resources', type='vm')['body']['data'][0]['status'] == 'running'
    (answer,) = over_socket(lab, {'op': 'fault', 'name': 'nonsense'})
    assert 'task_delay' in answer['error']


def test_running_task_shows_as_running(lab: Lab) -> None:
    """A POST answers before its task ends; the task list tells finished from active ones."""
    lab.act('slow', 'vzcreate', 1e6)
    answer = lab.request({'request': ['POST', LXC, NEW], 'as': 'root', 'no_wait': True})
    path = '/nodes/pve/tasks/' + answer['body']['data']
    quick = {'as': 'root', 'no_wait': True}
    assert lab.request({'request': ['GET', path + '/status'], **quick})['body']['data']['status'] == 'running'
    for source, count in (('archive', 0), ('active', 1), ('all', 1)):
        rows = lab.request(
            {'request': ['GET', '/nodes/pve/tasks', {'source': source, 'typefilter': 'vzcreate'}], **quick}
        )['body']['data']
        assert len(rows) == count, source
    lab.act('settle')
    assert call(lab, 'GET', path + '/status')['body']['data']['exitstatus'] == 'OK'
    assert [row['t'] for row in call(lab, 'GET', path + '/log')['body']['data']] == ['TASK OK']


def test_clone_locks_both_files_while_it_runs(lab: Lab) -> None:
    """The source is locked with disk, the target with create; later neither, and the target has its own MAC."""
    call(lab, 'POST', LXC, **NEW)
    lab.act('slow', 'vzclone', 1e6)
    lab.request({'request': ['POST', LXC + '/950/clone', {'newid': 951}], 'as': 'root', 'no_wait': True})
    assert 'lock: disk' in lab.conf('950')
    assert 'lock: create' in lab.conf('951')
    lab.act('settle')
    confs = lab.conf('950'), lab.conf('951')
    assert not [line for conf in confs for line in conf if line.startswith('lock')]
    macs = [re.search(r'hwaddr=([^,]+)', '\n'.join(conf)).group(1) for conf in confs]
    assert macs[0] != macs[1]
    assert ('clone', 950, 951) in lab.backend.calls


def test_what_is_not_simulated_is_refused(lab: Lab) -> None:
    """No write is answered with 200 and forgotten."""
    answer = call(lab, 'POST', '/cluster/replication', id='100-0', target='x', type='local')
    assert (answer['status'], answer['reason']) == (501, 'lab: POST /cluster/replication is not simulated')


def test_hotplug_error_writes_nothing(lab: Lab) -> None:
    """A 400 from a hotplug undoes the other options of the same request."""
    call(lab, 'POST', LXC, start=1, **NEW)
    before = lab.conf('950')
    lab.act('fail', 'apply_hot', 950, 'mp0', 'no room')
    answer = call(lab, 'PUT', LXC + '/950/config', hostname='other', mp0='local:1,mp=/x')
    assert answer['body']['errors'] == {'mp0': 'unable to hotplug mp0: no room\n'}
    assert lab.conf('950') == before
    assert list(lab.backend.volumes) == ['local:950/vm-950-disk-0.raw']


@pytest.mark.parametrize('version', [8, 9])
def test_create_defaults_of_the_versions(tmp_path: Path, version: int) -> None:
    """PVE 8 makes privileged containers, PVE 9 unprivileged ones."""
    node = Lab(tmp_path, version)
    try:
        call(node, 'POST', LXC, **{k: v for k, v in NEW.items() if k != 'unprivileged'})
        assert ('unprivileged: 1' in node.conf('950')) is (version == 9)
    finally:
        node.close()


def test_waiting_for_tasks_ends_though_one_has_just_ended() -> None:
    """Its callback has still to run, and the wait must let it: a wait that never yields can only be interrupted."""

    class Alone(Worker):
        def __init__(self) -> None:
            self._running = set()

    async def wait() -> None:
        node = Alone()
        ended = asyncio.get_running_loop().create_future()
        node._running.add(ended)  # type: ignore[arg-type]  # a Future does for a Task here
        ended.add_done_callback(node._running.discard)  # type: ignore[arg-type]  # as above
        ended.set_result(None)
        await node.settled()
        assert not node._running

    def too_long(*_args: object) -> None:
        raise AssertionError('it never yields')

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, 5)
    try:
        asyncio.run(wait())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_env_is_one_text_in_the_api_and_a_line_a_pair_in_the_file(lab: Lab) -> None:
    """PVE facts, 'Differences between 8.4 and 9.2'."""
    call(lab, 'POST', LXC, **NEW)
    call(lab, 'PUT', f'{LXC}/950/config', env='A=b\0C=d e', entrypoint='/sbin/init')
    text = (lab.pve.store.conf_dir / '950.conf').read_text()
    assert text.splitlines()[-2:] == ['lxc.environment.runtime: A=b', 'lxc.environment.runtime: C=d e']
    assert conffile.parse(text).config['env'] == 'A=b\0C=d e'
    assert conffile.render(conffile.parse(text)) == text
    call(lab, 'PUT', f'{LXC}/950/config', delete='env')
    assert 'environment' not in (lab.pve.store.conf_dir / '950.conf').read_text()


@pytest.mark.parametrize('option', [{'env': 'A=b'}, {'entrypoint': '/sbin/init'}], ids=str)
def test_pve_8_has_no_env_and_no_entrypoint(tmp_path: Path, option: dict[str, str]) -> None:
    node = Lab(tmp_path, 8)
    try:
        call(node, 'POST', LXC, **NEW)
        answer = call(node, 'PUT', f'{LXC}/950/config', **option)
        assert answer['status'] == 400
    finally:
        node.close()
