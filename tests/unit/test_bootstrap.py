# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container without Python runs first: one fetch of lists, and one transaction for all that its sources have."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml
from jinja2 import Template

ROOT = Path(__file__).resolve().parents[2]
POLICY = """{name}:
  Installed: (none)
  Candidate: {candidate}
  Version table:
"""
Bootstrap = Callable[..., tuple[int, list[str]]]


@pytest.fixture(name='bootstrap')
def make_bootstrap(tmp_path: Path) -> Bootstrap:
    """Run the script with programs that note their arguments; its exit code and the notes."""
    log = tmp_path / 'log'

    def program(name: str, text: str) -> None:
        path = tmp_path / 'bin' / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{log}\n{text}\n', encoding='utf-8')
        path.chmod(0o755)

    def run(packages: Sequence[str], known: Sequence[str], refused: str = 'none of them') -> tuple[int, list[str]]:
        script = yaml.safe_load((ROOT / 'playbooks/tasks/install_python.yml').read_text(encoding='utf-8'))[0]
        text = Template(script['ansible.builtin.raw']).render(phoenix_part={'packages': packages})
        policy = [POLICY.format(name=name, candidate='1.0-1' if name in known else '(none)') for name in packages]
        (tmp_path / 'policy').write_text(''.join(policy), encoding='utf-8')
        program('apt-cache', f'cat {tmp_path}/policy')
        program('apt-get', f'case "$*" in *"{refused}"*) exit 100;; esac')
        log.write_text('', encoding='utf-8')
        env = {'PATH': f'{tmp_path}/bin:{os.environ["PATH"]}'}
        code = subprocess.run(['sh', '-c', text], env=env, check=False).returncode
        return code, log.read_text(encoding='utf-8').splitlines()

    return run


def installed(lines: Sequence[str]) -> list[str]:
    """The packages of each transaction."""
    return [line.partition('--no-upgrade ')[2].strip() for line in lines if ' install ' in line]


def test_all_that_the_sources_have_comes_in_one_transaction(bootstrap: Bootstrap) -> None:
    code, lines = bootstrap(['curl', 'docker-ce', 'less'], known=['curl', 'less'])
    assert code == 0
    assert installed(lines) == ['python3 python3-apt curl less']


def test_the_lists_are_fetched_once_and_small(bootstrap: Bootstrap) -> None:
    updates = [line for line in bootstrap(['curl'], known=['curl'])[1] if line.endswith('update -q')]
    assert len(updates) == 1
    assert 'Acquire::Languages=none' in updates[0]
    assert 'Acquire::CompressionTypes::Order::=gz' in updates[0]


def test_the_lists_are_not_read_for_the_names(bootstrap: Bootstrap) -> None:
    asked = [line for line in bootstrap(['curl', 'less'], known=['curl'])[1] if line.startswith('apt-cache')]
    assert asked == ['apt-cache policy curl less']


@pytest.mark.parametrize(('packages', 'known'), [([], []), (['docker-ce'], [])])
def test_without_packages_python_comes_alone(bootstrap: Bootstrap, packages: list[str], known: list[str]) -> None:
    code, lines = bootstrap(packages, known)
    assert (code, installed(lines)) == (0, ['python3 python3-apt'])


def test_packages_that_cannot_be_installed_do_not_keep_python_away(bootstrap: Bootstrap) -> None:
    code, lines = bootstrap(['curl', 'broken'], known=['curl', 'broken'], refused='broken')
    assert (code, installed(lines)) == (0, ['python3 python3-apt curl broken', 'python3 python3-apt'])


def test_a_failure_is_one(bootstrap: Bootstrap) -> None:
    assert bootstrap(['curl'], known=['curl'], refused='python3')[0] != 0
    assert bootstrap([], known=[], refused='python3')[0] != 0
    assert bootstrap([], known=[], refused='update')[0] != 0


PACKAGE = """Package: {name}
Status: {status}
Architecture: all
Maintainer: nobody <nobody@localhost>
Version: 1.0
{more}Description: a package

"""


@pytest.mark.parametrize(
    ('status', 'depends', 'is_whole'),
    [
        ('install ok installed', '', True),
        ('install ok installed', 'Depends: one\n', True),
        ('install ok installed', 'Depends: missing\n', False),
        ('install reinstreq half-installed', '', False),
    ],
)
def test_the_check_of_base_setup_sees_what_is_missing(
    tmp_path: Path, status: str, depends: str, is_whole: bool
) -> None:
    manifest = yaml.safe_load((ROOT / 'roles/base_setup/meta/phoenix_feature.yml').read_text(encoding='utf-8'))
    packages = PACKAGE.format(name='one', status='install ok installed', more='')
    (tmp_path / 'status').write_text(
        packages + PACKAGE.format(name='two', status=status, more=depends), encoding='utf-8'
    )
    (tmp_path / 'apt.conf').write_text(f'Dir::State::status "{tmp_path}/status";\n', encoding='utf-8')
    env = {'PATH': os.environ['PATH'], 'APT_CONFIG': str(tmp_path / 'apt.conf')}
    done = subprocess.run(
        ['sh', '-c', manifest['check']['command']], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) is is_whole, done.stderr
