# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that was stopped, displaced and continued changes nothing any more, by PVE or inside the guest.

SIGSTOP stands for a laptop that slept. The run has a PID namespace of its own, so the next run can't look its process
up, as from another controller; its lease is made older than it is, in place of two minutes of waiting.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.site import STATE, Lab, Project, Started, until

ELSEWHERE = ('unshare', '--fork', '--pid', '--mount-proc', '--kill-child')
OLDER = f'''import json
path = "{STATE}/leases/950.json"
lease = json.load(open(path))
lease["beat"] -= 121
json.dump(lease, open(path, "w"))
'''


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    listed = ' '.join(path.read_text() for path in Path(f'/proc/{pid}/task').glob('*/children'))
    return [pid, *(below for child in listed.split() for below in descendants(int(child)))]


def signal_all(run: Started, number: signal.Signals) -> None:
    """Every process of the run: the playbook, its workers, their SSH clients and local modules."""
    for pid in descendants(run.process.pid):
        with contextlib.suppress(ProcessLookupError):  # one that was continued may end before its turn
            os.kill(pid, number)


@pytest.fixture
def stopped(project: Project) -> Iterator[list[Started]]:
    """The runs of a test; none is left stopped."""
    runs: list[Started] = []
    yield runs
    for run in runs:
        if run.process.poll() is None:
            signal_all(run, signal.SIGKILL)
            run.process.wait()


def trace(lab: Lab) -> dict[str, object]:
    """What a run that changes anything leaves in the guest and on the node, logs aside."""
    return {
        'guest': lab.guest_files(950),
        'ledger': lab.guest(950, f'cat {STATE}/ledger.json'),
        'node': lab.sh(f'find {STATE} /etc/pve/lxc -type f -exec sha256sum {{}} + | sort'),
    }


@pytest.mark.parametrize('where', ['before its next task in the guest', 'before its next module on the node'])
def test_a_displaced_run_that_is_continued_changes_nothing(
    project: Project, stopped: list[Started], where: str
) -> None:
    lab = project.lab
    held, go = project.folder / 'held', project.folder / 'go'
    there = {'delegate_to': 'localhost', 'vars': {'ansible_connection': 'local'}}
    hold = [
        {'name': 'Say so', 'ansible.builtin.file': {'path': str(held), 'state': 'touch'}, **there},
        {'name': 'Hold', 'ansible.builtin.wait_for': {'path': str(go), 'timeout': 280, 'sleep': 0}, **there},
    ]
    own = {'name': 'Count', 'ansible.builtin.shell': 'echo again >> /root/count', 'changed_when': True}
    project.feature('one', [*hold, own])
    if 'node' in where:  # the role ends with the hold, and what follows is the record of the feature
        project.write('roles/one/tasks/main.yml', json.dumps([own, *hold]))
    project.containers(_950={'name': 'web', 'features': ['one']})
    first = project.start('--limit', '950', under=ELSEWHERE)
    stopped.append(first)
    until(held.exists)
    signal_all(first, signal.SIGSTOP)

    other = {'ANSIBLE_SSH_CONTROL_PATH_DIR': str(project.folder / 'cp')}  # the stopped run's connection is stopped too
    refused = project.play('--limit', '950', env=other)
    assert refused.rc != 0
    assert 'is being worked on by run' in refused.output
    lab.sh(f"python3 - <<'X'\n{OLDER}X")
    go.touch()
    project.play('--limit', '950', env=other).good()
    assert lab.word(950) == 'completed'
    lab.await_boot(950)
    before = trace(lab)
    lab.forget_requests()

    signal_all(first, signal.SIGCONT)
    continued = first.wait()
    assert continued.rc != 0
    assert 'has taken container 950' in continued.output, continued.output
    assert 'start it again when run' in continued.output
    assert lab.mutations() == []
    assert trace(lab) == before
    assert project.play('--limit', '950', env=other).good().changed == 0
