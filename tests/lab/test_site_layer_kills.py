# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL from outside while a container leaves a layer and another one starts from it. A part of `make test-long`.

`make test` has two of these kills in test_site_layers.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from support import victims
from support.site import STATE, TRAIL, Lab, Project, container, until

CACHE = '/var/lib/vz/template/cache'
RUN, INTERPRETER = 'the run', 'the interpreter of the node'


def said(*words: str) -> Callable[[Lab], bool]:
    """A line of the node's trail has all of these."""
    return lambda lab: any(all(word in line for word in words) for line in lab.trail().splitlines())


def asked(path: str, **params: str) -> Callable[[Lab], bool]:
    """The control plane was asked for this."""
    return lambda lab: any(
        call['path'] == path and all(str(call['params'].get(key)) == value for key, value in params.items())
        for call in lab.mutations()
    )


def has(pattern: str) -> Callable[[Lab], bool]:
    """The node has such a file."""
    return lambda lab: bool(lab.sh(f'ls -d {pattern} 2>/dev/null || true').strip())


POINTS: dict[str, Callable[[Lab], bool]] = {
    'the feature below the layer is begun': said('ctid=960 ', 'event="feature one"', 'outcome=begin'),
    'the feature below the layer is there': said('ctid=960 ', 'event="feature one"', 'outcome=ok'),
    'the archive is asked for': asked('/nodes/pve/vzdump', vmid='960'),
    'the layer has its metadata': has(f'{STATE}/layers/*.json'),
    'the feature above the layer is begun': said('ctid=960 ', 'event="feature two"', 'outcome=begin'),
    'the second container is asked for': asked('/nodes/pve/lxc', vmid='961'),
    'it is created': said('ctid=961 ', 'step=create', 'outcome=ok'),
    'it is started': said('ctid=961 ', 'step=start', 'outcome=ok'),
    'its identity is to be renewed': said('ctid=961 ', 'step=identity', 'outcome=begin'),
    'its own feature is begun': said('ctid=961 ', 'event="feature two"', 'outcome=begin'),
}
BY_MODULES = ('the archive is asked for', 'the second container is asked for')
KILLS = (*((point, RUN) for point in POINTS), *((point, INTERPRETER) for point in BY_MODULES))


@pytest.fixture(scope='module')
def fleet(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """960 and 961, equal but for their names: a feature that layers have, and one that none has."""
    site_lab.run('reset')
    project = Project(site_lab, tmp_path_factory.mktemp('layers'))
    source = json.loads(project.inventory.read_text(encoding='utf-8'))
    project.inventory.write_text(json.dumps({**source, 'layers': True}), encoding='utf-8')
    for name in ('one', 'two'):
        line = f'echo again >> /root/count.{name}'
        project.feature(name, [{'name': 'Count', 'ansible.builtin.shell': line, 'changed_when': True}])
    project.write('roles/two/meta/phoenix_feature.yml', '{"layer": false}')
    project.containers(
        **{f'_{ctid}': container(name=f'c{ctid}', features=['one', 'two']) for ctid in (960, 961)},
    )
    return project


def forget(lab: Lab) -> None:
    """Neither of them nor a layer was ever there."""
    for ctid in (960, 961):
        lab.sh(
            f'pct stop {ctid} 2>/dev/null; pct destroy {ctid} 2>/dev/null; '
            f'rm -f {STATE}/state/{ctid}.* {STATE}/records/{ctid}.* {STATE}/leases/{ctid}.*; true'
        )
    lab.sh(f'rm -rf {TRAIL}/*.log {CACHE}/phoenix-layer-* {CACHE}/.phoenix-layer-* {STATE}/layers')
    lab.forget_requests()


def end_state(lab: Lab, ctid: int) -> dict[str, object]:
    """What a run leaves, without what differs from one container to another."""
    config = lab.config(ctid)
    assert config.pop('hostname') == f'c{ctid}'
    net = ','.join(part for part in config.pop('net0').split(',') if not part.startswith('hwaddr='))
    volume = config.pop('rootfs').partition(',')[2]
    assert config.pop('lxc.environment').startswith('PHOENIX_INSTANCE=')
    files = lab.guest(ctid, 'cat /etc/one /etc/two; dpkg-query -W; ls -A /etc /root /var/lib; ls /etc/vzdump; true')
    ledger = json.loads(lab.guest(ctid, f'cat {STATE}/ledger.json'))['features']
    digests = {name: (entry['status'], entry['digest']) for name, entry in ledger.items()}
    return {'config': {**config, 'net0': net, 'rootfs': volume}, 'files': files, 'ledger': digests}


@pytest.mark.parametrize(('point', 'victim'), KILLS)
def test_killed_there_both_end_alike_with_one_whole_layer(fleet: Project, point: str, victim: str) -> None:
    lab = fleet.lab
    forget(lab)
    run = fleet.start()
    until(lambda: POINTS[point](lab), 200)
    if victim == RUN:
        run.kill()
    else:
        victims.kill(lab, victim)
        run.wait()  # a module that began before there was an interpreter is not killed, and its run may end well

    fleet.play().good()
    assert [lab.word(ctid) for ctid in (960, 961)] == ['completed', 'completed']
    assert end_state(lab, 960) == end_state(lab, 961)
    machines = {lab.guest(ctid, 'cat /etc/machine-id') for ctid in (960, 961)}
    assert len(machines) == 2
    assert sorted(lab.volumes()) == ['960', '961']
    for ctid, name in ((ctid, name) for ctid in (960, 961) for name in ('one', 'two')):
        times = lab.guest(ctid, f'wc -l < /root/count.{name}').strip()
        begun = said(f'ctid={ctid} ', f'event="feature {name}"', 'outcome=begin')(lab)
        assert times == '1' or (times == '2' and begun), f'{name} was applied {times} times in {ctid}'
    assert lab.sh(f'ls -d {CACHE}/.phoenix-layer-* 2>/dev/null || true') == ''
    (archive,) = lab.sh(f'ls {CACHE} | grep phoenix-layer').split()
    assert json.loads(lab.sh(f'cat {STATE}/layers/*.json'))['sha256'] == lab.sha256(f'{CACHE}/{archive}')
    lab.forget_requests()
    assert fleet.play().good().changed == 0
    assert lab.mutations() == []
