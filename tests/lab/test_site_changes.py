# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Target states, changes of one key, and what somebody did by hand."""

from __future__ import annotations

import pytest
from support.site import WITH_PYTHON, Lab, Project

BY_HAND = f'pct create 950 {WITH_PYTHON} --rootfs local:1 --hostname theirs --memory 300 --unprivileged 1'


def test_each_target_state_is_reached_and_stopped_at(lab: Lab, project: Project) -> None:
    script = project.script('touch /root/ran\n')
    feature = project.feature()

    def bring(target: str | None) -> None:
        values = {'features': [feature], 'application_script': script}
        project.containers(_950={**values, **({'target_state': target} if target else {})})
        project.play().good()

    bring('defined')
    assert (lab.word(950), lab.config(950)) == ('', {})
    assert lab.mutations() == []
    bring('created')
    assert lab.word(950) == 'created'
    assert 'net0' not in lab.config(950)
    bring('configured')
    assert (lab.word(950), lab.status(950)) == ('configured', 'stopped')
    assert 'net0' in lab.config(950)
    bring('running')
    assert (lab.word(950), lab.status(950)) == ('running', 'running')
    assert 'none' in lab.guest(950, 'test -e /etc/marker || echo none')
    bring('customizing')
    assert lab.word(950) == 'customizing'
    assert lab.guest(950, 'cat /etc/marker; test -e /root/ran || echo none') == 'markernone\n'
    bring(None)
    assert lab.word(950) == 'completed'
    lab.guest(950, 'test -e /root/ran')
    assert project.play().good().changed == 0

    # A lower target afterwards takes nothing back.
    lab.forget_requests()
    bring('configured')
    assert (lab.word(950), lab.status(950), lab.mutations()) == ('completed', 'running', [])


def test_absent_needs_the_confirmation(lab: Lab, project: Project) -> None:
    project.containers(_950={})
    project.play().good()
    project.containers(_950={'target_state': 'absent'})
    run = project.play()
    assert run.rc != 0
    assert 'needs the confirmation' in run.output
    assert lab.status(950) == 'running'
    project.play('-e', 'phoenix_destroy_confirm=950').good()
    assert (lab.config(950), lab.volumes(), lab.word(950)) == ({}, [], '')
    assert project.play().good().changed == 0


def test_one_changed_number_is_one_change(lab: Lab, project: Project) -> None:
    project.containers(_950={'swap_mb': 128})
    project.play().good()
    lab.forget_requests()
    project.containers(_950={'swap_mb': 128, 'memory_mb': 320})
    run = project.play().good()
    calls = [(r['method'], r['path'], {**r['params'], 'digest': ''}) for r in lab.mutations()]
    assert calls == [('PUT', '/nodes/pve/lxc/950/config', {'memory': '320', 'digest': ''})]
    assert run.state()['state'] == 'completed'
    assert (lab.word(950), lab.config(950)['memory'], lab.status(950)) == ('completed', '320', 'running')

    # A key that is gone is undone: the value that PVE has without it.
    lab.forget_requests()
    project.containers(_950={'swap_mb': None, 'memory_mb': 320})
    project.play().good()
    (call,) = lab.mutations()
    assert (call['method'], set(call['params']) - {'digest'}) in (('PUT', {'delete'}), ('PUT', {'swap'}))
    assert call['params'].get('delete', 'swap') == 'swap'
    assert project.play().good().changed == 0


def test_what_regressed_by_hand_is_brought_back(lab: Lab, project: Project) -> None:
    project.containers(_950={})
    project.play().good()
    lab.sh('pct stop 950')
    lab.forget_requests()
    project.play().good()
    assert [(r['method'], r['path']) for r in lab.mutations()] == [('POST', '/nodes/pve/lxc/950/status/start')]
    assert (lab.status(950), lab.word(950)) == ('running', 'completed')

    lab.sh('pct stop 950; pct destroy 950')
    project.play().good()
    assert (lab.status(950), lab.word(950)) == ('running', 'completed')

    # Held: left alone, whatever it looks like, and told.
    lab.sh('pct set 950 --tags phoenix-hold; pct stop 950')
    lab.forget_requests()
    run = project.play().good()
    assert (run.changed, lab.mutations(), lab.status(950)) == (0, [], 'stopped')
    status = project.play(playbook='playbooks/status.yml').good()
    assert 'phoenix-hold' in run.output + status.output


def test_a_container_of_somebody_else_is_left_alone(lab: Lab, project: Project) -> None:
    lab.sh(BY_HAND)
    before = lab.node_files()
    lab.forget_requests()
    project.containers(_950={})
    run = project.play()
    assert run.rc != 0
    for words in ('theirs', '300 MiB', 'phoenix_adopt'):
        assert words in run.output
    assert lab.mutations() == []
    changed = set(lab.node_files().splitlines()) ^ set(before.splitlines())
    assert not [
        row for row in changed if '/etc/pve' in row or '/var/lib/vz' in row or '/state/' in row or '/records/' in row
    ]

    project.containers(_950={'storage_size_gb': 1})
    project.play('-e', 'phoenix_adopt=record').good()
    assert (lab.config(950)['hostname'], lab.word(950)) == ('guest', 'completed')


@pytest.fixture
def two(lab: Lab, project: Project) -> Project:
    """Two containers that exist and don't run."""
    project.containers(_950={'target_state': 'configured'}, _951={'name': 'second', 'target_state': 'configured'})
    project.play().good()
    return project


def destroy(project: Project, ctids: str, confirmation: str) -> tuple[int, str]:
    """Run the destroy playbook; its exit code and output."""
    words = ('-e', f'phoenix_destroy={ctids}', '-e', f'phoenix_destroy_confirm={confirmation}')
    run = project.play(*words, playbook='playbooks/destroy.yml')
    return run.rc, run.output


def test_destroy_wants_its_exact_list_confirmed(lab: Lab, two: Project) -> None:
    for confirmation in ('950', '952', '950,951,952'):
        rc, output = destroy(two, '950,951', confirmation)
        assert rc != 0
        assert 'is not the exact list' in output
    assert lab.volumes() == ['950', '951']
    assert destroy(two, '951,950', '950,951')[0] == 0
    assert (lab.volumes(), lab.sh('pct list'), lab.word(950)) == ([], '', '')


def test_destroy_takes_what_is_gone_from_the_file_and_refuses_what_is_protected(lab: Lab, two: Project) -> None:
    two.containers(_951={'name': 'second', 'target_state': 'configured'})
    rc, output = destroy(two, '950', '950')
    assert rc == 0, output
    assert '950-disk-0' in output
    assert lab.volumes() == ['951']
    lab.sh('pct set 951 --protection 1')
    rc, output = destroy(two, '951', '951')
    assert rc != 0
    assert 'protected' in output
    assert lab.volumes() == ['951']


def test_destroy_refuses_what_is_not_ours(lab: Lab, project: Project) -> None:
    lab.sh(BY_HAND)
    project.containers(_951={'name': 'second'})
    rc, output = destroy(project, '950', '950')
    assert rc != 0
    assert 'theirs' in output
    assert lab.volumes() == ['950']
