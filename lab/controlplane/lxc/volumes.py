# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of the lab: directories under a storage's images folder, named as PVE names its raw files.

A real node keeps a loop-mounted ext4 image there. Here the name is a directory, so sizes are recorded, not enforced.
Blocking; called through a thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from fakepve.model import TaskError

STORAGE_CFG = Path('/etc/pve/storage.cfg')
TRASH = Path('/var/lib/vz/.trash')
SHIFT = 100000
IDS = 65536
_USERNS = ['lxc-usernsexec', '-m', f'u:0:{SHIFT}:{IDS}', '-m', f'g:0:{SHIFT}:{IDS}', '--']
_TAR = [
    'tar',
    '--extract',
    '--preserve-permissions',
    '--totals',
    '--one-file-system',
    '--numeric-owner',
    '--skip-old-files',
    '--xattrs',
    '--xattrs-include=user.*',
    '--xattrs-include=security.capability',
    '--anchored',
    '--exclude=./dev/*',
]


def _storage_path(storage: str) -> Path:
    """The path of a directory storage, from storage.cfg."""
    current = None
    for line in STORAGE_CFG.read_text().splitlines() if STORAGE_CFG.exists() else []:
        header = re.match(r'(\w+):\s*(\S+)\s*$', line)
        if header:
            current = header.group(2)
        found = re.match(r'\s+path\s+(\S+)', line)
        if found and current == storage:
            return Path(found.group(1))
    return Path('/var/lib/vz') if storage == 'local' else Path('/var/lib/vz') / storage


def path(volid: str) -> Path:
    """Where the volume's files are."""
    storage, _, name = volid.partition(':')
    if not name or '..' in name.split('/'):
        raise TaskError(f"unable to parse volume ID '{volid}'")
    # A linked clone is called BASE/NAME; here it is a copy, which needs no base.
    return _storage_path(storage) / 'images' / re.sub(r'^base(vol)?-\d+-disk-\d+/', '', name)


def of_guest(storage: str, vmid: int) -> list[str]:
    """The volumes on a storage that belong to a guest by their names, whatever its config says."""
    root = _storage_path(storage) / 'images'
    found = [*root.glob(f'{vmid}/*-{vmid}-disk-*'), *root.glob(f'*-{vmid}-disk-*')]
    return sorted(f'{storage}:{volume.relative_to(root)}' for volume in found if '@' not in volume.name)


def alloc(volid: str) -> None:
    """An empty volume. Its folder must let the guests' mapped users through."""
    target = path(volid)
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        target.mkdir(mode=0o755)
    except FileExistsError:
        raise TaskError(f"disk image '{target}' already exists") from None


def free(volid: str) -> None:
    """Delete the volume, its snapshots and, when it was the last, the guest's folder.

    It is gone from its place at once; the files go in the background (empty_trash), which on a busy disk takes long.
    """
    target = path(volid)
    TRASH.mkdir(mode=0o700, exist_ok=True)
    for tree in [target, *target.parent.glob(target.name + '@*')]:
        if not tree.is_dir():
            continue
        try:
            tree.rename(TRASH / uuid.uuid4().hex)
        except OSError:  # another file system
            shutil.rmtree(tree)
    with contextlib.suppress(OSError):
        target.parent.rmdir()


def empty_trash() -> None:
    """Delete the files of freed volumes, those of an earlier control plane too."""
    if TRASH.is_dir():
        for tree in TRASH.iterdir():
            shutil.rmtree(tree, ignore_errors=True)  # what stays is tried again at the next start


def copy_tree(source: Path, target: Path) -> None:
    """cp -a into a directory that may exist."""
    target.mkdir(mode=0o755, exist_ok=True)
    _run(['cp', '-a', '--reflink=auto', '--', str(source) + '/.', str(target)])


def rename(old: str, new: str) -> None:
    """A volume gets another name."""
    path(old).rename(path(new))


def extract(archive: str, target: Path, unprivileged: bool) -> str:
    """Unpack a template; unprivileged shifts all owners by doing it inside the guest's id map. tar's summary."""
    suffix = Path(archive).suffix
    program = {'.zst': ['--zstd'], '.gz': ['--gzip'], '.xz': ['--xz'], '.bz2': ['--bzip2']}.get(suffix, [])
    shift = SHIFT if unprivileged else 0
    os.chown(target, shift, shift)
    with open(archive, 'rb') as stream:
        # Opened here: perhaps the mapped root cannot reach the file.
        return _run(
            [*(_USERNS if unprivileged else []), *_TAR, *program, '--directory', str(target), '--file=-'], stdin=stream
        )


def archive(root: Path, target: str, config: str, unprivileged: bool) -> None:
    """Write a backup as vzdump does: owners as the guest sees them, and the config at etc/vzdump/pct.conf."""
    with tempfile.TemporaryDirectory() as made:
        file = Path(made, 'etc', 'vzdump', 'pct.conf')
        file.parent.mkdir(parents=True)
        file.write_text(config, encoding='utf-8')
        Path(made).chmod(0o755)  # the mapped root reads it
        own = ['--directory', made, './etc/vzdump/pct.conf', '--directory', str(root), '.']
        words = ['tar', '--create', '--file=-', '--numeric-owner', '--one-file-system', *own]
        with (
            open(target, 'wb') as stream,
            subprocess.Popen([*(_USERNS if unprivileged else []), *words], stdout=subprocess.PIPE) as packs,
            subprocess.Popen(['zstd', '-q', '-1', '-c'], stdin=packs.stdout, stdout=stream) as squeezes,
        ):
            codes = (packs.wait(), squeezes.wait())
    if any(codes):
        raise TaskError(f"command '{' '.join(words)}' failed: exit codes {codes}")


def ostype(template: str) -> str:
    """The ostype that PVE detects in the files of an archive: the id of its distribution."""
    for name in ('./usr/lib/os-release', './etc/os-release'):
        done = subprocess.run(
            ['tar', '--extract', '--to-stdout', '--occurrence=1', f'--file={template}', name],
            capture_output=True,
            text=True,
            check=False,
        )
        found = re.search(r'^ID="?([a-z]+)', done.stdout, re.MULTILINE)
        if found:
            return found.group(1)
    return 'unmanaged'


def snapshot_path(volid: str, name: str) -> Path:
    """Where the kept contents of a snapshot are."""
    target = path(volid)
    return target.with_name(f'{target.name}@{name}')


def _run(argv: list[str], stdin: object = None) -> str:
    done = subprocess.run(
        argv,
        stdin=stdin or subprocess.DEVNULL,
        capture_output=True,  # type: ignore[call-overload]  # stdin is any file, which the overloads don't say
        text=True,
        check=False,
    )
    if done.returncode:
        raise TaskError(f"command '{' '.join(argv)}' failed: exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    return str(done.stderr).strip()
