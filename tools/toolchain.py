#!/usr/bin/env python3
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets up what the make targets need: system packages, one virtual environment per ansible-core series, collections.

Everything goes to `.cache` of the checkout (or to the directory that PHOENIX_CACHE names). Packages come through pip as
the user has configured it. Standard library only, because this runs before anything is installed.

    toolchain.py apt [--lab]       install the Debian packages that are missing (root)
    toolchain.py venv [--all]      the default series, or every series for which this machine has a Python
    toolchain.py run -- CMD …      run a command in the environment of the default series
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get('PHOENIX_CACHE', ROOT / '.cache')).resolve()
REQUIREMENTS = ROOT / 'tests' / 'requirements.txt'

# Debian package -> a file whose presence shows that it is there: cheaper than asking dpkg, and true for other origins.
TOOL_PACKAGES = {
    'git': '/usr/bin/git',
    'openssh-client': '/usr/bin/ssh',
}
LAB_PACKAGES = {
    'chromium': '/usr/bin/chromium',
    'dnsmasq-base': '/usr/sbin/dnsmasq',
    'gpg': '/usr/bin/gpg',
    'gpg-agent': '/usr/bin/gpg-agent',
    'iproute2': '/usr/sbin/ip',
    'lxc': '/usr/bin/lxc-start',
    'mmdebstrap': '/usr/bin/mmdebstrap',
    'nftables': '/usr/sbin/nft',
    'uidmap': '/usr/bin/newuidmap',
    'zstd': '/usr/bin/zstd',
}

# The parts of the `ansible` package that tests and benchmarks use: a hundredth of its size.
COLLECTIONS = (
    'ansible/posix',
    'community/general',
    'community/library_inventory_filtering_v1',
    'community/proxmox',
)


@dataclasses.dataclass(frozen=True)
class Series:
    """One ansible-core series that the collection supports and is tested with."""

    name: str
    core: str
    """The exact ansible-core version."""
    ansible: str
    """The version of the `ansible` package with this core, from which collections are taken."""
    pythons: tuple[tuple[int, int], ...]
    """Controller Python versions, the preferred one first."""
    more: tuple[str, ...] = ()
    """Collections that only the `ansible` package of this series has, or that one series is enough for."""


OLDEST = Series('2.19', core='2.19.14', ansible='12.3.0', pythons=((3, 11), (3, 12), (3, 13)), more=('awx/awx',))
MIDDLE = Series('2.20', core='2.20.10', ansible='13.8.0', pythons=((3, 13), (3, 12), (3, 14)))
NEWEST = Series('2.21', core='2.21.5', ansible='14.5.0', pythons=((3, 13), (3, 12), (3, 14)))
SERIES = (OLDEST, MIDDLE, NEWEST)


@dataclasses.dataclass(frozen=True)
class Toolchain:
    """A series made real on this machine."""

    series: Series
    python: Path
    """The base interpreter."""
    version: tuple[int, int]
    plain: bool = False
    """Whether it is ansible-core alone, as somebody has it who only runs playbooks."""

    @property
    def label(self) -> str:
        """For messages: `ansible-core 2.21 on Python 3.13`."""
        return f'ansible-core {self.series.name} on Python {self.version[0]}.{self.version[1]}'

    @property
    def venv(self) -> Path:
        """The virtual environment's directory."""
        name = f'venv-{self.version[0]}.{self.version[1]}-core-{self.series.name}'
        return CACHE / (f'{name}-plain' if self.plain else name)

    @property
    def bin(self) -> Path:
        """The directory of the environment's commands."""
        return self.venv / 'bin'

    @property
    def collections(self) -> Path:
        """A directory for ANSIBLE_COLLECTIONS_PATH with the community collections."""
        return CACHE / f'collections-{self.series.ansible}'

    def fingerprint(self) -> str:
        """What the environment was made from; another value means: make it again."""
        more = '' if self.plain else REQUIREMENTS.read_text(encoding='utf-8')
        parts = (self.series.core, str(self.python), str(ROOT), more)
        return hashlib.sha256('\0'.join(parts).encode()).hexdigest()

    def env(self, *collection_paths: Path) -> dict[str, str]:
        """The environment for commands of this series; the paths given are searched for collections first."""
        paths = collection_paths or (ROOT / 'collections',)
        env = {k: v for k, v in os.environ.items() if not k.startswith(('ANSIBLE_', 'PYTEST_', 'VIRTUAL_ENV'))}
        env['PATH'] = f'{self.bin}:{env.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")}'
        env['VIRTUAL_ENV'] = str(self.venv)
        env['ANSIBLE_COLLECTIONS_PATH'] = ':'.join(str(p) for p in (*paths, self.collections))
        env.setdefault('LC_ALL', 'C.UTF-8')
        return env


def pyenv_bins() -> list[Path]:
    """The real bin directories of pyenv's interpreters, newest first; its shims fail for versions not global."""
    root = Path(os.environ.get('PYENV_ROOT', Path.home() / '.pyenv')) / 'versions'
    if not root.is_dir():
        return []

    def key(path: Path) -> tuple[int, ...]:
        return tuple(int(part) for part in path.name.split('.') if part.isdigit())

    return [path / 'bin' for path in sorted(root.iterdir(), key=key, reverse=True) if (path / 'bin').is_dir()]


def interpreters(version: tuple[int, int]) -> Iterator[Path]:
    """Candidates for a Python version: pyenv's, those on PATH, then the system's."""
    name = f'python{version[0]}.{version[1]}'
    for directory in pyenv_bins():
        yield directory / name
    for folder in os.get_exec_path():
        if not folder.endswith('/shims'):
            yield Path(folder) / name
    yield Path('/usr/bin/python3')


def usable(python: Path, version: tuple[int, int]) -> bool:
    """Whether this interpreter has that version and can make a virtual environment with pip."""
    if not python.is_file():
        return False
    probe = 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])'
    done = subprocess.run([python, '-c', probe], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == f'{version[0]}.{version[1]}'


def find(series: Series) -> Toolchain | None:
    """The toolchain for a series, or None when this machine has no Python for it."""
    for version in series.pythons:
        for python in interpreters(version):
            if usable(python, version):
                return Toolchain(series, python.resolve(), version)
    return None


def middle(plain: bool = False) -> Toolchain | None:
    """The toolchain of the series between the two that all is tested with; it is not among the available ones."""
    found = find(MIDDLE)
    return dataclasses.replace(found, plain=True) if found and plain else found


def awx_collections() -> Path | None:
    """Where the collection awx.awx lies, which one series alone has; None without it."""
    folder = CACHE / f'collections-{OLDEST.ansible}'
    return folder if (folder / 'ansible_collections' / 'awx' / 'awx').is_dir() else None


def available() -> list[Toolchain]:
    """Every toolchain that this machine can have, the default one first."""
    found = [toolchain for toolchain in (find(NEWEST), find(OLDEST)) if toolchain]
    if not found:
        wanted = sorted({version for series in (NEWEST, OLDEST) for version in series.pythons})
        sys.exit(
            'No usable Python found: one of {} with the modules venv and ensurepip is needed '
            '(Debian: apt install python3-venv).'.format(', '.join(f'{a}.{b}' for a, b in wanted))
        )
    return found


def default() -> Toolchain:
    """The toolchain for everything that is not run per series."""
    return available()[0]


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Only one process at a time prepares a thing in the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f'{name}.lock', 'w', encoding='utf-8') as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def run(*command: str | Path) -> None:
    """Run quietly; on failure print what the command said and end the program with its exit code."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        sys.exit(f'Failed with exit code {done.returncode}: {" ".join(map(str, command))}')


def install_debian_packages(lab: bool) -> None:
    """Install the Debian packages that are missing, the lab's when asked for. Needs root only when there are any."""
    wanted = TOOL_PACKAGES | (LAB_PACKAGES if lab else {})
    missing = [name for name, witness in wanted.items() if not Path(witness).exists()]
    probe = subprocess.run([sys.executable, '-c', 'import venv, ensurepip'], capture_output=True, check=False)
    if probe.returncode and sys.executable.startswith('/usr/bin/'):
        missing.append('python3-venv')
    if not missing:
        return
    if not shutil.which('apt-get'):
        sys.exit(
            f'These packages (by their Debian names) are missing: {" ".join(missing)}. Install them and try again.'
        )
    if os.geteuid():
        sys.exit(f'Run as root once, or: apt-get install --no-install-recommends {" ".join(missing)}')
    print(f'apt: installing {" ".join(missing)}', flush=True)
    os.environ['DEBIAN_FRONTEND'] = 'noninteractive'
    lock_wait = ('-o', 'DPkg::Lock::Timeout=300')
    run('apt-get', *lock_wait, 'update', '-q')
    run('apt-get', *lock_wait, 'install', '-q', '-y', '--no-install-recommends', *missing)


def make_venv(toolchain: Toolchain) -> None:
    """Make the virtual environment, unless one from the same ingredients is there. An unfinished one is replaced."""
    stamp = toolchain.venv / 'phoenix-fingerprint'
    with locked(toolchain.venv.name):
        if stamp.is_file() and stamp.read_text(encoding='utf-8') == toolchain.fingerprint():
            return
        print(f'venv: {toolchain.label}', flush=True)
        shutil.rmtree(toolchain.venv, ignore_errors=True)  # not there the first time
        run(toolchain.python, '-m', 'venv', toolchain.venv)
        core = f'ansible-core=={toolchain.series.core}'
        more = () if toolchain.plain else ('-r', REQUIREMENTS)
        run(toolchain.bin / 'python', '-m', 'pip', 'install', '-q', *more, core)
        stamp.write_text(toolchain.fingerprint(), encoding='utf-8')


def fetch_collections(toolchain: Toolchain) -> None:
    """Unpack the community collections from the `ansible` package: no Galaxy server is needed, and it takes seconds."""
    target = toolchain.collections
    with locked(target.name):
        names = (*COLLECTIONS, *toolchain.series.more)
        if all((target / 'ansible_collections' / name).is_dir() for name in names):
            return
        print(f'collections: from ansible {toolchain.series.ansible}', flush=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix='collections-') as scratch:
            pip = (toolchain.bin / 'python', '-m', 'pip')
            run(*pip, 'download', '-q', '--no-deps', '-d', scratch, f'ansible=={toolchain.series.ansible}')
            wheel = next(Path(scratch).glob('ansible-*.whl'))
            wanted = tuple(f'ansible_collections/{name}/' for name in names)
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(Path(scratch, 'out'), [n for n in archive.namelist() if n.startswith(wanted)])
            shutil.rmtree(target, ignore_errors=True)  # an older one, with fewer collections, or none
            Path(scratch, 'out').rename(target)


def prepare(toolchain: Toolchain) -> None:
    """Make one toolchain ready for use."""
    make_venv(toolchain)
    if not toolchain.plain:
        fetch_collections(toolchain)


def prepare_all(toolchains: list[Toolchain]) -> None:
    """Prepare several side by side, and let `.cache/venv` point at the default one."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for future in [pool.submit(prepare, toolchain) for toolchain in toolchains]:
            future.result()
    for name, target in (('venv', toolchains[0].venv), ('collections', toolchains[0].collections)):
        fresh = CACHE / f'{name}.{os.getpid()}'
        fresh.symlink_to(target.name)
        fresh.replace(CACHE / name)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest='command', required=True)
    apt = commands.add_parser('apt', help='install missing Debian packages')
    apt.add_argument('--lab', action='store_true', help="the lab's too")
    venv = commands.add_parser('venv', help='make the virtual environments')
    venv.add_argument('--all', action='store_true', help='every series, not only the default one')
    commands.add_parser('list', help='print the toolchains of this machine as JSON')
    runner = commands.add_parser('run', help='run a command in the default environment')
    runner.add_argument('argv', nargs='+')
    args = parser.parse_args()
    if args.command == 'apt':
        install_debian_packages(args.lab)
    elif args.command == 'list':
        print(json.dumps([{'label': t.label, 'venv': str(t.venv)} for t in available()], indent=2))
    elif args.command == 'venv':
        toolchains = available() if args.all else [default()]
        prepare_all(toolchains)
    else:
        toolchain = default()
        prepare_all([toolchain])
        env = toolchain.env()
        os.execvpe(args.argv[0], args.argv, env)
    return 0


if __name__ == '__main__':
    sys.exit(main())
