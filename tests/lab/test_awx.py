# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection under AWX, whose part ansible-runner and support/awx.py play. One fleet serves the tests, in order."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import awx_events
from support.awx import USER, Awx, limit, templates
from support.site import Lab, Project, until

REACH = {'phoenix_missing_node': 'reach'}
HOLD = 'echo begun >> /root/count\nmkfifo /root/go\ncat /root/go\necho ended >> /root/count\n'


@pytest.fixture(scope='module')
def awx(site_lab: Lab) -> Iterator[Awx]:
    """An AWX with the inventory of three containers; its node is reached with the key of a credential."""
    site_lab.run('reset')
    # Not below pytest's own folders, which each session makes its user's alone again.
    with tempfile.TemporaryDirectory(prefix='phoenix-awx-') as name:
        folder = Path(name)
        folder.chmod(0o755)
        project = Project(site_lab, folder)
        source = json.loads(project.inventory.read_text(encoding='utf-8'))
        for node in source['nodes'].values():
            del node['ansible_ssh_private_key_file'], node['ansible_ssh_common_args']
        project.inventory.write_text(json.dumps(source), encoding='utf-8')
        project.containers(
            _950={'name': 'web', 'application_script': project.script(HOLD)},
            _951={'name': 'db', 'target_state': 'configured'},
            _952={'name': 'other', 'target_state': 'configured'},
        )
        one = Awx(project, folder)
        rc, output = one.synchronize()
        assert rc == 0, output
        yield one
        awx_events.keep(one.jobs)


def test_a_faulty_file_fails_the_synchronization_and_awx_keeps_what_it_has(awx: Awx) -> None:
    path = awx.project.folder / 'phoenix_lxc_configs.json'
    good, stored = path.read_text(encoding='utf-8'), awx.stored
    path.write_text(good.replace('256', '"8G"'), encoding='utf-8')
    rc, output = awx.synchronize()
    path.write_text(good, encoding='utf-8')
    assert rc != 0
    assert 'got "8G"' in output
    assert awx.stored is stored


def test_a_check_job_shows_its_plan_as_an_artifact(awx: Awx) -> None:
    job = awx.run('dry run', *limit('web'))
    assert job.rc == 0, job.output
    # As a user without rights, who has no home to write to.
    assert (job.folder / 'project/inventory/plan.json').exists() is False
    assert (job.folder / 'project/plan.json').stat().st_uid == USER
    assert (awx.home.stat().st_mode & 0o222, list(awx.home.iterdir())) == (0, [])
    (stats,) = job.events('playbook_on_stats')
    plan = stats['artifact_data']['phoenix_plan']
    assert list(plan['containers']) == ['950']
    assert plan['changes'] > 0
    assert awx.project.lab.sh('pct list') == ''


def test_two_slices_make_the_fleet_whoever_has_the_node(awx: Awx) -> None:
    answers = {**REACH, 'phoenix_target_state': 'configured'}
    jobs = [awx.run('provisioning', answers=answers, part=part, parts=2) for part in (1, 2)]
    assert [job.rc for job in jobs] == [0, 0], jobs[0].output + jobs[1].output
    assert [awx.project.lab.word(ctid) for ctid in (950, 951, 952)] == ['configured'] * 3


def test_a_drift_check_fails_with_what_is_due(awx: Awx) -> None:
    job = awx.run('drift check', *limit('950'))
    assert job.rc == 2, job.output
    (failure,) = job.events('runner_on_failed')
    assert '950' in failure['res']['msg']
    (stats,) = job.events('playbook_on_stats')
    assert stats['artifact_data']['phoenix_plan']['changes'] > 0


def test_two_jobs_on_one_container_and_a_canceled_one(awx: Awx) -> None:
    lab = awx.project.lab
    first = awx.start('provisioning', *limit('950'))
    until(lambda: first.ended or lab.sh('pct exec 950 -- cat /root/count 2>/dev/null', check=False), 300)
    assert not first.ended, first.output
    second = awx.run('provisioning', *limit('950'))
    assert second.rc == 2, second.output
    assert 'container 950 is being worked on by run' in second.output
    first.cancel()
    third = awx.start('provisioning', *limit('950'))
    lab.sh('pct exec 950 -- timeout 300 sh -c "echo > /root/go"')
    assert third.wait().rc == 0, third.output
    assert lab.guest(950, 'cat /root/count') == 'begun\nended\n'
    assert lab.word(950) == 'completed'


def test_a_settled_fleet_changes_nothing_with_stored_facts(awx: Awx) -> None:
    (node,) = awx.stored['hypervisors']['hosts']
    assert 'phoenix_due' in awx.facts_of(node), 'the jobs before have stored what was due then'
    job = awx.run('provisioning')
    # What was due before does not count: the node is observed again, and the script is not run again.
    assert (job.rc, job.changed) == (0, 0), job.output
    assert awx.project.lab.guest(950, 'cat /root/count') == 'begun\nended\n'


def test_a_script_is_found_without_the_project_of_the_synchronization(awx: Awx) -> None:
    """The runs before have shown it; here is why that proves something."""
    found = awx.stored['_meta']['hostvars']['950']['phoenix_application']['path']
    path = Path(found['__ansible_unsafe'])
    assert path.name == 'app.sh'
    assert not path.parent.exists()
    assert awx.project.lab.word(950) == 'completed'


@pytest.mark.parametrize(
    ('name', 'words', 'answers', 'expected'),
    [
        ('set-up', (), {}, 'pve'),
        ('status', (), {}, 'completed'),
        ('why', limit('950'), {}, '950 web: completed, the next run changes nothing'),
        ('logs', limit('950'), {}, 'vzcreate'),
        ('power', limit('951'), {'phoenix_power': 'stop'}, '951'),
        ('update', ('--check', *limit('951')), {'phoenix_update_batch': '1'}, 'not updated: it does not run'),
    ],
)
def test_a_job_of_each_template_ends_well(
    awx: Awx, name: str, words: tuple[str, ...], answers: dict[str, str], expected: str
) -> None:
    job = awx.run(name, *words, answers=answers)
    assert job.rc == 0, job.output
    assert expected in job.output


def test_a_destruction_needs_its_confirmation_and_a_preview_removes_nothing(awx: Awx) -> None:
    lab = awx.project.lab
    # ansible-runner gives a job a terminal, at which nobody answers.
    refused = awx.run('destroy', answers={'phoenix_destroy': '952'})
    assert refused.rc == 2, refused.output
    assert 'phoenix_destroy_confirm' in refused.output
    answers = {'phoenix_destroy': '952', 'phoenix_destroy_confirm': '952'}
    preview = awx.run('destroy', '--check', answers=answers)
    assert preview.rc == 0, preview.output
    assert lab.config(952)
    job = awx.run('destroy', answers=answers)
    assert job.rc == 0, job.output
    assert not lab.config(952)


@pytest.mark.parametrize('name', ['provisioning', 'logs'])
def test_a_disabled_node_fails_its_containers_by_name(awx: Awx, name: str) -> None:
    (node,) = awx.stored['hypervisors']['hosts']
    awx.disabled.add(node)
    job = awx.run(name, *limit('951'))
    awx.disabled.clear()
    assert job.rc == 2
    assert f"its node '{node}' is not in the inventory of this run" in job.output


def test_every_template_has_been_launched(awx: Awx) -> None:
    assert {job.template for job in awx.jobs} == set(templates())
