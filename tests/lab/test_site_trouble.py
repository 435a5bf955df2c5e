# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that die, fail or meet: SIGKILL in the creation and in the feature, a failing script, two runs at once."""

from __future__ import annotations

import json
import time
from pathlib import Path

from support.site import TEMPLATE, Lab, Project, until

APPLICATION = 'phoenix.hypervisor.phoenix_application'
# The brackets keep the search from finding itself.
FEATURE_PROCESS = "pct exec 950 -- sh -c 'grep -lsz apt-ge[t] /proc/[0-9]*/cmdline' || true"
# On the node itself: a creation may be over before a second connection is there.
CREATING = "until grep -q '^lock: create' /etc/pve/lxc/950.conf 2>/dev/null; do sleep 0.01; done"
DPKG = "pct exec 950 -- sh -c 'grep -lsze --status-f[d] /proc/[0-9]*/cmdline' || true"


def test_guest_killed_while_apt_unpacks_and_run_killed_in_the_feature_the_next_runs_go_on_there(
    lab: Lab, project: Project
) -> None:
    project.containers(_950={'template': TEMPLATE, 'memory_mb': 512, 'features': ['base_setup']})
    run = project.start()
    until(lambda: 'event="feature base_setup" outcome=begin' in lab.trail(), 240)
    until(lambda: lab.sh(DPKG).strip(), 240)
    lab.sh('pct stop 950')
    assert run.wait().rc != 0

    # The next one goes on there, and is killed itself.
    lab.forget_requests()
    again = project.start()
    until(lambda: lab.sh(FEATURE_PROCESS).strip(), 240)
    again.kill()
    assert [r['path'] for r in lab.mutations()] == ['/nodes/pve/lxc/950/status/start']
    assert lab.word(950) == 'customizing'

    # The last one ends it.
    lab.forget_requests()
    last = project.play().good()
    (due,) = last.state()['due_features']
    assert due['name'] == 'base_setup'
    assert due['reason'].startswith('begun by run ')
    assert due['reason'].endswith(' and not ended')
    assert lab.mutations() == []
    assert lab.word(950) == 'completed'
    assert lab.guest(950, 'dpkg --audit') == ''
    assert project.play().good().changed == 0


def test_killed_in_the_creation_ends_with_one_container(lab: Lab, project: Project) -> None:
    project.containers(_950={})
    run = project.start()
    lab.sh(CREATING)
    run.kill()
    project.play().good()
    assert lab.word(950) == 'completed'
    assert lab.volumes() == ['950']
    assert [line.split()[0] for line in lab.sh('pct list').splitlines()[1:]] == ['950']
    creations = [r for r in lab.mutations() if r['method'] == 'POST' and r['path'] == '/nodes/pve/lxc']
    assert len(creations) == 1


def test_a_creation_that_died_with_its_worker_is_cleaned_up(lab: Lab, project: Project) -> None:
    project.containers(_950={})
    run = project.start()
    lab.sh(f'{CREATING}; systemctl kill --signal=KILL pveproxy.service')
    run.kill(ended=True)
    lab.sh('systemctl reset-failed pveproxy.service; systemctl start pveproxy.service')
    assert lab.config(950).get('lock') == 'create'
    project.play().good()
    assert lab.word(950) == 'completed'
    assert 'lock' not in lab.config(950)
    assert lab.volumes() == ['950']
    assert project.play().good().changed == 0


def test_a_failing_check_or_script_alone_is_tried_again(lab: Lab, project: Project) -> None:
    """A feature counts as applied only when its check ends well; a settled run checks nothing."""
    feature = project.feature()
    command = 'echo >> /root/checks; test -e /root/works || { echo it is not up yet; exit 3; }'
    project.write(
        f'roles/{feature}/meta/phoenix_feature.yml', json.dumps({'check': {'command': command, 'timeout': 9}})
    )
    script = project.script('echo went wrong here; exit 7\n')
    project.containers(_950={'features': [feature], 'application_script': script})
    run = project.play()
    assert run.rc != 0
    said = f'the check of feature {feature} ({command}) ended with exit code 3. Its last output:\nit is not up yet'
    assert said in run.of('phoenix.hypervisor.phoenix_lxc_state')[-1]['msg']
    assert 'it is not up yet' in lab.trail()
    assert lab.word(950) == 'customizing'
    assert not run.of(APPLICATION)

    # The feature works now, the script fails.
    lab.guest(950, 'touch /root/works')
    dry = project.play('--check').good()
    assert lab.guest(950, 'wc -l < /root/checks') == '1\n'
    again = project.play()
    assert again.rc != 0
    assert again.state()['due_features'][0]['reason'].endswith(' and not ended')
    assert again.state()['plan']['steps'] == dry.state()['plan']['steps']
    told = again.of(APPLICATION)[0]['msg']
    assert f'application script {Path(script).name} ended with exit code 7' in told
    assert 'went wrong here' in again.output
    assert lab.word(950) == 'customizing'
    assert 'went wrong here' in lab.trail()

    project.script('echo fine >> /root/fine\n')
    lab.forget_requests()
    last = project.play().good()
    assert 'Leave a mark' not in ' '.join(last.tasks())
    assert (last.state()['due_features'], lab.mutations()) == ([], [])
    assert (lab.word(950), lab.guest(950, 'cat /root/fine')) == ('completed', 'fine\n')
    assert project.play().good().changed == 0
    assert lab.guest(950, 'wc -l < /root/checks') == '2\n'

    # A time-out ends the script and all that it started.
    project.script('echo $$ > /root/pid; sleep 1000 & wait\n')
    started = time.monotonic()
    late = project.play('-e', 'phoenix_application_timeout=2')
    assert late.rc != 0
    assert time.monotonic() - started < 60
    assert 'did not end within 2 s' in late.of(APPLICATION)[0]['msg']
    assert lab.word(950) == 'customizing'
    assert lab.guest(950, 'grep -lsz "^1000" /proc/[0-9]*/cmdline || echo none') == 'none\n'


def test_the_second_of_two_runs_fails_at_once_and_names_the_first(lab: Lab, project: Project) -> None:
    script = project.script('touch /run/at-work; until [ -e /run/go-on ]; do sleep 0.1; done\n')
    project.containers(_950={'application_script': script})
    first = project.start()
    until(
        lambda: 'there' in lab.sh("pct exec 950 -- sh -c 'test -e /run/at-work && echo there' 2>/dev/null || true"), 120
    )
    second = project.play()
    assert second.rc != 0
    assert 'is being worked on by run' in second.output
    assert f'PID {first.process.pid}' in second.output
    assert first.process.poll() is None
    lab.guest(950, 'touch /run/go-on')
    first.wait().good()
    assert lab.word(950) == 'completed'
    assert project.play().good().changed == 0
