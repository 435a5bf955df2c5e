# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The links of a website in a folder: which of them lead nowhere. Those to other sites are left alone."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# The attribute of an element that names another file.
NAMES = {'a': 'href', 'img': 'src', 'link': 'href', 'script': 'src'}


class Page(HTMLParser):
    """What a page links to, and where it can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {'', 'top'}
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the links and anchors of an element."""
        given = dict(attrs)
        self.anchors |= {value for name in ('id', 'name') if (value := given.get(name))}
        link = given.get(NAMES.get(tag, ''))
        if link is not None:
            self.links.append(link)


def broken(site: Path) -> list[str]:
    """A line for each link to a file or an anchor that the site lacks, and for each that leaves its folder."""
    pages = {path: Page(path) for path in sorted(site.rglob('*.html'))}
    found = []
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            good = not parts.path.startswith('/') and target.is_relative_to(site.resolve()) and target.is_file()
            if not good or (target in pages and unquote(parts.fragment) not in pages[target].anchors):
                found.append(f'{path.relative_to(site)}: {link}')
    return found
