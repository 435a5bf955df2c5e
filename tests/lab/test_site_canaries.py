# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of whole runs, canaries in every key that takes one: searched for on the controller, the node and the guest.

Lists of processes are read all the while: this machine's has those of the node and of its guests too.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from support.canaries import VAULT, encrypt, processes
from support.site import CHECKOUT, HANGS, SITE, Lab, Project, ansible

WORD = 'canary-c0ffee'
APPLICATION, FEATURE, DIGEST, USER, STORAGE, UNUSED = (
    f'{WORD}-{what}' for what in ('application', 'feature', 'digest', 'user', 'storage', 'unused')
)
SEEN = 'process-of-the-node'
# What `openssl passwd -6` makes, with a canary for its salt.
HASHES = (
    '$6$canary.c0ffee.a$JIOdqgbffkMyWfL2hUh5dmgspBmrhWrbgTdXWXYoQc6l8SswwvpJjmJFhFFYTW3sTSQp82y2gWeLZpcraLTJa/',
    '$6$canary.c0ffee.b$RiNXaYJo0NSs8Y3MQn7XPsUXDMpjIKuq71z/pqKcf7LB75k4Rzvd51WkazO1USC718W6Z9b6ZaT7H8/cCIv6j/',
)
# Where they belong: the stores of passwords and users of PVE and the system, and what the feature is made to write.
BELONGS_ON_NODE = re.compile(
    r'/etc/shadow-?$|/etc/pve/priv/|/var/lib/pve-lab/|/var/lib/phoenix-lab/|/var/lib/vz/|/var/lib/lxc/'
)
FEATURE_FILE = '/etc/token-of-the-feature'
SPEC = {'argument_specs': {'main': {'options': {'keeper_token': {'type': 'str', 'no_log': True}}}}}
KEEP = {
    'name': 'Keep the token',
    'ansible.builtin.copy': {'content': '{{ keeper_token }}', 'dest': FEATURE_FILE, 'mode': '0600'},
    'no_log': True,  # as each role has to: --diff shows a file's content
}


def fill(project: Project, script: str, hashed: str = HASHES[0]) -> Path:
    """A project with a secret in every key that takes one."""
    project.script(script)
    project.feature('keeper', [KEEP])
    project.write('roles/keeper/meta/argument_specs.yml', json.dumps(SPEC))
    project.containers(_950={'features': ['keeper'], 'application_script': 'app.sh'})
    values = {
        'phoenix_application_env': {'API_TOKEN': APPLICATION},
        'keeper_token': FEATURE,
        'phoenix_digest_key': DIGEST,
    }
    project.write('group_vars/containers.yml', json.dumps(values))
    share = {'server': '192.0.2.9', 'share': 'media', 'username': 'media', 'password': STORAGE}
    host = {
        'users': [{'username': 'cara', 'password_hash': hashed}],
        'pve': {
            'users': [{'userid': 'ann@pve', 'password': USER}],
            'api_token': {'userid': 'phoenix@pve', 'tokenid': 'automation'},
        },
        'storage': [{'id': 'media', 'type': 'cifs', 'content': 'iso', **share}],
        'docker': {'registry': UNUSED},
    }
    return encrypt(project, project.write('hypervisor_config.json', json.dumps(host)))


def inventory(project: Project, *words: str) -> str:
    """What ansible-inventory prints, which AWX stores."""
    command = [ansible('ansible-inventory'), '-i', str(project.inventory), *words]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=project.environment(), capture_output=True, text=True, timeout=HANGS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def on_node(lab: Lab, word: str) -> list[str]:
    """Files of the node that hold the word, those aside in which it belongs; the journal is read too."""
    found = lab.sh(
        f"grep -rlaFs --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev '{word}' / || true; "
        f"! journalctl --no-pager -o verbose | grep -qaF '{word}' || echo journal"
    ).splitlines()
    return [path for path in found if not BELONGS_ON_NODE.search(path)]


def assert_hidden(lab: Lab, project: Project, shown: list[str], words: list[str], seen: set[str]) -> None:
    """None of the words is anywhere that another user could read it."""
    results = '\n'.join(path.read_text(encoding='utf-8') for path in project.folder.glob('results-*.jsonl'))
    trail = '\n'.join(path.read_text(encoding='utf-8') for path in project.logs.glob('*.log'))
    assert trail
    text = '\n'.join([*shown, results, trail])
    arguments = '\n'.join(seen)
    assert 'ansible-playbook' in arguments
    for word in words:
        assert word not in text, text[max(0, text.find(word) - 400) : text.find(word) + 100]
        assert word not in arguments, [line for line in seen if word in line]
        assert on_node(lab, word) == []


def test_no_secret_of_a_run_is_seen_anywhere(lab: Lab, project: Project) -> None:
    password = fill(project, 'test -n "$API_TOKEN"\ntouch /root/ran\n')
    vault = ('--vault-password-file', str(password))
    lab.sh('userdel --force --remove cara 2>/dev/null || true')  # a reset of the lab leaves the node's own accounts
    # One that lives long enough: those of the run may be over between two looks of a busy machine.
    lab.sh(f'systemd-run --quiet --collect --unit={SEEN} tail -F /run/{SEEN}')
    with processes() as seen:
        dry = project.play('--check', '--diff', '-vvv', *vault, playbook=SITE).good()
        first = project.play('--diff', '-vvv', *vault, playbook=SITE, alone=True).good()
        assert lab.sh('getent shadow cara').split(':')[1] == HASHES[0]
        again = project.play('--diff', '-vvv', *vault, playbook=SITE).good()
        fill(project, 'echo it went wrong; exit 3\n', HASHES[1])  # its environment is no part of the output
        failed = project.play('--diff', '-vvv', *vault, playbook=SITE)
    lab.sh(f'systemctl stop {SEEN}')
    assert failed.rc != 0
    assert 'it went wrong' in failed.output
    assert again.changed == 0
    assert 'set the password of cara' in dry.output
    assert lab.sh('getent shadow cara').split(':')[1] == HASHES[1]
    token = lab.sh('cat /root/.phoenix_hypervisor/api_token').strip().partition('=')[2]
    assert len(token) > 20
    lab.sh('rm /root/.phoenix_hypervisor/api_token')  # where it belongs
    assert lab.guest(950, f'stat -c "%a %U" {FEATURE_FILE}').strip() == '600 root'
    assert lab.guest(950, f'rm {FEATURE_FILE}; grep -rlaFs {WORD} /etc /root /var /tmp /run /opt || true') == ''
    words = [APPLICATION, FEATURE, DIGEST, USER, STORAGE, VAULT, token, *HASHES]
    assert_hidden(lab, project, [dry.output, first.output, again.output, failed.output], words, seen)
    # Those of the files: group_vars are the operator's own, and plain here.
    for arguments in (
        ('--list',),
        ('--list', '--export'),
        ('--host', lab.variables['PHOENIX_LAB_NODE']),
        ('--graph', '--vars'),
    ):
        listed = inventory(project, *arguments, *vault)
        assert 'phoenix_secret' in listed
        assert not [word for word in (USER, STORAGE, UNUSED, *HASHES) if word in listed]
    assert any(SEEN in line for line in seen)
