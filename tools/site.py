#!/usr/bin/env python3
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the documentation as a website, without network: all plugins and roles by antsibull-docs, and docs/*.md.

The pages are in `.cache/site/build/html`. A warning of Sphinx about a page of ours fails the build, and so does a link
between the pages that leads nowhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import site_links
import toolchain
import yaml
from toolchain import CACHE, ROOT, locked

COLLECTION = 'phoenix.hypervisor'
SITE = CACHE / 'site'
REQUIREMENTS = ROOT / 'tools' / 'site_requirements.txt'
LINK = re.compile(r'\]\((?!https?://|#|mailto:)([^)\s]+)\)')
# A row of docs/README.md about a page: its name, and what it is for. That order is the order of the site.
ROW = re.compile(r'^\| \[[^]]*\]\(([^)]+\.md)\) \| (.*) \|$', re.MULTILINE)
INDEX = """# phoenix.hypervisor

{description}

| guide | for |
| --- | --- |
{rows}

The [reference](reference/index) has all modules, plugins and roles.

```{{toctree}}
:caption: Guides
:maxdepth: 1
:hidden:

{guides}
```

```{{toctree}}
:caption: Decisions
:maxdepth: 1
:glob:
:hidden:

guides/adr/README
guides/adr/*
```

```{{toctree}}
:caption: Reference
:maxdepth: 2
:hidden:

reference/index
```
"""
# After what antsibull-docs writes: guides are Markdown, and nothing is looked up elsewhere.
CONFIGURATION = """
extensions += ['myst_parser']
intersphinx_mapping = {{}}
myst_heading_anchors = 4
copyright = 'Phoenix Hypervisor contributors'
# Anchors as GitHub makes them are judged by the tests; pages of Ansible itself are not on this site.
suppress_warnings = ['myst.xref_missing', 'misc.highlighting_failure', 'ref.ref']
html_theme_options = {{'topbar_links': {links!r}, 'show_extranav': False, 'show_rtd_ethical_ads': False}}
html_static_path = ['static']
html_css_files = ['phoenix.css']


def home(_app, _page, _template, context, _doctree):
    # The theme wants an address, and a site can be anywhere.
    context['theme_documentation_home_url'] = context['pathto']('index')


def setup(app):
    app.connect('html-page-context', home)
"""
# The theme keeps the cells of tables on one line each, and cuts off a long word of a title.
STYLE = """.rst-content h1, .rst-content h2, .rst-content h3, .rst-content code {overflow-wrap: anywhere}
.wy-menu-vertical a {overflow-wrap: anywhere}
.wy-table-responsive table td, .wy-table-responsive table th {white-space: normal}
@media (max-width: 600px) {
  .rst-content table.docutils td, .rst-content table.docutils th {padding: 6px; min-width: 5em}
  .rst-content table.docutils code {white-space: normal}
}
"""


def guide(text: str, page: Path, home: str) -> str:
    """A page for the site: links to what is no page of it lead to the repository."""

    def link(match: re.Match[str]) -> str:
        name, _hash, anchor = match[1].partition('#')
        target = (page.parent / name).resolve()
        if target.is_relative_to(ROOT / 'docs') and target.is_file():
            return match[0]
        return f']({home}/blob/main/{target.relative_to(ROOT)}{"#" + anchor if anchor else ""})'

    return LINK.sub(link, text)


def environment() -> dict[str, str]:
    """The variables to run the site's commands with, in a virtual environment made when its packages changed."""
    chain = toolchain.default()
    toolchain.prepare(chain)
    venv = CACHE / 'venv-site'
    stamp = venv / 'phoenix-requirements'
    wanted = REQUIREMENTS.read_text(encoding='utf-8') + chain.series.core
    with locked(venv.name):
        if not stamp.is_file() or stamp.read_text(encoding='utf-8') != wanted:
            shutil.rmtree(venv, ignore_errors=True)  # an older one, or none
            toolchain.run(chain.python, '-m', 'venv', venv)
            core = f'ansible-core=={chain.series.core}'
            toolchain.run(venv / 'bin' / 'python', '-m', 'pip', 'install', '-q', '-r', REQUIREMENTS, core)
            stamp.write_text(wanted, encoding='utf-8')
    env = chain.env()
    return {**env, 'PATH': f'{venv / "bin"}:{env["PATH"]}', 'VIRTUAL_ENV': str(venv)}


def call(*command: str, env: dict[str, str]) -> None:
    """Run a command in the site's folder; ends the program with its output when it fails."""
    done = subprocess.run(
        command, cwd=SITE, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        sys.exit(f'{" ".join(command)}: exit code {done.returncode}\n{done.stdout}')


def lay_out(rst: Path) -> None:
    """Put the guides beside what antsibull-docs wrote."""
    facts = galaxy()
    shutil.rmtree(rst / 'guides', ignore_errors=True)  # not there the first time
    for page in sorted((ROOT / 'docs').rglob('*')):
        target = rst / 'guides' / page.relative_to(ROOT / 'docs')
        target.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix == '.md':
            target.write_text(guide(page.read_text(encoding='utf-8'), page, facts['repository']), encoding='utf-8')
        elif page.is_file():
            shutil.copy2(page, target)
    (rst / 'index.rst').unlink(missing_ok=True)
    (rst / 'index.md').write_text(index(facts['description'].strip()), encoding='utf-8')


def index(description: str) -> str:
    """The first page: the guides in the order of docs/README.md, the navigation in the same order."""
    text = (ROOT / 'docs' / 'README.md').read_text(encoding='utf-8')
    rows = [(name, purpose) for name, purpose in ROW.findall(text) if not name.startswith('..')]
    titles = {name: title(ROOT / 'docs' / name) for name, _purpose in rows}
    return INDEX.format(
        description=description,
        rows='\n'.join(f'| [{titles[name]}](guides/{name}) | {purpose} |' for name, purpose in rows),
        guides='\n'.join(f'guides/{name.removesuffix(".md")}' for name in ('README.md', *titles) if '/' not in name),
    )


def title(page: Path) -> str:
    """The title of a page in Markdown."""
    return page.read_text(encoding='utf-8').partition('\n')[0].removeprefix('# ')


def galaxy() -> dict[str, str]:
    """What galaxy.yml says of the collection."""
    facts: dict[str, str] = yaml.safe_load((ROOT / 'galaxy.yml').read_text(encoding='utf-8'))
    return facts


def main() -> int:
    """Build the site."""
    env = environment()
    shutil.rmtree(SITE, ignore_errors=True)  # not there the first time
    SITE.mkdir(parents=True, mode=0o700)
    common = ['--use-current', '--squash-hierarchy']
    init = ['antsibull-docs', 'sphinx-init', *common, '--dest-dir', str(SITE), '--lenient']
    call(*init, '--project', COLLECTION, '--title', COLLECTION, COLLECTION, env=env)
    rst = SITE / 'rst'
    reference = rst / 'reference'
    reference.mkdir(mode=0o700)
    options = [*common, '--cleanup', 'everything', '--dest-dir', str(reference)]
    call('antsibull-docs', '--config-file', 'antsibull-docs.cfg', 'collection', *options, COLLECTION, env=env)
    lay_out(rst)
    with open(SITE / 'conf.py', 'a', encoding='utf-8') as file:
        links = {'Repository': galaxy()['repository'], 'Issues': galaxy()['issues']}
        file.write(CONFIGURATION.format(links=links))
    (SITE / 'static').mkdir()
    (SITE / 'static' / 'phoenix.css').write_text(STYLE, encoding='utf-8')
    jobs = str(os.cpu_count() or 1)
    call('sphinx-build', '-M', 'html', 'rst', 'build', '-c', '.', '-q', '-j', jobs, '--fail-on-warning', env=env)
    broken = site_links.broken(SITE / 'build' / 'html')
    if broken:
        sys.exit('links that lead nowhere:\n' + '\n'.join(broken))
    pages = len(list((SITE / 'build' / 'html').rglob('*.html')))
    print(f'{pages} pages: {SITE / "build" / "html" / "index.html"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
