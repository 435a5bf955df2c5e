# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container whose root answers every module himself: what of it reaches the node and the controller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.figures import figure
from support.site import Lab, Project, Run

# The guest's Python: it keeps what was delivered, and gives the same answer to every module.
HOSTILE = """#!/bin/sh
mkdir -p /root/loot
cp -r /root/.ansible/tmp/. /root/loot/ 2>/dev/null
cat > /dev/null
cat /root/answer
"""
SECRET = 'only the controller knows this'


def fact_sets(secret: Path) -> dict[str, dict[str, Any]]:
    """What a container would set to reach the node, another container, or the controller's files."""
    return {
        'configuration and files': {
            'phoenix_config': {
                'name': 'guest', 'memory_mb': 999, 'cores': 1, 'features': ['leak'], 'unprivileged': False,
                'lxc_options': ['lxc.hook.pre-start = /bin/touch /root/owned'],
                'mount_points': [{'host_path': '/etc', 'container_path': '/mnt'}],
            },
            'phoenix_application': {'name': 'x', 'path': str(secret)},
            'leak_source': str(secret),
            'phoenix_destroy': '951', 'phoenix_destroy_confirm': '951', 'phoenix_recreate_ctids': '951',
            'phoenix_target_state': 'absent', 'phoenix_adopt': 'record', 'phoenix_credential': 'x@pve!y',
        },
        'another container': {'phoenix_ctid': 951, 'phoenix_name': 'victim', 'phoenix_lineage': [951]},
        'another machine': {
            'phoenix_node': 'localhost', 'ansible_host': '127.0.0.1', 'phoenix_pct_transport': 'local',
            'phoenix_busy_dir': '/etc/owned', 'phoenix_pct_method': 'pct',
        },
    }  # fmt: skip  # laid out to be read


def answer(facts: dict[str, Any]) -> str:
    """An answer that the action of every module accepts."""
    return json.dumps(
        {
            'changed': True,
            'stat': {'exists': False},
            'ansible_facts': facts,
            'ansible_stats': {'data': facts, 'per_host': False, 'aggregate': False},
            'add_host': {'host_name': 'owned', 'groups': ['hypervisors']},
            'phoenix_audit': [{'event': 'forged by the guest', 'outcome': 'ok', 'ctid': 951}],
            'msg': '\x1b]0;owned\x07forged\nline',
            'stdout': '\x1b]0;owned\x07\nforged',
            'warnings': ['\x1b]0;owned\x07'],
        }
    )


def hostile(lab: Lab, facts: dict[str, Any]) -> None:
    """Container 950 in the hands of its root."""
    for name, text in {'answer': answer(facts), 'python3': HOSTILE}.items():
        lab.sh(f"cat > /tmp/{name} <<'END'\n{text}\nEND\npct push 950 /tmp/{name} /root/{name} --perms 755\n")
    lab.guest(950, 'rm -rf /root/loot; rm -f /usr/bin/python3; mv /root/python3 /usr/bin/python3')


class Site:
    """Container 950 in the hands of its root, a neighbor, and a secret of the controller."""

    def __init__(self, lab: Lab, project: Project) -> None:
        self.lab, self.project = lab, project
        self.secret = project.write('secret', SECRET)
        self.cache = project.folder / 'cache'
        tasks = [
            {'name': 'Ask', 'ansible.builtin.ping': {}},
            {
                'name': 'Deliver',
                'ansible.builtin.copy': {'src': '{{ leak_source }}', 'dest': '/root/x', 'mode': '0600'},
            },
            {
                'name': 'Look from the node',
                'phoenix.hypervisor.phoenix_gpu_info': {'ctid': '{{ phoenix_ctid }}'},
                'delegate_to': '{{ phoenix_node }}',
            },
        ]
        self.feature = project.feature('leak', tasks)
        project.write(f'roles/{self.feature}/defaults/main.yml', 'leak_source: harmless\n')
        project.containers(_950={}, _951={'name': 'victim'})
        project.play().good()
        script = project.script('true\n')
        project.containers(_950={'features': [self.feature], 'application_script': script}, _951={'name': 'victim'})
        self.before = self.state()

    def state(self) -> Any:
        """What belongs to the two on the node, and what must not be there."""
        victim = self.lab.config(951), self.lab.word(951), self.lab.status(951)
        return self.lab.config(950), victim, self.lab.sh('ls /root/owned /etc/owned 2>/dev/null || true')

    def run(self, number: int) -> Run:
        """A run with something to do inside, and a persistent cache of facts."""
        self.project.write(f'roles/{self.feature}/files/harmless', f'harmless {number}')
        return self.project.play(
            '-v',
            '--diff',
            env={
                'ANSIBLE_CACHE_PLUGIN': 'jsonfile',
                'ANSIBLE_CACHE_PLUGIN_CONNECTION': str(self.cache),
                'ANSIBLE_SHOW_CUSTOM_STATS': 'true',
            },
        )

    def audit(self) -> str:
        """Both trails."""
        return self.lab.trail() + ''.join(path.read_text(encoding='utf-8') for path in self.project.logs.iterdir())

    def loot(self) -> str:
        """All that was ever delivered into the guest."""
        return self.lab.guest(950, 'cat $(find /root/loot /root/.ansible -type f 2>/dev/null) /dev/null')


def test_a_guest_that_answers_names_nothing(lab: Lab, project: Project) -> None:
    site = Site(lab, project)
    runs = 0
    for name, facts in fact_sets(site.secret).items():
        hostile(lab, facts)
        lab.forget_requests()
        for _time in range(1 if runs else 2):  # the second one reads what the first one has cached: nothing of any set
            runs += 1
            done = site.run(runs)
            said = ' '.join(done.output.split())
            assert done.rc == 0, f'{name}: {done.output}'
            assert f'must not set: {next(iter(facts))}' in said, f'{name}: {said}'
            assert '\x1b]0;owned' not in done.output, name
            assert 'CUSTOM STATS' not in done.output, name
        assert site.state() == site.before, name
        assert [request for request in lab.mutations() if '/951/' in request['path']] == [], name
        assert SECRET not in site.loot(), name
        kept = [path for path in site.cache.iterdir() if next(iter(facts)) in path.read_text(encoding='utf-8')]
        assert [path.name for path in kept if path.name.endswith('950')] == [], name
    assert 'forged by the guest' not in site.audit()
    assert '\x1b' not in site.audit()
    figure('a hostile guest named nothing', f'{len(fact_sets(site.secret))} sets of variables, {runs} runs')
