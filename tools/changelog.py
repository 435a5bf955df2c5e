#!/usr/bin/env python3
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write CHANGELOG.rst and changelogs/changelog.yaml from the fragments, for the version in galaxy.yml.

A version that the changelog has already is made again from its fragments, which are kept. So run it as often as needed
before the release.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import worktree
from toolchain import ROOT

MADE = ('CHANGELOG.rst', 'changelogs/changelog.yaml')
COMMAND = ('antsibull-changelog', 'release', '--update-existing', '--refresh', '--reload-plugins')


def main() -> int:
    """Make the files in a copy of the tree, where ansible-doc finds the collection, and copy them back."""
    tree = worktree.make('changelog')
    code = subprocess.run(COMMAND, cwd=tree, check=False).returncode
    if not code:
        for name in MADE:
            shutil.copyfile(tree / name, ROOT / name)
    return code


if __name__ == '__main__':
    sys.exit(main())
