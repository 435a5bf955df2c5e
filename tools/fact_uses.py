# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find where variables phoenix_* are used: anywhere in YAML and templates, in Python as literals."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

#: A name after a dot or a slash is that of a plugin, a file or a folder, except among the facts of a host.
NAME = re.compile(r'(?:(?<=ansible_facts\.)|(?<![\w./-]))phoenix_[a-z0-9_]+\b(?!\.(?:yml|json|py)\b)')
WHOLE = re.compile(r'phoenix_[a-z0-9_]+\Z')
COMMENT = re.compile(r'(?:^|\s)#.*')
FOLDERS = ('playbooks', 'roles')
SUFFIXES = ('.yml', '.j2')
#: The table itself, and literals that name no variable: folders, kinds of files, keys of a document or of a result.
TABLE = 'plugins/plugin_utils/config/variables/sharedfacts.py'
NO_VARIABLES = {'phoenix_hypervisor', 'phoenix_lxc_configs', 'phoenix_secret', 'phoenix_audit'}


def in_text(text: str) -> list[str]:
    """Return the names in YAML or a template as often as they are there, comments left out."""
    lines = [COMMENT.sub('', line) for line in text.split('\n')]
    return [name for line in lines for name in NAME.findall(line)]


def in_python(text: str) -> list[str]:
    """Return the text literals of Python that are such a name; documentation is text, not a literal of a name."""
    found = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return [value for value in found if isinstance(value, str) and WHOLE.match(value)]


def files(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each file of playbooks, roles and plugins with the names that it uses."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob('*')):
            if path.suffix in SUFFIXES:
                yield path.relative_to(root).as_posix(), in_text(path.read_text(encoding='utf-8'))
    for path in sorted((root / 'plugins').rglob('*.py')):
        if path != root / TABLE:
            yield path.relative_to(root).as_posix(), in_python(path.read_text(encoding='utf-8'))


def uses(root: Path) -> dict[str, Counter[str]]:
    """Return {name: how often each file uses it}."""
    found: dict[str, Counter[str]] = {}
    for path, names in files(root):
        for name in names:
            if name not in NO_VARIABLES:
                found.setdefault(name, Counter())[path] += 1
    return found


def short(paths: Iterable[str]) -> str:
    """Return files as the documentation names them: a role for all of its files, a package for all of a plugin's."""
    names = []
    for path in paths:
        parts = path.removesuffix('.yml').removesuffix('.py').split('/')
        if parts[0] == 'roles':
            names.append(f'role {parts[1]}')
        elif parts[0] == 'playbooks':
            names.append('/'.join(parts[1:]))
        else:
            names.append('/'.join(parts[1:]) if len(parts) == 3 else parts[-1])
    return ', '.join(f'`{name}`' for name in dict.fromkeys(names))
