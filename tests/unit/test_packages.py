# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of the collection: small, described, named once, and without a circle between them."""

from __future__ import annotations

import ast
import graphlib
from collections import Counter
from pathlib import Path

from test_layers import COLLECTION, ROOT, imported

HOMES = ('module_utils', 'plugin_utils')
MOST_FILES = 11


def packages(root: Path) -> dict[Path, list[Path]]:
    """Folder -> its modules, of every package that has some."""
    found: dict[Path, list[Path]] = {}
    for home in HOMES:
        for path in sorted((root / 'plugins' / home).rglob('*.py')):
            if path.name != '__init__.py':
                found.setdefault(path.parent, []).append(path)
    return found


def dependencies(root: Path) -> dict[str, set[str]]:
    """Package -> the packages that its modules import from, as paths under plugins/."""
    found: dict[str, set[str]] = {}
    for folder, modules in packages(root).items():
        own = str(folder.relative_to(root / 'plugins'))
        used = found.setdefault(own, set())
        for path in modules:
            for _line, name in imported(ast.parse(path.read_text(encoding='utf-8')), path, root):
                if name.startswith(COLLECTION + 'plugins.'):
                    used.add(package_of(name, root))
        used.discard(own)
    return found


def package_of(name: str, root: Path) -> str:
    """The package that an imported dotted name lies in: its longest part that is a folder."""
    parts = name[len(COLLECTION) :].split('.')
    while not (root / '/'.join(parts)).is_dir():
        parts.pop()
    return '/'.join(parts[1:])


def circle(needs: dict[str, set[str]]) -> list[str]:
    """A circle between packages, empty when there is none."""
    try:
        list(graphlib.TopologicalSorter(needs).static_order())
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_circle_between_packages() -> None:
    needs = dependencies(ROOT)
    assert len(needs) > 20
    assert circle(needs) == []


def test_a_circle_is_found(tmp_path: Path) -> None:
    for name, code in (('a', 'from ..b import two\n'), ('b', 'from ..a.one import x\n')):
        folder = tmp_path / 'plugins' / 'module_utils' / '_core' / name
        folder.mkdir(parents=True)
        (folder / f'{"one" if name == "a" else "two"}.py').write_text(code, encoding='utf-8')
    assert set(circle(dependencies(tmp_path))) == {'module_utils/_core/a', 'module_utils/_core/b'}


def test_every_package_says_what_lives_there() -> None:
    silent = []
    for folder in packages(ROOT):
        mark = folder / '__init__.py'
        text = ast.get_docstring(ast.parse(mark.read_text(encoding='utf-8'))) if mark.exists() else None
        silent += [] if text else [str(folder.relative_to(ROOT))]
    assert silent == []


def test_no_package_is_crowded() -> None:
    crowded = {str(folder.relative_to(ROOT)): len(files) for folder, files in packages(ROOT).items()}
    assert {name: count for name, count in crowded.items() if count > MOST_FILES} == {}


def test_no_file_name_twice() -> None:
    names = Counter(path.name for files in packages(ROOT).values() for path in files)
    assert [name for name, count in names.items() if count > 1] == []


def test_no_test_file_name_twice() -> None:
    """pytest imports a test by its file's name where its folder is no package, and then the second one fails."""
    for folder in ('unit', 'integration', 'lab'):
        files = (ROOT / 'tests' / folder).rglob('test_*.py')
        names = Counter(path.name for path in files if not (path.parent / '__init__.py').exists())
        assert [name for name, count in names.items() if count > 1] == [], folder
