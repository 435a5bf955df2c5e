# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of a module's process: without the work of freeing what the end of the process frees anyway.

Python takes all modules and objects apart before it ends, which is a tenth of what a short module costs.
"""

from __future__ import annotations

import atexit
import os
import sys

_codes: list[int] = []


def prepare() -> None:
    """Let this process end at once, after all that is registered later. Without `say` it ends as any other."""
    atexit.register(_end)


def say(code: object) -> None:
    """Say with which code this process is about to end: everything is done and answered."""
    if code is None or isinstance(code, int):
        _codes[:] = [(code or 0) & 255]


def _end() -> None:
    if not _codes:
        return
    code = _codes[0]
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120  # as Python ends then
    os._exit(code)
