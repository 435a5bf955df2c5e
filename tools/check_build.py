#!/usr/bin/env python3
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the collection as it is published, looks into it, installs it offline and runs its playbooks by name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from toolchain import ROOT, awx_collections

# What the archive is for: these must be in it.
NEEDED = (
    'CHANGELOG.rst',
    'LICENSE',
    'README.md',
    'bin/phoenix',
    'meta/runtime.yml',
    'playbooks/site.yml',
    'plugins/connection/pct.py',
    'plugins/inventory/phoenix.py',
    'plugins/modules/phoenix_lxc_state.py',
    'roles/base_setup/meta/argument_specs.yml',
)
# What serves development only: the product never knows the lab.
FORBIDDEN = ('.', 'Makefile', 'collections', 'lab', 'molecule', 'site.yml', 'tests', 'tools')
PLAYBOOKS = (
    'site',
    'hypervisor',
    'containers',
    'status',
    'why',
    'logs',
    'destroy',
    'import',
    'power',
    'update',
    'compare',
)
# Those that use a collection which only they need.
WITH_AWX = ('awx',)


def call(*command: str | Path, cwd: Path, env: dict[str, str]) -> str:
    """Run a command; its output. Ends the program when it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        sys.exit(f'{" ".join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout + done.stderr


def content_problems(names: list[str]) -> list[str]:
    """What is missing from the archive and what should not be in it."""
    problems = [f'not in the archive: {name}' for name in NEEDED if name not in names]
    for name in names:
        first = name.split('/')[0]
        if (
            first in FORBIDDEN
            or first.startswith('.')
            or name.startswith('changelogs/fragments')
            or '__pycache__' in name
            or name.endswith('.pyc')
        ):
            problems.append(f'should not be in the archive: {name}')
    return problems


def check_syntax(names: Sequence[str], cwd: Path, env: dict[str, str]) -> None:
    """Let Ansible parse playbooks of the installed collection, all in one call. Ends the program when one is faulty."""
    playbooks = [f'phoenix.hypervisor.{name}' for name in names]
    said = call('ansible-playbook', '--syntax-check', '-i', 'localhost,', *playbooks, cwd=cwd, env=env)
    missing = [name for name in names if not re.search(rf'^playbook: .*\b{name}\b', said, re.MULTILINE)]
    if missing:
        sys.exit(f'{", ".join(missing)}: unexpected output\n{said}')
    print(f'{", ".join(playbooks)}: syntax ok')


def main() -> int:
    """Build, inspect, install, run."""
    env = {k: v for k, v in os.environ.items() if k not in ('ANSIBLE_COLLECTIONS_PATH', 'ANSIBLE_CONFIG')}
    with tempfile.TemporaryDirectory(prefix='phoenix-build-') as scratch_name:
        scratch = Path(scratch_name)
        print(call('ansible-galaxy', 'collection', 'build', '--output-path', scratch, cwd=ROOT, env=env))
        archive = next(scratch.glob('phoenix-hypervisor-*.tar.gz'))
        with tarfile.open(archive) as tar:
            names = [member.name for member in tar.getmembers() if not member.isdir()]
        problems = content_problems(names)
        if problems:
            sys.exit('\n'.join(problems))
        print(f'{archive.name}: {len(names)} files, {archive.stat().st_size // 1024} KiB')

        # A stranger's machine: only the installed archive, an empty directory, no ansible.cfg.
        installed, elsewhere = scratch / 'collections', scratch / 'elsewhere'
        elsewhere.mkdir()
        env['HOME'] = env['ANSIBLE_HOME'] = str(scratch)
        # Dependencies come with --no-deps from nowhere: what the collection names in galaxy.yml is not on this machine.
        install = ('ansible-galaxy', 'collection', 'install', '--offline', '--no-deps', '-p', installed, archive)
        print(call(*install, cwd=elsewhere, env=env))
        env['ANSIBLE_COLLECTIONS_PATH'] = str(installed)
        check_syntax(PLAYBOOKS, elsewhere, env)
        awx = awx_collections()
        if awx is None:
            sys.exit('The collection awx.awx is not in the cache; run: make venv')
        check_syntax(WITH_AWX, elsewhere, {**env, 'ANSIBLE_COLLECTIONS_PATH': f'{installed}:{awx}'})
        command = installed / 'ansible_collections' / 'phoenix' / 'hypervisor' / 'bin' / 'phoenix'
        call(command, '--help', cwd=elsewhere, env=env)  # installed as a program
        listing = call('ansible-doc', '--list', '-t', 'module', 'phoenix.hypervisor', cwd=elsewhere, env=env)
        modules = [line.split()[0] for line in listing.splitlines() if line.startswith('phoenix.hypervisor.')]
        if len(modules) < len(list((ROOT / 'plugins' / 'modules').glob('phoenix_*.py'))):
            sys.exit(f'ansible-doc does not list every module of the installed collection:\n{listing}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
