# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection needs of controller and node: one truth in metadata, requirement files, checks and pages."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import controller

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))

import checks
import toolchain

FIRST, LAST = toolchain.OLDEST.name, toolchain.NEWEST.name
NEXT = '{}.{}'.format(LAST.split('.')[0], int(LAST.split('.')[1]) + 1)
CORE = f'ansible-core>={FIRST},<{NEXT}'
SERIES = f'ansible-core {FIRST} to {LAST}'
# The collection of the playbook awx, which only those who run that one install.
OF_ONE = {'awx.awx'}


def loaded(name: str) -> Any:
    """A YAML file of the repository."""
    return yaml.safe_load(text(name))


def text(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text(encoding='utf-8')


def lowest(clause: str) -> str:
    """The version of a clause `>=VERSION`, as people say it: without zeros at its end."""
    return re.sub(r'(\.0)+$', '', clause.removeprefix('>='))


def test_the_series_are_those_that_are_tested() -> None:
    assert [one.name for one in toolchain.SERIES] == [FIRST, '2.20', LAST]
    assert loaded('meta/runtime.yml')['requires_ansible'] == f'>={FIRST}.0'
    ignores = sorted(path.name for path in (ROOT / 'tests/sanity').glob('ignore-*.txt'))
    assert ignores == [f'ignore-{one.name}.txt' for one in toolchain.SERIES]
    environment = loaded('execution-environment.yml')['dependencies']
    assert environment['ansible_core']['package_pip'] == CORE


@pytest.mark.parametrize('page', ['README.md', 'docs/first-host.md'])
def test_the_pages_say_the_same_of_the_controller(page: str) -> None:
    python = min(version for one in toolchain.SERIES for version in one.pythons)
    assert SERIES in text(page)
    assert f'Python {python[0]}.{python[1]} or later' in text(page)
    for name, version in controller.PYTHON.items():
        assert re.search(rf'`{name}`,? {re.escape(version)} or later', text(page))


def test_the_commands_install_what_is_needed() -> None:
    packages = ' '.join(f"'{name}>={version}'" for name, version in controller.PYTHON.items())
    assert f"pip install '{CORE}' {packages}" in text('docs/first-host.md')


def test_python_packages_are_the_same_everywhere() -> None:
    wanted = [f'{name}>={version}' for name, version in controller.PYTHON.items()]
    lines = [line for line in text('requirements.txt').splitlines() if line and not line.startswith('#')]
    assert lines[: len(wanted)] == wanted
    assert loaded('execution-environment.yml')['dependencies']['python'] == lines
    # The others are for nodes that are reached by a token.
    command = ' '.join(f"'{line}'" for line in lines[len(wanted) :])
    assert f'pip install {command}' in text('docs/token-access.md')


def test_collections_are_the_same_everywhere() -> None:
    wanted = loaded('galaxy.yml')['dependencies']
    of_clone = {item['name']: item['version'] for item in loaded('requirements.yml')['collections']}
    assert of_clone == wanted
    galaxy = loaded('execution-environment.yml')['dependencies']['galaxy']['collections']
    of_image = {item['name']: item['version'] for item in galaxy}
    assert {name: of_image[name] for name in wanted} == wanted
    assert set(of_image) - set(wanted) == OF_ONE
    for name, clause in wanted.items():
        assert f'`{name}` {lowest(clause)} or later' in text('README.md')


def test_the_node_needs_the_python_that_the_modules_are_tested_with() -> None:
    assert loaded('tests/config.yml')['modules']['python_requires'] == f'>={checks.NODE_PYTHON}'
    assert f'`python3` {checks.NODE_PYTHON} or later' in text('docs/first-host.md')
