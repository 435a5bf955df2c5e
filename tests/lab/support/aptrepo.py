# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signed flat repository in the shape of NVIDIA's, with packages that hold the lab's stand-ins."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.site import CHECKOUT

SHARE = CHECKOUT / 'lab' / 'node' / 'root' / 'opt' / 'phoenix-lab' / 'share'
LIBRARIES = 'usr/lib/x86_64-linux-gnu'
KEY = '3bf863cc.pub'  # as NVIDIA calls it
TOOLKIT = '1.17.4-1'
# What the real package's configuration says, as far as the product looks at it.
CONFIG = """disable-require = false

[nvidia-container-cli]
environment = []
load-kmods = true
#no-cgroups = false
ldconfig = "@/sbin/ldconfig"

[nvidia-container-runtime]
runtimes = ["runc", "crun"]
"""


def write(folder: Path, versions: Sequence[str]) -> Path:
    """The driver's packages in these versions, and the toolkit; returns the folder."""
    folder.mkdir(parents=True)
    smi = (SHARE / 'nvidia-smi').read_text(encoding='utf-8')
    for version in versions:
        full = f'{version}-1'
        library = {f'{LIBRARIES}/libcuda.so.{version}': 'a stand-in of the lab\n'}
        _package(folder, 'libcuda1', full, library, links={f'{LIBRARIES}/libcuda.so.1': f'libcuda.so.{version}'})
        video = {f'{LIBRARIES}/libnvcuvid.so.{version}': 'a stand-in of the lab\n'}
        _package(folder, 'libnvcuvid1', full, video)
        tool = {'usr/bin/nvidia-smi': smi.replace('@VERSION@', version)}
        _package(folder, 'nvidia-driver-cuda', full, tool, depends=f'libcuda1 (>= {full}), libnvcuvid1 (>= {full})')
    runtime = {
        'usr/bin/nvidia-container-runtime': '#!/bin/sh\nexec runc "$@"\n',
        'etc/nvidia-container-runtime/config.toml': CONFIG,
    }
    _package(folder, 'nvidia-container-toolkit', TOOLKIT, runtime)
    _sign(folder)
    return folder


def fingerprints(folder: Path) -> list[str]:
    """Those of the key that signs it."""
    with tempfile.TemporaryDirectory() as home:
        command = ['gpg', '--batch', '--with-colons', '--show-keys', str(folder / KEY)]
        env = {**os.environ, 'GNUPGHOME': home}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return [line.split(':')[9] for line in done.stdout.splitlines() if line.startswith('fpr:')][:1]


def _package(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    depends: str = '',
    links: Mapping[str, str] | None = None,
) -> None:
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            file = Path(root, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding='utf-8')
            file.chmod(0o755 if text.startswith('#!') else 0o644)
        for path, target in (links or {}).items():
            Path(root, path).symlink_to(target)
        control = Path(root, 'DEBIAN', 'control')
        control.parent.mkdir()
        lines = [
            f'Package: {name}',
            f'Version: {version}',
            'Architecture: amd64',
            'Maintainer: the lab <lab@localhost>',
        ]
        lines += [f'Depends: {depends}'] if depends else []
        control.write_text('\n'.join([*lines, 'Description: a stand-in of the lab', '']), encoding='utf-8')
        Path(root).chmod(0o755)
        package = folder / f'{name}_{version}_amd64.deb'
        subprocess.run(['dpkg-deb', '--root-owner-group', '--build', root, package], check=True, capture_output=True)


def _sign(folder: Path) -> None:
    """Packages, Release and its signature, and the key that made it."""
    entries = []
    for deb in sorted(folder.glob('*.deb')):
        control = subprocess.run(['dpkg-deb', '--field', deb], check=True, capture_output=True, text=True).stdout
        data = deb.read_bytes()
        more = f'Filename: ./{deb.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n'
        entries.append(control + more)
    packages = '\n'.join(entries).encode()
    (folder / 'Packages').write_bytes(packages)
    sums = f'SHA256:\n {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n'
    (folder / 'Release').write_text(f'Origin: NVIDIA\nDate: {_date()}\n{sums}', encoding='utf-8')
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, 'GNUPGHOME': home}
        gpg = ['gpg', '--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '']
        subprocess.run([*gpg, '--quick-gen-key', 'lab@localhost', 'rsa2048', 'sign', '1d'], check=True, env=env)
        key = subprocess.run([*gpg, '--armor', '--export'], check=True, env=env, capture_output=True).stdout
        (folder / KEY).write_bytes(key)
        subprocess.run([*gpg, '--clearsign', '--output', 'InRelease', 'Release'], check=True, env=env, cwd=folder)
        subprocess.run(['gpgconf', '--kill', 'all'], check=False, env=env)


def _date() -> str:
    done = subprocess.run(['date', '--utc', '+%a, %d %b %Y %T UTC'], check=True, capture_output=True, text=True)
    return done.stdout.strip()
