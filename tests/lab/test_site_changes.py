# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Target states, changes of one key, and what somebody did by hand."""

from __future__ import annotations

import pytest
from support.site import WITH_PYTHON, Lab, Project

BY_HAND = f'pct create 940 {WITH_PYTHON} --rootfs local:1 --hostname theirs --memory 300 --unprivileged 1'


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


# -- one container serves these, in order ------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def one(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A container that runs, beside one of another user."""
    site_lab.run('reset')
    site_lab.sh(BY_HAND)
    project = Project(site_lab, tmp_path_factory.mktemp('one'))
    project.containers(_950={'swap_mb': 128})
    project.play().good()
    return project


def test_one_changed_number_is_one_change(one: Project) -> None:
    lab = one.lab
    lab.forget_requests()
    one.containers(_950={'swap_mb': 128, 'memory_mb': 320})
    run = one.play().good()
    calls = [(r['method'], r['path'], {**r['params'], 'digest': ''}) for r in lab.mutations()]
    assert calls == [('PUT', '/nodes/pve/lxc/950/config', {'memory': '320', 'digest': ''})]
    assert run.state()['state'] == 'completed'
    assert (lab.word(950), lab.config(950)['memory'], lab.status(950)) == ('completed', '320', 'running')

    # A key that is gone is undone: the value that PVE has without it.
    lab.forget_requests()
    one.containers(_950={'swap_mb': None, 'memory_mb': 320})
    one.play().good()
    (call,) = lab.mutations()
    assert (call['method'], set(call['params']) - {'digest'}) in (('PUT', {'delete'}), ('PUT', {'swap'}))
    assert call['params'].get('delete', 'swap') == 'swap'
    assert one.play().good().changed == 0


def test_what_regressed_by_hand_is_brought_back(one: Project) -> None:
    lab = one.lab
    lab.sh('pct stop 950')
    lab.forget_requests()
    one.play().good()
    assert [(r['method'], r['path']) for r in lab.mutations()] == [('POST', '/nodes/pve/lxc/950/status/start')]
    assert (lab.status(950), lab.word(950)) == ('running', 'completed')

    lab.sh('pct stop 950; pct destroy 950')
    one.play().good()
    assert (lab.status(950), lab.word(950)) == ('running', 'completed')

    # Held: left alone, whatever it looks like, and told.
    lab.sh('pct set 950 --tags phoenix-hold; pct stop 950')
    lab.forget_requests()
    run = one.play().good()
    assert (run.changed, lab.mutations(), lab.status(950)) == (0, [], 'stopped')
    status = one.play(playbook='playbooks/status.yml').good()
    assert 'phoenix-hold' in run.output + status.output
    lab.sh('pct set 950 --delete tags; pct start 950')


def test_absent_needs_the_confirmation(one: Project) -> None:
    lab = one.lab
    one.containers(_950={'target_state': 'absent'})
    run = one.play()
    assert run.rc != 0
    assert 'needs the confirmation' in run.output
    assert lab.status(950) == 'running'
    one.play('-e', 'phoenix_destroy_confirm=950').good()
    assert (lab.config(950), lab.volumes(), lab.word(950)) == ({}, ['940'], '')
    assert one.play().good().changed == 0


def test_destroy_refuses_what_is_not_ours(one: Project) -> None:
    one.containers(_951={'name': 'second'})
    rc, output = destroy(one, '940', '940')
    assert rc != 0
    assert 'theirs' in output
    assert one.lab.volumes() == ['940']


def test_a_container_of_somebody_else_is_left_alone(one: Project) -> None:
    lab = one.lab
    before = lab.node_files()
    lab.forget_requests()
    one.containers(_940={})
    run = one.play()
    assert run.rc != 0
    for words in ('theirs', '300 MiB', 'phoenix_adopt'):
        assert words in run.output
    assert lab.mutations() == []
    changed = set(lab.node_files().splitlines()) ^ set(before.splitlines())
    assert not [
        row for row in changed if '/etc/pve' in row or '/var/lib/vz' in row or '/state/' in row or '/records/' in row
    ]

    one.containers(_940={'storage_size_gb': 1})
    one.play('-e', 'phoenix_adopt=record').good()
    assert (lab.config(940)['hostname'], lab.word(940)) == ('guest', 'completed')


# -- the playbook that destroys ----------------------------------------------------------------------------------------


def destroy(project: Project, ctids: str, confirmation: str) -> tuple[int, str]:
    """Run the destroy playbook; its exit code and output."""
    words = ('-e', f'phoenix_destroy={ctids}', '-e', f'phoenix_destroy_confirm={confirmation}')
    run = project.play(*words, playbook='playbooks/destroy.yml')
    return run.rc, run.output


def test_destroy_wants_its_exact_list_confirmed_and_refuses_what_is_protected(lab: Lab, project: Project) -> None:
    """Of three containers that don't run, one is gone from the file and one is protected."""
    others = {'_951': {'name': 'second', 'target_state': 'configured'}}
    others['_952'] = {'name': 'third', 'target_state': 'configured'}
    project.containers(_950={'target_state': 'configured'}, **others)
    project.play().good()
    for confirmation in ('950', '952', '950,951,952'):
        rc, output = destroy(project, '950,951', confirmation)
        assert rc != 0
        assert 'is not the exact list' in output
    project.containers(**others)
    lab.sh('pct set 951 --protection 1')
    rc, output = destroy(project, '951', '951')
    assert rc != 0
    assert 'protected' in output
    assert lab.volumes() == ['950', '951', '952']
    rc, output = destroy(project, '952,950', '950,952')
    assert rc == 0, output
    assert '950-disk-0' in output
    assert (lab.volumes(), lab.config(950), lab.config(952), lab.word(950)) == (['951'], {}, {}, '')
