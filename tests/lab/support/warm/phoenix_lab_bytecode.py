# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the node: a module's Python, compiled once for all runs. Each run brings it as source in an archive."""

from __future__ import annotations

import _imp
import marshal
import os
import zipimport
from types import CodeType

FOLDER = '/run/phoenix-lab/bytecode'
_compile = zipimport._compile_source  # type: ignore[attr-defined]  # what zipimport compiles with has no types


def _compile_source(path: str, source: bytes) -> CodeType:
    """As zipimport's own. The archive has another name in each run; what is in it is known by its text."""
    kept = f'{FOLDER}/{path.rpartition(".zip/")[2].replace("/", ".")}-{_imp.source_hash(0, source).hex()}'
    try:
        with open(kept, 'rb') as file:
            code: CodeType = marshal.loads(file.read())  # noqa: S302 - nobody else writes here
            return code
    except FileNotFoundError:
        pass  # the first run that has it
    code = _compile(path, source)
    building = f'{kept}.{os.getpid()}'
    try:
        os.makedirs(FOLDER, exist_ok=True)
        with open(building, 'wb') as file:
            marshal.dump(code, file)
        os.replace(building, kept)
    except OSError:
        pass  # a test has filled the node's disk
    return code


if os.geteuid() == 0:
    zipimport._compile_source = _compile_source  # type: ignore[attr-defined]  # as above
