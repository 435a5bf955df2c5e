# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `phoenix`: which playbook each word runs, and what it says to a wrong word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(__file__).resolve().parents[3] / 'bin' / 'phoenix'
NODES = {'pve': {'ansible_host': '192.0.2.10', 'ansible_user': 'root'}}
# What ansible-inventory prints: texts of the files are marked as untrusted.
INVENTORY = {
    '_meta': {
        'hostvars': {
            '950': {
                'phoenix_ctid': 950,
                'phoenix_name': {'__ansible_unsafe': 'web-1'},
                'phoenix_node': {'__ansible_unsafe': 'pve'},
                'phoenix_nodes': NODES,
            },
            '951': {
                'phoenix_ctid': 951,
                'phoenix_name': '$(touch here)',
                'phoenix_node': 'far',
                'phoenix_nodes': {},
            },
            'pve': {},
            'far': {
                'ansible_host': '192.0.2.11',
                'ansible_user': 'ops',
                'ansible_port': 2222,
                'ansible_ssh_private_key_file': '/keys/own key',
                'ansible_ssh_common_args': "-o 'ProxyJump gate'",
            },
        }
    }
}
TELL = f"""#!{sys.executable}
import json, os, sys
print(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]))
"""
LIST = f"""#!{sys.executable}
print({json.dumps(INVENTORY)!r})
"""


@pytest.fixture(name='folder')
def fixture_folder(tmp_path: Path) -> Path:
    """An empty folder of a project, and beside it programs that only say how they were called."""
    programs = tmp_path / 'programs'
    programs.mkdir()
    for name, text in {'ansible-playbook': TELL, 'ssh': TELL, 'pct': TELL, 'ansible-inventory': LIST}.items():
        (programs / name).write_text(text, encoding='utf-8')
        (programs / name).chmod(0o755)
    folder = tmp_path / 'project'
    folder.mkdir()
    return folder


def phoenix(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    env = {name: value for name, value in os.environ.items() if name != 'PHOENIX_INVENTORY'}
    env |= {'PATH': f'{folder.parent / "programs"}:{os.environ["PATH"]}', **more}
    return subprocess.run(
        [sys.executable, str(COMMAND), *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def called(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The command that was run, which was also printed first."""
    assert done.returncode == 0, done.stderr
    words: list[str] = json.loads(done.stdout)
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f'{words[0]} ')
    words[1:] = ['site' if word.endswith(('site.yml', 'hypervisor.site')) else word for word in words[1:]]
    return words


def test_the_plan_is_a_dry_run(folder: Path) -> None:
    assert called(phoenix(folder, 'plan')) == ['ansible-playbook', 'site', '--check', '--diff']


def test_names_of_containers_and_groups_limit_the_run(folder: Path) -> None:
    done = phoenix(folder, 'apply', '950', 'web-1', 'tag_blue')
    assert called(done) == ['ansible-playbook', 'site', '--limit', '950,web_1,tag_blue']


def test_what_follows_two_dashes_is_passed_on(folder: Path) -> None:
    assert called(phoenix(folder, 'apply', '950', '--', '-e', 'a=b c'))[-2:] == ['-e', 'a=b c']


@pytest.mark.parametrize(
    ('words', 'more', 'expected'),
    [
        (('-i', 'own.yml', 'apply'), {}, ['-i', 'own.yml']),
        (('apply',), {'PHOENIX_INVENTORY': 'other.yml'}, ['-i', 'other.yml']),
        (('apply',), {}, ['site']),
    ],
)
def test_the_inventory_source(folder: Path, words: tuple[str, ...], more: dict[str, str], expected: list[str]) -> None:
    assert called(phoenix(folder, *words, **more))[1 : 1 + len(expected)] == expected


def test_a_source_in_the_folder_is_used(folder: Path) -> None:
    (folder / 'phoenix.yml').touch()
    assert called(phoenix(folder, 'apply'))[1:3] == ['-i', 'phoenix.yml']


def test_import_takes_ctids_that_no_inventory_has(folder: Path) -> None:
    words = called(phoenix(folder, 'import', '100', '101'))
    assert words[-2:] == ['-e', '{"phoenix_import_ctids": [100, 101]}']


def test_update_takes_containers(folder: Path) -> None:
    words = called(phoenix(folder, 'update', '950', '--', '--check'))
    assert words[-3:] == ['--limit', '950', '--check']
    assert words[-4] == 'phoenix.hypervisor.update'


def test_power_begins_with_what_is_to_happen(folder: Path) -> None:
    words = called(phoenix(folder, 'power', 'stop', '950'))
    assert words[-4:] == ['-e', 'phoenix_power=stop', '--limit', '950']
    assert phoenix(folder, '_words', 'power').stdout.split() == ['start', 'stop', 'shutdown', 'restart']


def test_enter_goes_through_the_node(folder: Path) -> None:
    expected = ['ssh', '-t', '--', 'root@192.0.2.10', 'pct', 'enter', '950']
    assert called(phoenix(folder, 'enter', '950')) == expected
    assert called(phoenix(folder, 'enter', 'web-1')) == expected


def test_enter_uses_the_login_of_the_node(folder: Path) -> None:
    options = ['-t', '-o', 'ProxyJump gate', '-p', '2222', '-i', '/keys/own key']
    expected = ['ssh', *options, '--', 'ops@192.0.2.11', 'sudo', 'pct', 'enter', '951']
    assert called(phoenix(folder, 'enter', '951')) == expected


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (('enter', '1'), 'phoenix: 1 is no container of the inventory; there are 950 (web-1), 951 ($(touch here))'),
        (('enter',), 'phoenix: expected one container: phoenix enter CTID'),
        (('import', 'web'), 'phoenix: expected CTIDs, got web'),
        (('power', '950'), 'phoenix: expected one of start, stop, shutdown, restart first'),
        (('completion', 'fish'), 'phoenix: expected one of bash, zsh'),
    ],
)
def test_a_wrong_word_gets_one_line(folder: Path, words: tuple[str, ...], message: str) -> None:
    done = phoenix(folder, *words)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (2, '', message)


def test_words_for_the_shell(folder: Path) -> None:
    assert phoenix(folder, '_words').stdout.split()[:2] == ['plan', 'apply']
    # A shell would run what is in the other name.
    assert phoenix(folder, '_words', 'enter').stdout.split() == ['950', '951', 'web-1']


def test_bash_completes_names(folder: Path) -> None:
    script = """eval "$(phoenix completion bash)"
COMP_WORDS=(phoenix enter we); COMP_CWORD=2; _phoenix; echo "${COMPREPLY[@]}"
COMP_WORDS=(phoenix st); COMP_CWORD=1; _phoenix; echo "${COMPREPLY[@]}"
"""
    (folder.parent / 'programs' / 'phoenix').symlink_to(COMMAND)
    env = {**os.environ, 'PATH': f'{folder.parent / "programs"}:{os.environ["PATH"]}'}
    done = subprocess.run(['bash', '-c', script], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ['web-1', 'status'], done.stderr
