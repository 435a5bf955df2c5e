# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest whose root floods, hangs, nests or forges its ledger; one without a resolver; a command left behind."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from support.figures import figure
from support.site import CHECKOUT, HANGS, Lab, Project, until

CODE = '/opt/phoenix-hostile'
LEDGER = '/var/lib/phoenix_hypervisor/ledger.json'
# The node's Python says what it needed at most, and what a process of it needed at most, both in KiB.
PEAK = """
import json, resource, sys
sys.path.insert(0, {path!r})
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import ledger
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import glance, guest
view = {look}(950, 'boot-of-node')
why = view.error or ''
if view.ledger_text and not why:
    try:
        ledger.parse(view.ledger_text)
    except ledger.LedgerError as error:
        why = str(error)
who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
print(json.dumps([why, *(resource.getrusage(one).ru_maxrss for one in who)]))
"""
BOTH = """
import sys
sys.path.insert(0, {path!r})
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import glance, guest
print(glance.look_all([950], 'boot-of-node') == {{950: guest.look(950, 'boot-of-node')}})
"""
REACH = """
import sys
sys.path.insert(0, {path!r})
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import guestnetwork
print(guestnetwork.trouble(950, None))
"""
SH = '#!/bin/sh.real\n'
FORGED = {
    'a flood on standard output': (f'{SH}exec cat /dev/zero', 'wrote more than'),
    'a flood on standard error': (f'{SH}exec cat /dev/zero >&2', 'wrote more than'),
    'a flood by a child that outlives its parent': (f'{SH}(setsid cat /dev/zero &)', ''),
    'no end': (f'{SH}exec sleep 1000', 'did not end within 15 s'),
    'escape sequences': (f"{SH}printf 'a\\033]0;owned\\007\\033[2Jb\\302\\233c' >&2; exit 3", 'ab'),
}
PLANTED = {
    'a FIFO': (f'mkfifo {LEDGER}', 'not a regular file'),
    'a link to an endless device': (f'ln -s /dev/zero {LEDGER}', 'not a regular file'),
    'a link to a file of the same name on the node': (f'ln -s {LEDGER} {LEDGER}', ''),
    'a folder': (f'mkdir {LEDGER}', 'not a regular file'),
    'a huge file': (f'truncate -s 900G {LEDGER} || truncate -s 1G {LEDGER}', 'longer than'),
    'JSON 100,000 levels deep': (f'head -c 100000 /dev/zero | tr "\\0" "[" > {LEDGER}', 'nested deeper than'),
    'another version': (f'echo "{{}}" > {LEDGER}', 'not version 1'),
}


def deliver(lab: Lab, folder: str) -> None:
    """Put a folder of the checkout onto the node, where its Python finds it by the collection's name."""
    packed = subprocess.run(['tar', '-C', str(CHECKOUT), '-czf', '-', folder], check=True, capture_output=True).stdout
    place = f'{CODE}/ansible_collections/phoenix/hypervisor'
    ssh = ['ssh', '-F', lab.variables['PHOENIX_LAB_SSH_CONFIG'], lab.variables['PHOENIX_LAB_NODE']]
    command = f'rm -rf {CODE} && mkdir -p {place} && tar -C {place} -xzf -'
    subprocess.run([*ssh, command], input=packed, check=True, timeout=HANGS)


def processes(lab: Lab, command: str) -> str:
    """The processes with exactly this command line; the node sees those of its guests."""
    return lab.sh(f"pgrep -fx '{command}' || true").strip()


@pytest.fixture(scope='module')
def hostile(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A container that has been settled, and then is its root's; the product's code on the node, to be called there."""
    site_lab.run('reset')
    project = Project(site_lab, tmp_path_factory.mktemp('hostile'))
    project.containers(_950={'features': [project.feature()]})
    project.play().good()
    deliver(site_lab, 'plugins/module_utils')
    site_lab.sh("pct exec 950 -- sh -c 'cp -L /bin/sh /bin/sh.real'")
    return project


def peak(lab: Lab, look: str) -> tuple[str, int, int]:
    """What one look inside finds wrong, and the peaks of memory on the node, in KiB."""
    why, own, children = json.loads(lab.sh(f'python3 - <<"END"\n{PEAK.format(path=CODE, look=look)}\nEND'))
    return why, own, children


def test_the_node_sees_without_a_process_of_the_guest_what_one_of_them_sees(hostile: Project) -> None:
    assert 'begin' in hostile.lab.trail()  # of the feature that its ledger has
    assert hostile.lab.sh(f'python3 - <<"END"\n{BOTH.format(path=CODE)}\nEND') == 'True\n'


@pytest.mark.parametrize('what', FORGED)
def test_a_shell_that_answers_what_it_likes_is_bounded(hostile: Project, what: str) -> None:
    lab = hostile.lab
    script, said = FORGED[what]
    lab.sh(f"pct exec 950 -- sh.real -c 'rm /bin/sh; cat > /bin/sh; chmod 755 /bin/sh' <<'END'\n{script}\nEND")
    started = time.monotonic()
    try:
        why, own, children = peak(lab, 'guest.look')
    finally:
        lab.sh("pkill -fx 'cat /dev/zero'; pct exec 950 -- ln -sf dash /bin/sh")
    assert said in why
    assert why.replace('\ufffd', '').isprintable()
    assert time.monotonic() - started < 40
    assert max(own, children) < 64 * 1024
    figure(f'{what}: peak on the node', f'{max(own, children) // 1024} MiB, {time.monotonic() - started:.1f} s')


@pytest.mark.parametrize('what', PLANTED)
def test_a_planted_ledger_is_bounded(hostile: Project, what: str) -> None:
    lab = hostile.lab
    plant, said = PLANTED[what]
    lab.sh(f"pct exec 950 -- sh -c 'rm -rf {LEDGER}; {plant}'")
    why, own, children = peak(lab, 'glance.look')
    lab.sh(f"pct exec 950 -- sh -c 'rm -rf {LEDGER}'")
    assert said in why
    assert max(own, children) < 64 * 1024
    figure(f'ledger is {what}: peak on the node', f'{max(own, children) // 1024} MiB')


def test_a_run_meets_a_flood_as_a_fault_of_that_container(hostile: Project) -> None:
    """A module that floods the controller is ended by the node; the run says which variable allows more."""
    lab = hostile.lab
    hostile.feature('flood', [{'name': 'Flood', 'ansible.builtin.raw': 'cat /dev/zero', 'changed_when': False}])
    hostile.containers(_950={'features': [hostile.feature(), 'flood']})
    run = hostile.play('-e', 'phoenix_output_limit_mb=8')
    assert run.rc == 2
    assert 'wrote more than 8 MiB and was ended with all that it started' in run.output
    until(lambda: processes(lab, 'cat /dev/zero') == '')  # the kernel takes a killed process down in its own time


def test_what_a_dead_run_left_inside_is_ended_and_not_awaited(hostile: Project) -> None:
    lab = hostile.lab
    hostile.feature('slow', [{'name': 'Sleep', 'ansible.builtin.command': 'sleep 3000', 'changed_when': False}])
    hostile.containers(_950={'features': ['slow']})
    run = hostile.start()
    until(lambda: processes(lab, 'sleep 3000'))
    run.kill()
    hostile.feature('slow')
    started = time.monotonic()
    hostile.play().good()
    assert processes(lab, 'sleep 3000') == ''
    assert time.monotonic() - started < 60
    figure('a run after one that left a command of 3000 s inside', f'{time.monotonic() - started:.1f} s')


def test_a_resolver_that_never_answers_is_reported_within_a_minute(hostile: Project) -> None:
    """Packets to it are dropped, as behind a firewall: nothing refuses."""
    lab = hostile.lab
    lab.guest(
        950,
        'cp /etc/resolv.conf /etc/resolv.saved; rm /etc/resolv.conf; echo nameserver 192.0.2.53 > /etc/resolv.conf',
    )
    lab.sh('ip route add blackhole 192.0.2.53')
    hostile.feature('download')
    hostile.write('roles/download/meta/phoenix_feature.yml', json.dumps({'network': True}))
    hostile.containers(_950={'features': ['download']})
    try:
        started = time.monotonic()
        found = lab.sh(f'python3 - <<"END"\n{REACH.format(path=CODE)}\nEND')
        asked = time.monotonic() - started
        started = time.monotonic()
        run = hostile.play()
    finally:
        lab.sh('ip route del blackhole 192.0.2.53')
    seconds = time.monotonic() - started
    assert 'gave no answer for "' in found
    assert run.rc == 2
    said = run.state()['msg']
    assert "container 950: feature download can't begin: its resolver 192.0.2.53 (the node" in said
    assert 'gave no answer for' in said
    assert asked < 40
    figure('a resolver that never answers is reported after', f'{asked:.1f} s, by a run of {seconds:.1f} s: {said}')
    lab.guest(950, 'mv /etc/resolv.saved /etc/resolv.conf')
    hostile.play().good()
