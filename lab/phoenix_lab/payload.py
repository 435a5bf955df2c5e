# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checkout puts onto the node: lab/node/root as it lies there, and the control plane's package."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from .instance import CHECKOUT

NODE_FILES = CHECKOUT / 'lab' / 'node' / 'root'
CONTROL_PLANE = CHECKOUT / 'lab' / 'controlplane'
SOURCE = 'opt/phoenix-lab/src'


def files() -> dict[str, Path]:
    """Path on the node (without the leading slash) to the file of the checkout."""
    found = {str(path.relative_to(NODE_FILES)): path for path in sorted(NODE_FILES.rglob('*')) if path.is_file()}
    for path in sorted(CONTROL_PLANE.rglob('*')):
        if path.is_file() and '__pycache__' not in path.parts:
            found[f'{SOURCE}/controlplane/{path.relative_to(CONTROL_PLANE)}'] = path
    return {name: path for name, path in found.items() if not name.endswith('.pyc')}


def digest() -> str:
    """Changes with any name, mode or content of the files."""
    seen = hashlib.sha256()
    for name, path in files().items():
        seen.update(b'%s\0%o\0' % (name.encode(), path.stat().st_mode))
        seen.update(path.read_bytes() + b'\0')
    return seen.hexdigest()[:16]


def archive(generated: dict[str, tuple[bytes, int]]) -> bytes:
    """All files as a tar archive for the node's root, with generated ones (path: (content, mode)) added."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as tar:

        def add(name: str, content: bytes, mode: int) -> None:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))

        for name, path in files().items():
            content = path.read_bytes()
            # The mode follows the content: a checkout may have been made under any umask.
            add(name, content, 0o755 if content.startswith(b'#!') else 0o644)
        for name, (content, mode) in generated.items():
            add(name, content, mode)
    return buffer.getvalue()
