# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers started and stopped on request, in the order of their dependencies."""

from __future__ import annotations

from support.site import Lab, Project, Run

POWER = 'playbooks/power.yml'


def paths(lab: Lab) -> list[str]:
    """What the control plane was asked to do with containers, in order."""
    return [call['path'].removeprefix('/nodes/pve/lxc/') for call in lab.mutations()]


def power(project: Project, what: str, *words: str) -> Run:
    """One request, for both containers."""
    project.lab.forget_requests()
    return project.play('-e', f'phoenix_power={what}', *(words or ('--limit', '950,951')), playbook=POWER)


def test_a_container_that_was_stopped_stays_stopped(lab: Lab, project: Project) -> None:
    project.containers(_950={'name': 'web', 'dependencies': ['951']}, _951={'name': 'db'})
    project.play().good()
    lab.await_boot(950, 951)  # a system that has not booted yet loses the request to shut down
    refused = power(project, 'stop', '-e', 'x=1')
    assert refused.rc != 0
    assert 'name the containers with --limit' in refused.output
    dry = power(project, 'shutdown', '--limit', '950,951', '--check').good()
    assert (paths(lab), lab.status(950)) == ([], 'running')
    assert 'phoenix_power: shutdown' in str(dry.events)
    power(project, 'shutdown').good()
    assert paths(lab) == ['950/status/shutdown', '951/status/shutdown']
    assert 'step=shutdown' in lab.trail()
    lab.forget_requests()
    settled = project.play().good()
    assert 'stopped on purpose by the run' in settled.output
    assert (paths(lab), lab.status(950)) == ([], 'stopped')
    assert 'changed=0' in settled.output
    power(project, 'start').good()
    assert paths(lab) == ['951/status/start', '950/status/start']
    power(project, 'restart', '--limit', '951').good()
    assert paths(lab) == ['951/status/reboot']
    lab.forget_requests()
    assert 'changed=0' in project.play().good().output
    assert (paths(lab), lab.word(950)) == ([], 'completed')
