# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every file of the repository must keep to, and no linter looks at."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 400
# Plugin kind -> the documentation that it must carry. Action plugins are documented by their module.
DOCUMENTED = {
    'callback': {'DOCUMENTATION', 'EXAMPLES'},
    'connection': {'DOCUMENTATION', 'EXAMPLES'},
    'filter': {'DOCUMENTATION', 'EXAMPLES', 'RETURN'},
    'inventory': {'DOCUMENTATION', 'EXAMPLES'},
    'lookup': {'DOCUMENTATION', 'EXAMPLES', 'RETURN'},
    'modules': {'DOCUMENTATION', 'EXAMPLES', 'RETURN'},
}
# Words put together here, so that this file is not its own finding.
FORBIDDEN = {
    'the host of a package registry (the user configures that)': re.compile(
        '|'.join(re.escape(f'{one}.{two}') for one, two in (('pypi', 'org'), ('pythonhosted', 'org'))), re.IGNORECASE
    ),
    "a developer's machine": re.compile(r'(^|[^\w.])/wor' + r'k/'),
    "a developer's scratch directory": re.compile('/tm' + 'p/w/'),
    'the way of working': re.compile(r'\b(?:this|next|earlier) ' + 'session' + r'\b', re.IGNORECASE),
    'an unfinished part': re.compile(r'\b(?:TO' + 'DO|FIX' + r'ME)\b'),
    'a conflict that git left': re.compile(r'^(?:<{7}|>{7}) ', re.MULTILINE),
}
SPDX = 'SPDX-License-Identifier: GPL-3.0-or-later'


def files() -> Iterator[Path]:
    """The repository's files; what tools leave behind is not part of it."""
    for directory, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if not (name.startswith('.') and name != '.ci') and name not in ('__pycache__', 'collections')
        ]
        if Path(directory) == ROOT / 'tests':
            folders[:] = [name for name in folders if name != 'output']
        yield from (Path(directory, name) for name in names if not name.endswith('.pyc'))


def text_of(path: Path) -> str:
    """A file's text; what is no text counts as empty."""
    try:
        return path.read_text(encoding='utf-8')
    except UnicodeDecodeError:
        return ''


def breaches(text: str) -> list[str]:
    """What a text contains that the repository must not."""
    return [f'{what}: {hit.group().strip()}' for what, pattern in FORBIDDEN.items() if (hit := pattern.search(text))]


def relative(path: Path) -> str:
    """A path as it is printed."""
    return str(path.relative_to(ROOT))


def test_no_file_says_what_the_repository_must_not() -> None:
    found = [f'{relative(path)}: {what}' for path in files() for what in breaches(text_of(path))]
    assert found == []


@pytest.mark.parametrize(
    ('text', 'clean'),
    [
        ('index-url = https://PyPI' + '.org/simple', False),
        ('see /wor' + 'k/main/x', False),
        ('docs/wor' + 'k/main', True),
        ('# TO' + 'DO later', False),
        ('in an earlier ' + 'session', False),
        ('an SSH session', True),
        ('<<<<<<< HEAD\n', False),
        ('cat <<EOF', True),
    ],
)
def test_forbidden_words_are_found(text: str, clean: bool) -> None:
    assert (breaches(text) == []) is clean


def test_python_files_carry_the_licence() -> None:
    found = [relative(p) for p in files() if p.suffix == '.py' and text_of(p).strip() and SPDX not in text_of(p)[:1000]]
    assert found == []


def test_plugins_are_small_files() -> None:
    sizes = {relative(p): len(text_of(p).splitlines()) for p in (ROOT / 'plugins').rglob('*.py')}
    assert {path: size for path, size in sizes.items() if size > MOST_LINES} == {}


def test_no_pattern_ends_before_a_line_feed() -> None:
    """A `$` lets a line feed follow in Python; `\\Z` is the end. Only a pattern for many lines may want the former."""
    found = []
    for path in (ROOT / 'plugins').rglob('*.py'):
        for node in ast.walk(ast.parse(text_of(path))):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith('re.') and node.args):
                continue
            texts = [part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)]
            lax = [text for text in texts if isinstance(text, str) and re.search(r'(?<!\\)\$(?=\Z|\))', text)]
            # The one that makes \Z of the $ of JSON Schema looks for it.
            if lax and 'MULTILINE' not in ast.unparse(node) and path.name != 'schemajudge.py':
                found.append(f'{relative(path)}:{node.lineno}')
    assert found == []


def repeated_causes(source: str) -> list[int]:
    """The lines of errors that have their cause's words, and that cause too: Ansible prints the words of both."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and isinstance(node.cause, ast.Name) and isinstance(node.exc, ast.Call):
            words = {part.id for part in ast.walk(node.exc) if isinstance(part, ast.Name)}
            found += [node.lineno] if node.cause.id in words else []
    return found


def test_no_error_of_the_controller_prints_its_cause_twice() -> None:
    folders = ('action', 'callback', 'connection', 'filter', 'inventory', 'lookup', 'plugin_utils')
    files = [path for folder in folders for path in (ROOT / 'plugins' / folder).rglob('*.py')]
    found = {str(path): lines for path in files if (lines := repeated_causes(path.read_text(encoding='utf-8')))}
    assert not found, f'end these with "from None": {found}'


def test_a_repeated_cause_is_found() -> None:
    tried = 'try:\n    x()\nexcept OSError as error:\n    raise E(f"{p}: {error}") from '
    assert (repeated_causes(tried + 'error'), repeated_causes(tried + 'None')) == ([4], [])


def test_plugins_are_documented() -> None:
    missing = []
    for kind, needed in DOCUMENTED.items():
        for path in (ROOT / 'plugins' / kind).glob('*.py'):
            tree = ast.parse(text_of(path))
            names = {t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
            missing += [f'{relative(path)}: {name}' for name in sorted(needed - names)]
    assert missing == []


def test_every_plugin_kind_is_known() -> None:
    kinds = {p.name for p in (ROOT / 'plugins').iterdir() if p.is_dir() and p.name != '__pycache__'}
    assert kinds <= {*DOCUMENTED, 'action', 'doc_fragments', 'module_utils', 'plugin_utils'}


def test_actions_stand_beside_a_documented_module() -> None:
    modules = {path.name for path in (ROOT / 'plugins' / 'modules').glob('*.py')}
    assert {p.name for p in (ROOT / 'plugins' / 'action').glob('*.py')} - {'__init__.py'} <= modules


def test_modules_are_in_the_action_group() -> None:
    runtime = (ROOT / 'meta' / 'runtime.yml').read_text(encoding='utf-8')
    modules = {path.stem for path in (ROOT / 'plugins' / 'modules').glob('phoenix_*.py')}
    assert modules == set(re.findall(r'^ +- (phoenix_\w+)$', runtime, re.MULTILINE))


def test_roles_declare_their_arguments() -> None:
    roles = [path for path in (ROOT / 'roles').iterdir() if path.is_dir()]
    assert roles
    assert [role.name for role in roles if not (role / 'meta' / 'argument_specs.yml').is_file()] == []


def test_used_collections_are_declared() -> None:
    """What is missing here works for developers, who have those collections, and fails for users."""
    used = set()
    for folder in ('playbooks', 'plugins', 'roles'):
        for path in (ROOT / folder).rglob('*'):
            if path.suffix in ('.yml', '.j2') or (path.suffix == '.py' and path.is_file()):
                names = re.findall(r'\b((?:community|ansible|containers)\.[a-z_]+)\.[a-z_]+\b', text_of(path))
                used |= {name for name in names if name.startswith(('community.', 'containers.', 'ansible.posix'))}
    declared = {name for name in used if f'{name}:' in text_of(ROOT / 'galaxy.yml')}
    required = {name for name in used if f'name: {name}\n' in text_of(ROOT / 'requirements.yml')}
    assert used == declared == required
