# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment in which ansible-test works without containers and with nothing but the user's package index.

ansible-test drops PIP_* variables and fetches get-pip from a fixed address. So it gets a home of its own in the cache,
with the user's pip configuration written out as a file, and a stand-in for get-pip that uses the interpreter's bundled
pip.
"""

from __future__ import annotations

import configparser
import io
import os
from collections.abc import Sequence
from pathlib import Path

from toolchain import CACHE, Toolchain, locked, pyenv_bins

# The bootstrap scripts' names as ansible-core 2.19 to 2.21 look for them (`_internal/python_requirements.py`).
GET_PIP_NAMES = ('get_pip_24_2.py', 'get_pip_25_2.py')

GET_PIP = '''\
"""Stands in for get-pip: installs the pip bundled with the interpreter, then what was asked for."""
import ensurepip
import os
import runpy
import sys

packages = [word for word in sys.argv[1:] if not word.startswith("--no-") and not word.startswith("pip==")]
kept = dict(os.environ)
ensurepip.bootstrap()  # removes every PIP_* variable
os.environ.clear()
os.environ.update(kept)
if [word for word in packages if not word.startswith("-")]:
    sys.argv = ["pip", "install"] + packages
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
'''

# Variables of pip that concern one call or one place rather than where packages come from.
NOT_FOR_A_FILE = ('PIP_CONFIG_FILE', 'PIP_TARGET', 'PIP_PREFIX', 'PIP_USER', 'PIP_REQUIRE_VIRTUALENV')


def pip_configuration() -> str:
    """The user's pip configuration, files and PIP_* variables in pip's own order of precedence, as one file's text."""
    merged = configparser.RawConfigParser()
    home = Path.home()
    config_home = Path(os.environ.get('XDG_CONFIG_HOME', home / '.config'))
    files = [home / '.pip' / 'pip.conf', config_home / 'pip' / 'pip.conf']
    if os.environ.get('PIP_CONFIG_FILE'):
        files.append(Path(os.environ['PIP_CONFIG_FILE']))
    merged.read(files, encoding='utf-8')
    if not merged.has_section('global'):
        merged.add_section('global')
    for name, value in os.environ.items():
        if name.startswith('PIP_') and name not in NOT_FOR_A_FILE:
            merged.set('global', name.removeprefix('PIP_').lower().replace('_', '-'), value)
    text = io.StringIO()
    merged.write(text)
    return text.getvalue()


def write(path: Path, text: str) -> None:
    """Write a file that may hold an index' password: readable for the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w', encoding='utf-8') as handle:
        handle.write(text)


def environment(toolchain: Toolchain, tree: Path, pythons: Sequence[str] = ('3.*',)) -> dict[str, str]:
    """Variables for running ansible-test in a copy of the tree.

    pythons: those of pyenv that it finds beside its own, as patterns.
    """
    home = CACHE / 'home'
    with locked('home'):
        write(home / '.config' / 'pip' / 'pip.conf', pip_configuration())
        for name in GET_PIP_NAMES:
            write(home / '.ansible' / 'test' / 'cache' / name, GET_PIP)
    env = toolchain.env(tree.parents[2])
    env['HOME'] = str(home)
    # Node-side code is checked with each Python that is found; shims in their place would answer and then fail.
    known = {str(toolchain.bin), *map(str, pyenv_bins())}
    others = [d for d in env['PATH'].split(':') if d not in known and not d.endswith('/shims')]
    found = [str(folder) for folder in pyenv_bins() if any(any(folder.glob(f'python{one}')) for one in pythons)]
    env['PATH'] = ':'.join([str(toolchain.bin), *found, *others])
    env.pop('XDG_CONFIG_HOME', None)
    return env
