#!/usr/bin/env python3
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the generated blocks of docs/*.md and CONTRIBUTING.md, and the generated keys of the schema.

With --check it only reports the files that are out of date.

A block stands between `<!-- generated: NAME -->` and `<!-- end -->`. Text outside of blocks is written by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import docs_tables
import schema

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r'(<!-- generated: (\S+) -->\n)((?:(?!<!--).)*)(<!-- end -->)', re.DOTALL)
MARKER = re.compile(r'<!-- generated: (\S+) -->')


class DocsError(ValueError):
    """A page has a marker that names nothing, or a block without an end."""


def renewed(page: str, makers: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with its generated blocks made again. Raises DocsError."""

    def make(match: re.Match[str]) -> str:
        return match[1] + makers[match[2]]() + match[4]

    for name in MARKER.findall(page):
        if name not in makers:
            raise DocsError(f'unknown block "{name}", expected one of {", ".join(sorted(makers))}')
    if len(BLOCK.findall(page)) != len(MARKER.findall(page)):
        raise DocsError('a block has no end; write <!-- end --> after it')
    return BLOCK.sub(make, page)


def renew(root: Path, *, write: bool) -> list[Path]:
    """Return the pages that are out of date, after writing them if `write`. Raises DocsError for a faulty page."""
    makers = docs_tables.makers(root)
    stale = []
    used = set()
    for path in [root / 'CONTRIBUTING.md', *sorted((root / 'docs').glob('*.md'))]:
        page = path.read_text(encoding='utf-8')
        used.update(MARKER.findall(page))
        try:
            made = renewed(page, makers)
        except DocsError as error:
            raise DocsError(f'{path.relative_to(root)}: {error}') from None
        if made != page:
            stale.append(path)
            if write:
                path.write_text(made, encoding='utf-8')
    if missing := sorted(set(makers) - used):
        raise DocsError(f'no page has the block "{missing[0]}"')
    return stale


def main() -> int:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing; fail when a page is out of date')
    check = parser.parse_args().check
    own = ROOT.parts[-3:] == ('ansible_collections', 'phoenix', 'hypervisor')
    sys.path.insert(0, str(ROOT.parents[2] if own else ROOT / 'collections'))
    try:
        stale = schema.renew(ROOT, write=not check)
        stale += renew(ROOT, write=not check)
    except DocsError as error:
        sys.exit(str(error))
    for path in stale:
        print(f'{path.relative_to(ROOT)}: {"out of date; run: make docs" if check else "written"}')
    return int(check and bool(stale))


if __name__ == '__main__':
    sys.exit(main())
