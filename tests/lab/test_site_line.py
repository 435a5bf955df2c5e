# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole line with the feature base_setup and an application: dry run, run, second run, reboot, audit trail.

One container serves all of these, in order: provisioning it is what takes the time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from support.site import SITE, STATE, TEMPLATE, TRAIL, Lab, Project, Run

STATE_MODULE = 'phoenix.hypervisor.phoenix_lxc_state'
MAC = re.compile(r'\b[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}\b')
LINE = re.compile(
    r'(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d) (?P<level>INFO|WARNING|ERROR) run=(?P<run>\S+) '
    r'ctid=(?P<ctid>\d+|-) event=(?P<event>"[^"]*"|\S+) outcome=(?P<outcome>\S+) seconds=(?P<seconds>-|\d+\.\d+)( .*)?$'
)


def call(method: str, path: str, params: dict[str, Any]) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """A call in the form in which prediction and record are compared: MACs alike, the config's digest left out."""
    kept = {key: MAC.sub('MAC', str(value)) for key, value in params.items() if key != 'digest'}
    return method, path, tuple(sorted(kept.items()))


def predicted(run: Run) -> list[Any]:
    """The calls to the control plane that a dry run foretells."""
    entries = [entry for entry in run.state()['journal'] if entry['op'] == 'pve']
    return [call(*entry['what'].split(' ', 1), entry['params']) for entry in entries]


@dataclass
class Line:
    """What happened up to the first completion."""

    lab: Lab
    project: Project
    dry: Run
    before_dry: str
    after_dry: str
    requests_of_dry: list[dict[str, Any]]
    real: Run
    calls_of_real: list[Any]


@pytest.fixture(scope='module')
def line(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """A dry run on the empty node, then the run."""
    site_lab.run('reset')
    project = Project(site_lab, tmp_path_factory.mktemp('line'))
    script = project.script('echo ran >> /root/runs\ntouch /root/healthy\necho the application says hello\n')
    project.containers(
        _950={
            'name': 'web',
            'template': TEMPLATE,
            'memory_mb': 512,
            'pct_options': ['nesting=1'],
            'features': ['base_setup'],
            'application_script': script,
            'health_check': {
                'command': 'echo checked >> /root/checks; test -e /root/healthy',
                'retries': 2,
                'interval': 1,
            },
        },
        _951={'name': 'other'},
    )
    before = site_lab.node_files()
    dry = project.play('--limit', '950', '--check', '--diff', playbook=SITE).good()
    after, asked = site_lab.node_files(), site_lab.mutations()
    real = project.play('--limit', '950', playbook=SITE).good()
    calls = [call(r['method'], r['path'], r['params']) for r in site_lab.mutations()]
    return Line(site_lab, project, dry, before, after, asked, real, calls)


def test_dry_run_changes_nothing_on_the_node(line: Line) -> None:
    assert line.requests_of_dry == []
    assert line.after_dry == line.before_dry


def test_dry_run_prints_the_plan(line: Line) -> None:
    for text in (
        'container 950: defined -> completed',
        '1. create => created',
        'start => running',
        'feature base_setup',
        '=> completed',
    ):
        assert text in line.dry.output
    assert line.dry.totals['950']['changed'] == 1


def test_run_makes_exactly_the_predicted_calls(line: Line) -> None:
    assert [method for method, _path, _params in line.calls_of_real] == ['POST', 'PUT', 'POST']
    assert predicted(line.dry) == line.calls_of_real


def test_journals_of_both_modes_are_the_same(line: Line) -> None:
    """Features and application too: what the run's modules wrote is what the dry run foretold."""
    actions = (STATE_MODULE, 'phoenix.hypervisor.phoenix_feature')
    journal = [
        e for event in line.real.events if event.get('action') in actions for e in event['result'].get('journal', [])
    ]
    assert journal == line.dry.state()['journal']


def test_a_first_provisioning_calls_its_node_as_often_as_it_must(line: Line) -> None:
    """Each call of a module on the node takes a tenth of a second there and more here."""
    own = 'phoenix.hypervisor.phoenix_'
    delegated = [
        event['action'] for event in line.real.events if '_ansible_delegated_vars' in (event.get('result') or {})
    ]
    assert [action for action in delegated if action != f'{own}check'] == [
        f'{own}lxc_info',  # observes, plans, and checks what the node lacks
        f'{own}lxc_state',  # creates, configures, starts, and begins the feature
        f'{own}lxc_state',  # records the feature
        f'{own}feature',  # begins the application
        f'{own}lxc_state',  # records it, and the end
    ]


def test_run_reaches_completed(line: Line) -> None:
    assert line.lab.word(950) == 'completed'
    assert line.lab.guest(950, 'cat /root/runs') == 'ran\n'
    assert '951' not in line.lab.sh('pct list')


def test_packages_come_with_python_in_one_transaction(line: Line) -> None:
    """The role finds nothing missing; a template without Python has none of them."""
    looks = line.real.of('phoenix.hypervisor.phoenix_packages')
    assert [look['missing'] for look in looks] == [[] for _look in looks]
    installed = line.lab.guest(950, 'grep ^Install: /var/log/apt/history.log | tail -n 1')
    assert 'python3:' in installed
    assert 'locales:' in installed


def test_second_run_changes_nothing_anywhere(line: Line) -> None:
    line.lab.forget_requests()
    before, node_before = line.lab.guest_files(950), line.lab.node_files()
    again = line.project.play('--limit', '950', playbook=SITE).good()
    assert again.changed == 0
    assert all(totals['failures'] == totals['unreachable'] == 0 for totals in again.totals.values())
    assert line.lab.mutations() == []
    after = line.lab.guest_files(950)
    assert len(before) > 5000
    assert {name for name in before | after if before.get(name) != after.get(name)} == set()
    assert line.lab.node_files() == node_before


def test_state_record_and_trail_are_private(line: Line) -> None:
    files = line.lab.sh(f"find {STATE} {TRAIL} /run/phoenix_hypervisor -type f -printf '%m\\n' | sort -u").split()
    folders = line.lab.sh(f"find {STATE} {TRAIL} /run/phoenix_hypervisor -type d -printf '%m\\n' | sort -u").split()
    assert files == ['600']
    assert folders == ['750']


def test_trail_on_the_node_has_every_transition(line: Line) -> None:
    text = line.lab.trail()
    found = [LINE.match(row) for row in text.splitlines()]
    assert all(found), text
    done = [m['event'].strip('"') for m in found if m and m['outcome'] == 'ok' and m['ctid'] == '950']
    up = ['defined->created', 'created->configured', 'configured->running', 'running->customizing']
    expected = [*up, 'feature base_setup', 'application app.sh', 'customizing->completed']
    assert [event for event in done if event in expected] == expected
    assert 'the application says hello' in text
    assert len({m['run'] for m in found if m}) == 1


def test_trail_of_the_controller_has_every_task(line: Line) -> None:
    paths = sorted(line.project.logs.glob('orchestrator_*.log'))  # one for each day: two after midnight
    assert {oct(path.stat().st_mode & 0o777) for path in paths} == {'0o600'}
    assert oct(line.project.logs.stat().st_mode & 0o777) == '0o750'
    rows = [row for path in paths for row in path.read_text(encoding='utf-8').splitlines()]
    assert all(LINE.match(row) for row in rows)
    node_run = re.search(r'run=(\S+)', line.lab.trail())
    assert node_run is not None
    own = [row for row in rows if f'run={node_run[1]} ' in row]
    assert any('event="Create, configure and start" outcome=changed' in row for row in own)
    assert any('base_setup : Install packages' in row for row in own)
    dry = [row for row in rows if 'outcome=dry-run' in row]
    assert dry
    assert not any(f'run={node_run[1]} ' in row for row in dry)


def test_after_a_reboot_the_health_check_runs_and_the_script_does_not(line: Line) -> None:
    checks = line.lab.guest(950, 'wc -l < /root/checks').strip()
    line.lab.sh('pct reboot 950')
    line.lab.forget_requests()
    run = line.project.play('--limit', '950').good()
    assert line.lab.guest(950, 'wc -l < /root/checks').strip() == str(int(checks) + 1)
    assert line.lab.guest(950, 'cat /root/runs') == 'ran\n'
    assert 'Run the script, then the health check' not in run.tasks()
    assert run.changed == 0  # a look is no change
    assert line.lab.mutations() == []
    assert line.lab.word(950) == 'completed'
    assert line.project.play('--limit', '950').good().changed == 0
    assert line.lab.guest(950, 'wc -l < /root/checks').strip() == str(int(checks) + 1)


def test_after_a_reboot_a_failing_health_check_runs_the_script(line: Line) -> None:
    line.lab.guest(950, 'rm /root/healthy')
    line.lab.sh('pct reboot 950')
    line.project.play('--limit', '950').good()
    assert line.lab.guest(950, 'cat /root/runs') == 'ran\nran\n'
    assert line.lab.word(950) == 'completed'
    assert line.project.play('--limit', '950').good().changed == 0


def test_trail_says_what_happened_after_the_reboot(line: Line) -> None:
    assert 'event="health check" outcome=ok' in line.lab.trail()
