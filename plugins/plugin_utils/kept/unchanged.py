# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the Python files of some folders are those of an earlier run, without reading them.

The kernel notes the time of each change of a file, which no program can set. So a file of the same size and times is
the same file, unless it has changed twice within one tick of the clock: what has changed a moment ago tells nothing.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator

MOMENT = 2.0
"""Seconds. The coarsest clock of a file system that has times of changes is that of seconds."""


def seen(folders: Iterable[str]) -> str:
    """Return a hash of all Python files below; an empty text where one has just changed. Raises OSError."""
    found = hashlib.sha256()
    newest = 0
    for line, changed in sorted(line for folder in folders for line in _files(folder)):
        found.update(line.encode())
        newest = max(newest, changed)
    return "" if newest / 1e9 > time.time() - MOMENT else found.hexdigest()


def _files(folder: str) -> Iterator[tuple[str, int]]:
    places = [folder]
    while places:
        with os.scandir(places.pop()) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    state = entry.stat()
                    times = f"{state.st_mtime_ns} {state.st_ctime_ns}"
                    yield f"{entry.path}\0{state.st_size} {times}\n", state.st_ctime_ns
                elif entry.name != "__pycache__" and entry.is_dir():
                    places.append(entry.path)
