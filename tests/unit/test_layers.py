# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of the collection: what only computes stays pure, imports point downwards, the core names no feature.

Read from the syntax trees, so that code which no test runs is held to it as well. Each rule is shown to fail on a
planted violation: a rule that can't fail is no rule.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = 'ansible_collections.phoenix.hypervisor.'

# layer -> the layers that it may import. Modules and what they use go to the node: they know no controller code.
MAY_IMPORT = {
    '_core': {'_core'},
    'config': {'config', '_core'},
    '_node': {'_node', '_core'},
    'modules': {'_node', '_core'},
    'plugin_utils': {'plugin_utils', 'config', '_core'},
    # What speaks to a node by its API does on the controller what a module does on the node, with the same code.
    'remote': {'remote', 'plugin_utils', 'config', '_node', '_core'},
    'action': {'action', 'plugin_utils', 'remote', 'config', '_core'},
    'callback': {'plugin_utils', 'config', '_core'},
    'connection': {'plugin_utils', 'config', '_core'},
    'doc_fragments': set(),
    'filter': {'plugin_utils', 'config', '_core'},
    'lookup': {'plugin_utils', 'config', '_core'},
    'inventory': {'plugin_utils', 'config', '_core'},
}
PURE = {
    '_core': set(),
    'config': {'jsonschema'},
}
# What computes without a clock, chance, files, processes or sockets.
PURE_LIBRARY = {
    '__future__', 'abc', 'base64', 'bisect', 'collections', 'contextlib', 'copy', 'dataclasses', 'difflib', 'enum',
    'fnmatch', 'functools', 'graphlib', 'hashlib', 'heapq', 'hmac', 'ipaddress', 'itertools', 'json', 'math',
    'operator', 're', 'shlex', 'string', 'textwrap', 'types', 'typing', 'unicodedata', 'urllib.parse',
}  # fmt: skip  # laid out to be read
IMPURE_CALLS = {'__import__', 'breakpoint', 'compile', 'eval', 'exec', 'input', 'open', 'print'}


def layer_of(path: Path, root: Path) -> str | None:
    """The layer of a file under plugins/, None for what belongs to none (package markers)."""
    if path.name == '__init__.py' and not path.read_text(encoding='utf-8').strip():
        return None
    return layer_at(path.relative_to(root / 'plugins').parts)


def layer_at(parts: Sequence[str]) -> str:
    """The layer of a place under plugins/: what computes the configuration is one of its own in plugin_utils."""
    if parts[0] == 'module_utils' and len(parts) > 1:
        return parts[1]
    if parts[:2] == ('plugin_utils', 'remote'):
        return 'remote'
    computes = parts[:2] == ('plugin_utils', 'config') and parts[2:3] != ('files',)
    return 'config' if computes else parts[0]


def imported(tree: ast.AST, path: Path, root: Path) -> list[tuple[int, str]]:
    """Line and absolute dotted name of everything that a file imports, at whatever depth."""
    package = ('ansible_collections.phoenix.hypervisor.' + '.'.join(path.relative_to(root).parent.parts)).split('.')
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = '.'.join([*base, *([node.module] if node.module else [])])
            found += [(node.lineno, f'{prefix}.{alias.name}') for alias in node.names]
    return found


def layer_of_import(name: str) -> str | None:
    """The layer that a name of this collection lies in; None for names from elsewhere."""
    if not name.startswith(COLLECTION + 'plugins.'):
        return None
    return layer_at(tuple(name[len(COLLECTION + 'plugins.') :].split('.')))


def is_pure_import(name: str, layer: str) -> bool:
    """Whether a pure layer may import this name from outside of the collection."""
    allowed = PURE_LIBRARY | PURE[layer]
    parts = name.split('.')
    return any('.'.join(parts[:length]) in allowed for length in range(1, len(parts) + 1))


def violations(root: Path) -> list[str]:
    """Every breach of the layers in a checkout, as `path:line: what`."""
    found = []
    for path in sorted((root / 'plugins').rglob('*.py')):
        layer = layer_of(path, root)
        if layer is None:
            continue
        where = path.relative_to(root)
        if layer not in MAY_IMPORT:
            found.append(f'{where}:1: belongs to no known layer ({layer})')
            continue
        tree = ast.parse(path.read_text(encoding='utf-8'), str(path))
        for line, name in imported(tree, path, root):
            target = layer_of_import(name)
            if target is not None and target not in MAY_IMPORT[layer]:
                found.append(f'{where}:{line}: {layer} imports {target} ({name})')
            elif target is None and layer in PURE and not is_pure_import(name, layer):
                found.append(f'{where}:{line}: the pure layer {layer} imports {name}')
        if layer in PURE:
            found += [f'{where}:{line}: the pure layer {layer} calls {name}()' for line, name in impure_calls(tree)]
    return found


def impure_calls(tree: ast.AST) -> list[tuple[int, str]]:
    """Line and name of calls to built-ins that do input, output or run text."""
    return [
        (node.lineno, node.func.id)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS
    ]


def feature_names(root: Path) -> set[str]:
    """The features of a checkout: every role with a manifest."""
    return {path.parents[1].name for path in root.glob('roles/*/meta/phoenix_feature.yml')}


def without_examples(source: str) -> str:
    """A plugin's source with the text of EXAMPLES blanked, lines kept: examples may name features."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == 'EXAMPLES' for t in node.targets):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ''
    return '\n'.join(lines)


# A vendor of GPUs has a row in this table, and may have a feature of its name.
TABLE = Path('plugins', 'module_utils', '_core', 'gpu', 'vendors.py')


def named_features(root: Path) -> list[str]:
    """Every place in plugins/ and playbooks/ that names a feature, even inside a word, as `path:line: name`."""
    names = feature_names(root)
    word = re.compile('|'.join(map(re.escape, sorted(names))), re.IGNORECASE)
    found = []
    for folder in ('plugins', 'playbooks'):
        for path in sorted((root / folder).rglob('*')):
            # A schema's texts say which feature reads a key of the file; they decide nothing.
            if not path.is_file() or '__pycache__' in path.parts or path.name.endswith('.schema.json'):
                continue
            if path.relative_to(root) == TABLE:
                continue
            text = path.read_text(encoding='utf-8')
            if path.suffix == '.py':
                text = without_examples(text)
            for number, line in enumerate(text.splitlines(), 1):
                found += [f'{path.relative_to(root)}:{number}: names {hit}' for hit in word.findall(line)]
    return found


def test_layers_hold() -> None:
    assert violations(ROOT) == []


def test_every_layer_is_there() -> None:
    """Names that drifted would make the rules above hold for nothing."""
    layers = {layer_of(path, ROOT) for path in (ROOT / 'plugins').rglob('*.py')}
    assert {'_core', 'config', '_node', 'modules', 'plugin_utils', 'inventory', 'connection', 'callback'} <= layers


def test_core_and_playbooks_name_no_feature() -> None:
    assert feature_names(ROOT)
    assert named_features(ROOT) == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout with the layers' folders and nothing in them, to plant violations in."""
    for folder in ('module_utils/_core/gpu', 'plugin_utils/config', 'module_utils/_node', 'modules'):
        (tmp_path / 'plugins' / folder).mkdir(parents=True)
    (tmp_path / 'playbooks' / 'tasks').mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ('layer', 'code', 'complaint'),
    [
        ('_core', 'import os', 'imports os'),
        ('_core', 'import os.path', 'imports os.path'),
        ('_core', 'def f():\n    from time import monotonic', 'imports time.monotonic'),
        ('_core', 'from datetime import datetime', 'imports datetime.datetime'),
        ('_core', 'import random', 'imports random'),
        ('_core', 'from pathlib import Path', 'imports pathlib.Path'),
        ('_core', 'import urllib.request', 'imports urllib.request'),
        ('_core', 'from urllib import request', 'imports urllib.request'),
        ('_core', 'import jsonschema', 'imports jsonschema'),
        ('_core', 'from ansible.module_utils.basic import AnsibleModule', 'imports ansible.module_utils.basic'),
        ('_core', 'def f(p):\n    return open(p)', 'calls open()'),
        ('_core', 'print(1)', 'calls print()'),
        ('_core', 'from .._node import store', '_core imports _node'),
        ('_core', 'from .. import _node', '_core imports _node'),
        ('_core', f'from {COLLECTION}plugins.plugin_utils.config import fleet', '_core imports config'),
        ('config', 'import subprocess', 'imports subprocess'),
        ('config', 'import yaml', 'imports yaml'),
        ('config', f'import {COLLECTION}plugins.module_utils._node.store', 'config imports _node'),
        ('_node', f'from {COLLECTION}plugins.plugin_utils.config.files import places', '_node imports plugin_utils'),
        ('_node', f'from {COLLECTION}plugins.plugin_utils.config import fleet', '_node imports config'),
    ],
)
def test_planted_violation_is_found(tree: Path, layer: str, code: str, complaint: str) -> None:
    folder = 'plugin_utils/config' if layer == 'config' else f'module_utils/{layer}'
    planted = tree / 'plugins' / folder / 'planted.py'
    planted.write_text(f'from __future__ import annotations\n{code}\n', encoding='utf-8')
    found = violations(tree)
    assert len(found) == 1, found
    assert complaint in found[0]
    assert found[0].startswith(f'plugins/{folder}/planted.py:')


@pytest.mark.parametrize(
    'code',
    [
        'import json\nfrom collections.abc import Mapping\nfrom urllib.parse import quote',
        'from . import auditline\nfrom .container.model import Plan',
        f'from {COLLECTION}plugins.module_utils._core.container.model import Plan',
    ],
)
def test_allowed_imports_pass(tree: Path, code: str) -> None:
    (tree / 'plugins' / 'module_utils' / '_core' / 'planted.py').write_text(code + '\n', encoding='utf-8')
    assert violations(tree) == []


@pytest.mark.parametrize(
    ('path', 'text', 'found'),
    [
        ('plugins/module_utils/_core/planted.py', "if feature == 'NAME':\n    pass\n", True),
        ('plugins/module_utils/_core/planted.py', '# the NAME feature\n', True),
        ('plugins/modules/planted.py', "EXAMPLES = r'''\n- name: NAME\n'''\n", False),
        ('plugins/modules/planted.py', "EXAMPLES = r'''\n- name: x\n'''\nFEATURE = 'NAME'\n", True),
        ('playbooks/planted.yml', '- hosts: feature_x\n  roles: [NAME]\n', True),
        ('playbooks/tasks/planted.yml', '- name: Another\n  when: hypervisor_NAME_x is defined\n', True),
        ('plugins/module_utils/_core/planted.py', "KEY = 'xNAMEport'\n", True),
        ('plugins/module_utils/_core/gpu/planted.py', "KEY = 'NAME'\n", True),
        ('plugins/module_utils/_core/gpu/vendors.py', "KEY = 'NAME'\n", False),
        ('playbooks/tasks/planted.yml', '- name: Another\n  when: other is defined\n', False),
    ],
)
def test_planted_feature_name_is_found(tree: Path, path: str, text: str, found: bool) -> None:
    name = 'planted_feature'
    (tree / 'roles' / name / 'meta').mkdir(parents=True)
    (tree / 'roles' / name / 'meta' / 'phoenix_feature.yml').write_text('requires: []\n', encoding='utf-8')
    (tree / path).write_text(text.replace('NAME', name), encoding='utf-8')
    assert [line.split(':')[0] for line in named_features(tree)] == ([path] if found else [])


def test_library_list_names_modules_of_this_python() -> None:
    """A misspelled entry would allow nothing and look like a rule."""
    assert {name.split('.')[0] for name in PURE_LIBRARY} <= set(sys.stdlib_module_names)
