#!/usr/bin/env python3
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets Galaxy's own importer judge the archive: what it refuses there, it refuses here."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from toolchain import ROOT

# ansible-lint and ansible-test run by themselves, on more than the archive.
CONFIG = """[galaxy-importer]
RUN_ANSIBLE_TEST = False
RUN_ANSIBLE_LINT = False
CHECK_REQUIRED_TAGS = True
"""
VERDICT = 'Importer processing completed successfully'


def problems(output: str) -> list[str]:
    """The lines that Galaxy would show as errors or warnings, and a missing verdict."""
    lines = output.splitlines()
    found = [line for line in lines if line.startswith(('ERROR', 'WARNING', 'Traceback'))]
    return found if VERDICT in lines else [*found, f'the importer did not end with "{VERDICT}"']


def main() -> int:
    """Build and judge."""
    with tempfile.TemporaryDirectory(prefix='phoenix-galaxy-') as name:
        scratch = Path(name)
        build = ['ansible-galaxy', 'collection', 'build', '--output-path', str(scratch)]
        subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        config = scratch / 'importer.cfg'
        config.write_text(CONFIG, encoding='utf-8')
        archive = next(scratch.glob('phoenix-hypervisor-*.tar.gz'))
        env = {**os.environ, 'GALAXY_IMPORTER_CONFIG': str(config)}
        env.pop('ANSIBLE_COLLECTIONS_PATH', None)
        command = [sys.executable, '-m', 'galaxy_importer.main', str(archive)]
        done = subprocess.run(
            command, cwd=scratch, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    found = problems(done.stdout)
    print(done.stdout if found else f'{archive.name}: {VERDICT}')
    return 1 if found or done.returncode else 0


if __name__ == '__main__':
    sys.exit(main())
