# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guarded change of a real container: it succeeds, it fails and is reported, it fails and is rolled back."""

from __future__ import annotations

from support.site import TANK, Lab, Project

HEALTH = {'command': 'test ! -e /root/broken', 'retries': 1, 'interval': 1}
SNAPSHOT = '[phoenix-guard]'


def test_a_change_goes_back_when_it_fails(lab: Lab, project: Project) -> None:
    lab.sh(TANK)
    values = {'storage_pool': 'tank', 'health_check': HEALTH, 'guard': 'report'}
    fine = project.script('echo fine > /root/work\n')
    project.containers(_950={**values, 'application_script': fine})
    project.play().good()
    assert lab.word(950) == 'completed'

    # One that succeeds: the health check is run, and nothing of the guard is left.
    project.containers(_950={**values, 'application_script': fine, 'memory_mb': 768})
    lab.forget_requests()
    run = project.play().good()
    calls = [f"{asked['method']} {asked['path'].rpartition('/950')[2]}" for asked in lab.mutations()]
    assert calls == ['POST /snapshot', 'PUT /config', 'DELETE /snapshot/phoenix-guard']
    assert len(run.of('phoenix.hypervisor.phoenix_application')) == 1
    assert project.play().good().changed == 0

    # One that fails is left to be looked at, and the way back is reported.
    project.script('echo other > /root/work; touch /root/broken\n')
    run = project.play()
    assert run.rc != 0
    assert 'pct rollback 950 phoenix-guard --start 1' in run.output
    assert SNAPSHOT in lab.sh('cat /etc/pve/lxc/950.conf')
    assert (lab.word(950), lab.guest(950, 'cat /root/work')) == ('customizing', 'other\n')

    # With the consent it is taken: by the next run, which fails again.
    project.containers(_950={**values, 'application_script': fine, 'memory_mb': 768, 'guard': 'rollback'})
    run = project.play()
    assert run.rc != 0
    assert 'is back (guard: rollback)' in run.output
    assert SNAPSHOT not in lab.sh('cat /etc/pve/lxc/950.conf')
    assert (lab.word(950), lab.guest(950, 'cat /root/work')) == ('completed', 'fine\n')
    assert lab.guest(950, 'test -e /root/broken || echo gone') == 'gone\n'

    # What was right before is right again.
    project.script('echo fine > /root/work\n')
    lab.forget_requests()
    project.play().good()
    assert lab.mutations() == []
    assert lab.word(950) == 'completed'
