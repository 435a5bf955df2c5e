# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a fleet as data, and the journal of the run that follows it: one form, the same entries."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.site import CHECKOUT, HANGS, SITE, WITH_PYTHON, Lab, Project, Run, ansible

CANARY = 'canary-77aa-plan'


@dataclass
class Reported:
    """A dry run, the run, and a second dry run, with their files."""

    project: Project
    dry: Run
    real: Run
    again: Run

    def document(self, name: str) -> dict[str, Any]:
        """A file of one of them."""
        document: dict[str, Any] = json.loads((self.project.folder / f'{name}.json').read_text(encoding='utf-8'))
        return document


@pytest.fixture(scope='module')
def reported(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    """A container with a feature and an application, and another one; of the node the zone is set."""
    site_lab.run('reset')
    site_lab.sh('ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime; echo Etc/UTC > /etc/timezone')
    project = Project(site_lab, tmp_path_factory.mktemp('plan'))
    script = project.script('echo ran\n')
    project.write('hypervisor_config.json', json.dumps({'timezone': 'Pacific/Chatham'}))
    project.containers(
        _950={
            'name': 'web',
            'template': WITH_PYTHON,
            'features': [project.feature()],
            'application_script': script,
            'root_password': CANARY,
        },
        _951={'name': 'other', 'template': WITH_PYTHON, 'target_state': 'configured'},
    )

    def play(name: str, *words: str) -> Run:
        path = project.folder / f'{name}.json'
        return project.play('-e', f'phoenix_plan_file={path}', *words, playbook=SITE)

    dry = play('plan', '--check', '-e', 'phoenix_fail_on_changes=true')
    real = play('journal', '-e', '{"phoenix_plan_mode": "0640"}').good()
    again = play('again', '--check', '-e', 'phoenix_fail_on_changes=true')
    return Reported(project, dry, real, again)


def compare(project: Project, plan: str, journal: str) -> subprocess.CompletedProcess[str]:
    """Run the playbook that compares two files."""
    files = {'phoenix_plan_file': plan, 'phoenix_journal_file': journal}
    extra = json.dumps({name: str(project.folder / f'{file}.json') for name, file in files.items()})
    command = [ansible('ansible-playbook'), 'playbooks/compare.yml', '-e', extra]
    return subprocess.run(
        command, cwd=CHECKOUT, env=project.environment(), capture_output=True, text=True, timeout=HANGS, check=False
    )


def test_plan_and_journal_have_the_same_entries(reported: Reported) -> None:
    plan, journal = reported.document('plan'), reported.document('journal')
    assert (plan['kind'], journal['kind']) == ('plan', 'journal')
    assert {ctid: one['state'] for ctid, one in plan['containers'].items()} == {'950': 'completed', '951': 'configured'}
    words = [(entry['op'], entry['what']) for entry in plan['containers']['950']['entries']]
    assert ('feature', 'end marker') in words
    assert ('application', 'end') in words
    (node,) = plan['nodes'].values()
    assert any('zone' in entry['what'].lower() for entry in node['entries'])
    done = compare(reported.project, 'plan', 'journal')
    assert done.returncode == 0, done.stdout
    assert f'has the {plan["changes"]} entries of the plan' in done.stdout


def test_a_due_change_fails_a_run_that_asked_for_it(reported: Reported) -> None:
    assert reported.dry.rc == 2, reported.dry.output
    assert 'changes are due, and phoenix_fail_on_changes is set' in reported.dry.output
    assert 'container 950 (web): ' in reported.dry.output
    assert reported.again.rc == 0, reported.again.output
    assert reported.document('again')['changes'] == 0
    assert reported.document('again')['containers']['950']['previous_state'] == 'completed'
    done = compare(reported.project, 'again', 'journal')
    assert done.returncode == 2, done.stdout
    assert 'container 950: entry 1: planned nothing, made ' in done.stdout


def test_the_files_are_for_their_owner_and_hold_no_secret(reported: Reported) -> None:
    modes = {name: os.stat(reported.project.folder / f'{name}.json').st_mode & 0o777 for name in ('plan', 'journal')}
    assert modes == {'plan': 0o600, 'journal': 0o640}
    for name in ('plan', 'journal'):
        assert CANARY not in Path(reported.project.folder / f'{name}.json').read_text(encoding='utf-8')
    assert not list(reported.project.folder.glob('.phoenix-plan-*'))
