# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation as a website: its first page, its links, and the markup of what it is made from."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))

import site_links

# Not by its name, which is that of a module of Python.
SPEC = importlib.util.spec_from_file_location('phoenix_site', ROOT / 'tools' / 'site.py')
assert SPEC is not None
assert SPEC.loader is not None
site = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(site)

# What antsibull-docs reads as markup.
KNOWN = {'B', 'C', 'E', 'I', 'L', 'M', 'O', 'P', 'R', 'RV', 'U', 'V'}
MARKUP = re.compile(r'(?<![\w.])([A-Z]{1,2})\((?=[^()\n]+\))')


def test_the_first_page_has_every_guide_in_the_order_of_the_documentation() -> None:
    page = site.index('What it is.')
    listed = re.findall(r'^\| \[.+\]\(guides/(\S+)\.md\) \|', page, re.MULTILINE)
    assert set(listed) == {str(path.relative_to(ROOT / 'docs').with_suffix('')) for path in guides()}
    assert listed[0] == 'first-host'
    navigation = page.partition(':caption: Guides')[2].partition('```')[0]
    assert re.findall(r'^guides/(\S+)$', navigation, re.MULTILINE) == ['README', *(n for n in listed if '/' not in n)]


def guides() -> list[Path]:
    """The pages that the documentation lists."""
    return [*(path for path in (ROOT / 'docs').glob('*.md') if path.name != 'README.md'), ROOT / 'docs/adr/README.md']


@pytest.mark.parametrize(
    ('link', 'good'),
    [
        ('other.html', True),
        ('other.html#here', True),
        ('#top', True),
        ('https://example.org/lost', True),
        ('lost.html', False),
        ('other.html#lost', False),
        ('/', False),
        ('../outside.html', False),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, link: str, good: bool) -> None:
    folder = tmp_path / 'html'
    folder.mkdir()
    (tmp_path / 'outside.html').touch()
    (folder / 'page.html').write_text(f'<p><a href="{link}">x</a></p>', encoding='utf-8')
    (folder / 'other.html').write_text('<h1 id="here">x</h1>', encoding='utf-8')
    assert (site_links.broken(folder) == []) is good


def test_an_image_that_is_missing_is_found(tmp_path: Path) -> None:
    (tmp_path / 'page.html').write_text('<img src="lost.svg">', encoding='utf-8')
    assert site_links.broken(tmp_path) == ['page.html: lost.svg']


def test_all_markup_of_plugins_and_roles_is_known() -> None:
    found = []
    for path, text in documentation():
        found += [f'{path.relative_to(ROOT)}: {word}(' for word in MARKUP.findall(text) if word not in KNOWN]
    assert found == [], 'write C() for files'


def documentation() -> list[tuple[Path, str]]:
    """The texts that antsibull-docs reads."""
    texts = [(path, path.read_text(encoding='utf-8')) for path in (ROOT / 'roles').glob('*/meta/argument_specs.yml')]
    for path in (ROOT / 'plugins').rglob('*.py'):
        source = path.read_text(encoding='utf-8')
        assigned = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
        named = {getattr(node.targets[0], 'id', ''): node.value for node in assigned}
        texts += [(path, str(ast.literal_eval(named[n]))) for n in ('DOCUMENTATION', 'RETURN') if n in named]
    assert len(texts) > 100
    return texts
