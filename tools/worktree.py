# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the checkout, uncommitted files included, at a path as Ansible's tools demand it.

ansible-test, pytest-ansible and imports of `ansible_collections.phoenix.hypervisor` need the real path to end in that
name, whatever the user called the clone; a symbolic link is not enough for them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from toolchain import CACHE, ROOT, locked

# The link that lets a clone resolve its own name: in a copy that has the right path it would be a loop.
LEFT_OUT = ('collections/',)


def tracked_files() -> list[str]:
    """Every file that git tracks or would track, relative to the checkout."""
    listing = subprocess.run(
        ['git', '-c', f'safe.directory={ROOT}', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split('\0')
    return sorted({n for n in listing if n and not n.startswith(LEFT_OUT) and os.path.lexists(ROOT / n)})


def same(source: Path, copy: Path) -> bool:
    """Whether the copy is up to date: size, time and mode, or the target of a link."""
    if not os.path.lexists(copy) or source.is_symlink() != copy.is_symlink():
        return False
    if source.is_symlink():
        return os.readlink(source) == os.readlink(copy)
    one, two = source.stat(), copy.stat()
    return (one.st_size, one.st_mtime_ns, one.st_mode) == (two.st_size, two.st_mtime_ns, two.st_mode)


def make(name: str) -> Path:
    """Bring the copy of that name up to date; returns the collection's directory in it.

    The copy holds exactly the checkout's files: what was deleted there goes here too, results of earlier runs as well.
    """
    top = CACHE / 'tree' / name
    target = top / 'ansible_collections' / 'phoenix' / 'hypervisor'
    with locked(f'tree-{name}'):
        wanted = set(tracked_files())
        for directory, folders, files in os.walk(target, topdown=False):
            if '.git' in Path(directory).relative_to(target).parts:
                continue
            for entry in files + [f for f in folders if (Path(directory) / f).is_symlink()]:
                path = Path(directory, entry)
                if str(path.relative_to(target)) not in wanted:
                    path.unlink()
            if not os.listdir(directory):
                os.rmdir(directory)
        for relative in wanted:
            source, copy = ROOT / relative, target / relative
            if not same(source, copy):
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.unlink(missing_ok=True)
                shutil.copy2(source, copy, follow_symlinks=False)
        if not (target / '.git').is_dir():
            # Otherwise the tools find the checkout's repository above, for which the cache is ignored: no files at all.
            subprocess.run(['git', 'init', '-q'], cwd=target, check=True)
    return target
