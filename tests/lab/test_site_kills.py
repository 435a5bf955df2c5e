# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL from outside at points spread over the provisioning of a clone with two features and an application.

Twenty kills in `make test-long`, three in `make test`. The proofs in tests/integration do the same at every call, with
guests on paper; here the containers, their files and the processes that a kill leaves behind are real. It hits the run,
or one of the processes on the node by which its tasks share a Python.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from support import victims
from support.site import STATE, TRAIL, Lab, Project, until

COUNTED = ('one', 'two', 'application')
BEGUN = {'one': 'event="feature one"', 'two': 'event="feature two"', 'application': 'event="application'}


def said(lab: Lab, *words: str) -> bool:
    """Whether a line of the node's trail about 950 has all of these."""
    return any(all(word in line for word in ('ctid=950 ', *words)) for line in lab.trail().splitlines())


def half_done(lab: Lab) -> set[str]:
    """What the first run on record began and did not end. To be asked after the next one, which awaits its modules:
    they outlive it."""
    run = f'run={lab.trail().partition("run=")[2].split()[0]} '
    return {
        name
        for name in COUNTED
        if said(lab, run, BEGUN[name], 'outcome=begin') and not said(lab, run, BEGUN[name], 'outcome=ok')
    }


def asked(lab: Lab, end: str) -> bool:
    """Whether the control plane was asked for this."""
    return any(request['path'].endswith(end) for request in lab.mutations())


def done(kind: str, outcome: str = 'ok') -> Callable[[Lab], bool]:
    """A step of the executor has come this far."""
    return lambda lab: said(lab, f'step={kind}', f'outcome={outcome}')


POINTS: dict[str, Callable[[Lab], bool]] = {
    'the lease is taken': lambda lab: 'there' in lab.sh(f'test -e {STATE}/leases/950.json && echo there || true'),
    'the clone is begun': done('clone', 'begin'),
    'the clone is asked for': lambda lab: asked(lab, '/lxc/900/clone'),
    'the clone is made': done('clone'),
    'the configuration is begun': done('configure', 'begin'),
    'it is configured': done('configure'),
    'the start is asked for': lambda lab: asked(lab, '/lxc/950/status/start'),
    'it is started': done('start'),
    'the first feature is begun': lambda lab: said(lab, BEGUN['one'], 'outcome=begin'),
    'the first feature is there': lambda lab: said(lab, BEGUN['one'], 'outcome=ok'),
    'the second feature is begun': lambda lab: said(lab, BEGUN['two'], 'outcome=begin'),
    'the application is begun': lambda lab: said(lab, BEGUN['application'], 'outcome=begin'),
}
RUN = 'the run'
ON_NODE = ('the interpreter of the node', 'the relay of the node')
REDUCED = (
    ('the clone is asked for', ON_NODE[0]),
    ('it is configured', RUN),
    ('the second feature is begun', RUN),
)
# While modules of the node work.
WITH_MODULES = ('the clone is begun', 'the clone is asked for', 'the clone is made', 'the start is asked for')
LONG = (*((point, RUN) for point in POINTS), *((point, victim) for point in WITH_MODULES for victim in ON_NODE))
CHOSEN = LONG if os.environ.get('PHOENIX_PROOFS') == 'long' else REDUCED


@pytest.fixture(scope='module')
def fleet(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Template 900, complete, and 950, which is to be cloned from it."""
    site_lab.run('reset')
    project = Project(site_lab, tmp_path_factory.mktemp('kills'))
    for name in ('one', 'two'):
        count = {'name': f'Count {name}', 'ansible.builtin.shell': f'echo again >> /root/count.{name}'}
        project.feature(name, [{**count, 'changed_when': True}])
    script = project.script('echo again >> /root/count.application\n')
    clone = dict.fromkeys(('template', 'storage_pool', 'storage_size_gb', 'unprivileged'))
    project.containers(
        _900={'name': 'base', 'is_template': True},
        _950={**clone, 'clone_from_ctid': '900', 'name': 'web', 'memory_mb': 320, 'features': ['one', 'two']}
        | {'application_script': script},
    )
    project.play('--limit', '900').good()
    return project


def forget(lab: Lab) -> None:
    """950 was never there."""
    lab.sh(
        'pct stop 950 2>/dev/null; pct destroy 950 2>/dev/null; '
        f'rm -f {STATE}/state/950.* {STATE}/records/950.* {STATE}/leases/950.* {TRAIL}/*.log; true'
    )
    lab.forget_requests()


def end_state(lab: Lab) -> dict[str, object]:
    """What a run leaves, without what is drawn by chance or tells the time."""
    config = lab.config(950)
    net = ','.join(part for part in config.pop('net0').split(',') if not part.startswith('hwaddr='))
    volume = config.pop('rootfs').rpartition('-disk-')[0]
    assert config.pop('lxc.environment').startswith('PHOENIX_INSTANCE=')  # drawn again for each container
    files = lab.guest(
        950, 'cat /etc/one /etc/two; stat -c "%n %a %U" /etc/one /etc/two /root /var/lib/phoenix_hypervisor'
    )
    return {'config': {**config, 'net0': net, 'rootfs': volume}, 'word': lab.word(950), 'files': files}


@pytest.fixture(scope='module')
def undisturbed(fleet: Project) -> dict[str, object]:
    """The end state of a run that nobody kills."""
    forget(fleet.lab)
    fleet.play('--limit', '950').good()
    return end_state(fleet.lab)


@pytest.mark.parametrize(('point', 'victim'), CHOSEN)
def test_killed_there_the_next_run_ends_as_an_undisturbed_one(
    fleet: Project, undisturbed: dict[str, object], point: str, victim: str
) -> None:
    lab = fleet.lab
    forget(lab)
    run = fleet.start('--limit', '950')
    until(lambda: POINTS[point](lab), 120)
    if victim == RUN:
        run.kill()
    else:
        victims.kill(lab, victim)
        ended = run.wait()
        assert ended.rc != 0, ended.output
        assert 'the interpreter on the node ended before its module' in ended.output or victim != ON_NODE[0]

    fleet.play('--limit', '950').good()
    half = half_done(lab)
    assert end_state(lab) == undisturbed
    assert sorted(lab.volumes()) == ['900', '950']
    assert [line.split()[0] for line in lab.sh('pct list').splitlines()[1:]] == ['900', '950']
    clones = [r for r in lab.mutations() if r['path'].endswith('/lxc/900/clone') and r['status'] == 200]
    assert len(clones) == 1
    for name in COUNTED:
        times = lab.guest(950, f'wc -l < /root/count.{name}').strip()
        assert times == '1' or (times == '2' and name in half), f'{name} was applied {times} times'
    lab.forget_requests()
    assert fleet.play('--limit', '950').good().changed == 0
    assert lab.mutations() == []


# Of those in which a task's module is not killed: it is let go on, and the task succeeds.
SPARED = ('its guard', 'the shell of a command')
# The first module of a Python comes as a command, whatever guard there is for another one.
ITS_PYTHON = {'the relay of a command': '/bin/python3', 'the shell of a command': '/bin/python3.11'}


def test_a_process_between_a_task_and_its_module_is_killed(fleet: Project) -> None:
    """In one run, each of them in turn: at most that task fails, and nothing that it started goes on."""
    lab = fleet.lab
    tasks: list[dict[str, object]] = []
    for number, name in enumerate(victims.IN_CONTAINER):
        # The sign and the FIFO, which the test opens where the module is to go on.
        line = f'mkfifo /root/go.{number}; echo held > /root/held.{number}; read -r word < /root/go.{number}'
        tasks += [
            # Its failure is what the test wants.
            {
                'name': name,
                'ansible.builtin.shell': line,
                'changed_when': False,
                'ignore_errors': True,  # it is killed; what follows says what became of it
                'vars': {'ansible_python_interpreter': ITS_PYTHON.get(name, '/usr/bin/python3')},
            },
            {'name': 'Follow', 'ansible.builtin.shell': f'echo again >> /root/after.{number}', 'changed_when': True},
        ]
    fleet.feature('held', tasks)
    config = fleet.folder.joinpath('phoenix_lxc_configs.json').read_text(encoding='utf-8')
    fleet.containers(_955={'name': 'held', 'features': ['held']})
    run = fleet.start('--limit', '955')
    for number, name in enumerate(victims.IN_CONTAINER):
        sign = f'pct exec 955 -- cat /root/held.{number} 2>/dev/null || true'
        until(lambda sign=sign: run.process.poll() is not None or lab.sh(sign), 200)
        victims.kill(lab, name)
        if name in SPARED:
            lab.guest(955, f'echo go > /root/go.{number}')
    ended = run.wait().good()
    failed = [event['task'] for event in ended.events if event['status'] == 'failed' and event['host'] == '955']
    assert [task.rpartition(' : ')[2] for task in failed] == [
        name for name in victims.IN_CONTAINER if name not in SPARED
    ]
    assert 'the interpreter in the container ended before its task' in ended.output
    numbers = range(len(victims.IN_CONTAINER))
    assert lab.guest(955, 'cat ' + ' '.join(f'/root/after.{number}' for number in numbers)).split() == ['again'] * len(
        numbers
    )
    until(lambda: not lab.sh("pgrep -f 'echo [h]eld' || true").strip())
    lab.sh('flock -n -x /run/phoenix_hypervisor/955.busy true')
    lab.forget_requests()
    assert fleet.play('--limit', '955').good().changed == 0
    assert (lab.word(955), lab.mutations()) == ('completed', [])
    lab.sh(f'pct stop 955; pct destroy 955; rm -f {STATE}/state/955.* {STATE}/records/955.* {STATE}/leases/955.*')
    fleet.folder.joinpath('phoenix_lxc_configs.json').write_text(config, encoding='utf-8')
