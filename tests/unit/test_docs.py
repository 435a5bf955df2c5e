# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages: generated tables are current, links lead somewhere, and the README's first fleet is a valid one."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))

import docs_tables

import docs

PAGES = [
    *ROOT.glob('*.md'),
    *(ROOT / 'docs').rglob('*.md'),
    *(ROOT / 'lab').glob('*.md'),
    *(ROOT / 'roles').glob('*/README.md'),
]
LINK = re.compile(r'\]\(([^)\s]+)\)')
FENCE = re.compile(r'^```.*?^```', re.MULTILINE | re.DOTALL)
# Galaxy shows the README without the files beside it.
HOME = 'https://github.com/phoenix-hypervisor/phoenix.hypervisor/blob/main/'
# A screen of a terminal or of a code host, without scrolling.
SCREEN = 55
MOST_WORDS = 30
# Written by the conformance tests: its cells explain recorded answers.
REPORT = ROOT / 'lab' / 'CONFORMANCE.md'
WRITTEN = [page for page in PAGES if page != REPORT]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r'^#+ (.+)$', FENCE.sub('', page.read_text(encoding='utf-8')), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


def test_the_generated_tables_are_current() -> None:
    assert [str(page.relative_to(ROOT)) for page in docs.renew(ROOT, write=False)] == [], 'run: make docs'


def test_a_stale_table_is_found_and_text_around_it_is_kept() -> None:
    page = 'above\n<!-- generated: a -->\nold\n<!-- end -->\nbelow\n'
    made = docs.renewed(page, {'a': lambda: 'new\n'})
    assert made == page.replace('old', 'new')
    assert docs.renewed(made, {'a': lambda: 'new\n'}) == made


@pytest.mark.parametrize(
    ('page', 'words'),
    [
        ('<!-- generated: b -->\n<!-- end -->\n', 'unknown block "b"'),
        ('<!-- generated: a -->\n', 'has no end'),
        ('<!-- generated: a -->\n<!-- generated: a -->\n<!-- end -->\n', 'has no end'),
    ],
)
def test_a_faulty_marker_is_an_error(page: str, words: str) -> None:
    with pytest.raises(docs.DocsError, match=words):
        docs.renewed(page, {'a': lambda: ''})


def test_a_changed_schema_changes_its_table() -> None:
    cores = {'type': 'integer', 'description': 'Cores.', 'x-phoenix-effect': 'cores'}
    below = {'type': 'object', 'description': 'Limits.', 'properties': {'cores': cores}}
    made = docs_tables.schema_tables({'properties': {'limits': below, 'cores': cores}}, 3)
    first, second = made.split('### `limits`')
    assert '| `cores` | integer |  | Cores. | cores |\n' in first
    assert '| `limits.cores` | integer |  | Cores. | cores |\n' in second


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub('', page.read_text(encoding='utf-8'))):
        at_home = link.startswith(HOME)
        if '://' in link and not at_home:
            continue
        name, _separator, anchor = link.removeprefix(HOME).partition('#')
        target = ((ROOT if at_home else page.parent) / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_readme_can_be_read_on_galaxy() -> None:
    links = LINK.findall(FENCE.sub('', (ROOT / 'README.md').read_text(encoding='utf-8')))
    assert len(links) > 10
    assert [link for link in links if not link.startswith(('https://', '#'))] == []


@pytest.mark.parametrize('page', WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_table_cell_holds_a_phrase_or_a_sentence(page: Path) -> None:
    long = []
    for line in FENCE.sub('', page.read_text(encoding='utf-8')).splitlines():
        if line.startswith('|'):
            cells = re.split(r'(?<!\\)\|', line.strip().strip('|'))
            long += [cell.strip() for cell in cells if len(cell.split()) > MOST_WORDS]
    assert long == []


def test_the_readme_shows_the_essentials_on_one_screen() -> None:
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    screen = text[: text.index('\n|')]
    assert len(screen.splitlines()) <= SCREEN
    for essential in ('make demo', 'make test', 'phoenix.yml', '--check --diff', 'docs/first-host.md'):
        assert essential in screen


def test_the_first_fleet_of_the_readme_is_valid() -> None:
    blocks = re.findall(r'```json\n(.*?)```', (ROOT / 'README.md').read_text(encoding='utf-8'), re.DOTALL)
    schema = docs_tables.schema_of(ROOT, 'phoenix_lxc_configs')
    validator = Draft202012Validator(schema)
    assert [error.message for block in blocks for error in validator.iter_errors(json.loads(block))] == []
    assert blocks


def test_the_files_of_the_recipes_exist() -> None:
    text = FENCE.sub('', (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8'))
    named = re.findall(r'`((?:plugins|roles|playbooks|tests|docs|tools|lab|molecule|changelogs)/[\w.*/-]*)`', text)
    named = [path for path in named if 'NAME' not in path and 'VERSION' not in path]
    assert len(named) > 20
    assert [path for path in named if not any(ROOT.glob(path.rstrip('/')))] == []


def test_the_changelog_has_the_version_of_the_collection() -> None:
    version = yaml.safe_load((ROOT / 'galaxy.yml').read_text(encoding='utf-8'))['version']
    assert f'v{version}\n' in (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8'), 'run: make changelog'
    assert f'phoenix-hypervisor-{version}.tar.gz' in (ROOT / 'README.md').read_text(encoding='utf-8')


COUNTED = """# Page

### Before

1. `a/b.py`: not a recipe.

## Recipes

### Add a thing

1. `a/b.py` and `README.md`: see `c/d.py`,
   `e/f.py`.
2. `g/NAME.yml`: another.
3. `make docs` writes `docs/h.md`.

`i/j.py` is about it.

### Think

No step.

## Style
"""


def test_the_files_of_each_recipe_are_counted(tmp_path: Path) -> None:
    (tmp_path / 'CONTRIBUTING.md').write_text(COUNTED, encoding='utf-8')
    assert docs_tables.recipe_table(tmp_path).splitlines()[2:] == ['| Add a thing | 3 | 1 |']
