# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads of runs: a line per step, a short settled run, each failure once, other callbacks."""

from __future__ import annotations

import json
from pathlib import Path

from support.site import SITE, Lab, Project, Run

LINES = {'ANSIBLE_STDOUT_CALLBACK': 'phoenix.hypervisor.phoenix_output', 'ANSIBLE_CALLBACK_PLUGINS': ''}
TRAIL = 'phoenix.hypervisor.phoenix_log'


def shown(project: Project, *words: str, **env: str) -> Run:
    """A run as a person sees it."""
    return project.play(*words, playbook=SITE, env={**LINES, 'ANSIBLE_CALLBACKS_ENABLED': TRAIL, **env})


def test_a_first_run_a_failure_and_a_settled_run(lab: Lab, project: Project, tmp_path: Path) -> None:
    project.feature()
    project.script('echo the reason >&2\nexit 3\n')
    project.containers(_950={'name': 'web', 'features': ['marker'], 'application_script': 'app.sh'})
    plan = shown(project, '--check')
    assert plan.rc == 0
    assert '950 web: defined -> completed' in plan.output
    assert 'PLAY [' not in plan.output
    broken = shown(project)
    assert broken.rc == 2
    lines = broken.output.splitlines()
    assert [line for line in lines if line.startswith('950 web') and 'create, configure, start' in line]
    assert [line for line in lines if line.startswith('950 web') and 'marker  applied, 1 change' in line]
    assert broken.output.count('the reason') == 1
    assert broken.output.count('FAILED: ') == 1
    assert '--limit 950' in next(line for line in lines if line.startswith('  Resume: '))
    assert str(project.logs) in next(line for line in lines if line.startswith('  Log: '))
    assert 'skipping' not in broken.output
    project.script('echo fine\n')
    junit = tmp_path / 'junit'
    good = shown(project, ANSIBLE_CALLBACKS_ENABLED=f'{TRAIL},ansible.builtin.junit', JUNIT_OUTPUT_DIR=str(junit))
    assert good.rc == 0, good.output
    assert list(junit.glob('*.xml'))
    settled = shown(project)
    assert settled.rc == 0
    assert len(settled.output.splitlines()) <= 5, settled.output
    assert settled.output.splitlines()[1].split()[:3] == ['containers', '0', '1']
    assert 'TASK [' in shown(project, '-v').output
    as_json = shown(project, ANSIBLE_STDOUT_CALLBACK='ansible.posix.json')
    assert json.loads(as_json.output[as_json.output.index('{') :])['stats']['950']['changed'] == 0
    page, data = tmp_path / 'status.html', tmp_path / 'status.json'
    for path in (page, data):
        table = project.play('-e', f'phoenix_status_file={path}', playbook='playbooks/status.yml', env=LINES).good()
    assert '950   web' in table.output
    web = json.loads(data.read_text(encoding='utf-8'))['containers'][0]
    assert (web['ctid'], web['state'], web['features'][0]['name']) == (950, 'completed', 'marker')
    assert web['features'][0]['at'].startswith('20')
    text = page.read_text(encoding='utf-8')
    assert 'completed' in text
    assert page.stat().st_mode & 0o777 == 0o600
    assert [run['outcome'] for run in json.loads(data.read_text(encoding='utf-8'))['runs']].count('failed') == 1
    explained_and_collected(lab, project, tmp_path)


def explained_and_collected(lab: Lab, project: Project, tmp_path: Path) -> None:
    """Why the next run would do something, and the logs of both sides; neither changes anything."""
    lab.sh('pct set 950 --memory 384')
    lab.forget_requests()
    path, limit = tmp_path / 'why.json', ('--limit', '950')
    why = project.play('-e', f'phoenix_why_file={path}', *limit, playbook='playbooks/why.yml', env=LINES).good()
    assert '950 web: created -> completed, the next run makes 1 step' in why.output
    (found,) = json.loads(path.read_text(encoding='utf-8'))['containers']
    memory = next(row for row in found['keys'] if row['key'] == 'memory')
    assert [memory[name] for name in ('configured', 'actual', 'recorded', 'verdict')] == [
        '256',
        '384',
        '256',
        'changes',
    ]
    assert found['features'][0]['digest'] == found['features'][0]['applied_digest']
    assert memory['run'] in lab.trail()
    lab.sh("pct exec 950 -- sh -c 'printf \"\\033[2Jhostile\\n\" >> /var/log/phoenix_hypervisor/application.log'")
    to = tmp_path / 'logs'
    logs = project.play('-e', f'phoenix_logs_to={to}', *limit, playbook='playbooks/logs.yml', env=LINES).good()
    assert f'950 web: {to}/950/node.log' in logs.output
    texts = {path.name: path.read_text(encoding='utf-8') for path in (to / '950').iterdir()}
    assert sorted(texts) == ['application.log', 'controller.log', 'node.log', 'tasks.log']
    assert 'hostile' in texts['application.log']
    assert '\x1b' not in ''.join(texts.values())
    assert 'vzcreate by root@pam: OK' in texts['tasks.log']
    assert ' ctid=950 ' in texts['node.log']
    assert ' ctid=950 ' in texts['controller.log']
    assert lab.mutations() == []
