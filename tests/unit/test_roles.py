# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles and playbooks are lists of steps: what computes is Python, and a role's variables are its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# A statement that assigns, and calls that take texts apart. A loop in the text of a file is a template, no program.
PROGRAMS = re.compile(r'\{%-?\s*(?:set|macro)\b|\bnamespace\(|\bregex_(?:replace|search|findall)\b')
PRIVATE = re.compile(r'\b__([a-z0-9]+(?:_[a-z0-9]+)*)')


def lines(root: Path, *folders: str) -> Iterator[tuple[Path, int, str]]:
    """Every line of the YAML files and templates, with its place."""
    for folder in folders:
        for path in sorted((root / folder).rglob('*')):
            if path.suffix in ('.yml', '.j2'):
                for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
                    yield path.relative_to(root), number, line


def programs(root: Path) -> list[str]:
    """Where a role or a playbook computes what Python should. Templates can escape their texts."""
    found = [row for row in lines(root, 'roles', 'playbooks') if row[0].suffix == '.yml' and PROGRAMS.search(row[2])]
    return [f'{path}:{number}' for path, number, _line in found]


def foreign_variables(root: Path) -> list[str]:
    """Where a role or a playbook uses a private variable of a role that is not its own."""
    roles = sorted((path.name for path in (root / 'roles').iterdir()), key=len, reverse=True)
    found = []
    for path, number, line in lines(root, 'roles', 'playbooks'):
        own = path.parts[1] if path.parts[0] == 'roles' else ''
        for name in PRIVATE.findall(line):
            owner = next((role for role in roles if name == role or name.startswith(f'{role}_')), own)
            found += [f'{path}:{number}: __{name}'] if owner != own else []
    return found


def test_what_computes_is_python() -> None:
    assert programs(ROOT) == []


def test_a_role_uses_no_private_variable_of_another() -> None:
    assert foreign_variables(ROOT) == []


@pytest.mark.parametrize(
    ('text', 'is_program', 'is_foreign'),
    [
        ('x: "{{ __one_x }}"', False, False),
        ('x: "{{ __own | default(__item) }}"', False, False),
        ('x: "{{ __one_two_x }}"', False, True),
        ('x: "{% for a in b %}{{ a }}{% endfor %}"', False, False),
        ("x: {%- set y = 1 -%}", True, False),
        ("x: \"{{ y | map('regex_replace', 'a', 'b') }}\"", True, False),
    ],
)
def test_planted_lines_are_found(tmp_path: Path, text: str, is_program: bool, is_foreign: bool) -> None:
    for role in ('one', 'one_two'):
        (tmp_path / 'roles' / role / 'vars').mkdir(parents=True)
    (tmp_path / 'roles' / 'one' / 'vars' / 'main.yml').write_text(f'---\n{text}\n', encoding='utf-8')
    assert (programs(tmp_path) != []) is is_program
    assert (foreign_variables(tmp_path) != []) is is_foreign


def test_no_tag_of_a_role_skips_what_the_play_of_the_nodes_begins_with() -> None:
    plays = yaml.safe_load((ROOT / 'playbooks' / 'hypervisor.yml').read_text(encoding='utf-8'))
    check, end, *others = next(play['tasks'] for play in plays if 'tasks' in play)
    assert end['ansible.builtin.meta'] == 'end_host'

    def tags(task: dict[str, Any]) -> set[str]:
        given = task['tags']
        return {given} if isinstance(given, str) else set(given)

    assert tags(check) == tags(end) == set().union(*map(tags, others))


@pytest.mark.parametrize(
    ('given', 'fqdn', 'expected'),
    [
        ('pve.example.org', 'pve.lab.internal', 'pve.example.org'),
        ('pve', 'pve.lab.internal', 'pve.lab.internal'),
        ('pve', 'pve', 'pve'),
        ('pve', 'pve.localdomain', 'pve'),
        ('pve', 'other.lab.internal', 'pve'),
        ('pve', 'pve2.lab.internal', 'pve'),
    ],
)
def test_a_name_without_a_domain_leaves_the_node_its_domain(given: str, fqdn: str, expected: str) -> None:
    text = (ROOT / 'roles' / 'hypervisor_base' / 'vars' / 'main.yml').read_text(encoding='utf-8')
    environment = jinja2.Environment(autoescape=False)
    environment.tests['match'] = lambda value, pattern: re.match(pattern, value) is not None
    values = {'hypervisor_base_config': {'hostname': given}, 'ansible_facts': {'fqdn': fqdn}}
    short = given.partition('.')[0]
    template = environment.from_string(yaml.safe_load(text)['__hypervisor_base_full'])
    assert template.render(**values, __hypervisor_base_short=short) == expected
