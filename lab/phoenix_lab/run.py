# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands on the host and saying what happened."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

_STARTED = time.monotonic()
# Descriptors of the locks that are held. Commands hold them as well: those of a killed lab.py go on for a moment, and
# the next lab.py waits for their end.
LOCKS: set[int] = set()


class LabError(Exception):
    """Something the user must know; printed without a traceback."""


def say(text: str) -> None:
    """A line of progress on stderr, with the seconds since the start."""
    print(f'[lab {time.monotonic() - _STARTED:6.1f}s] {text}', file=sys.stderr, flush=True)


def clean_env(**extra: str) -> dict[str, str]:
    """The environment for the tools: fixed locale and PATH, nothing that would make apt ask questions."""
    env = dict(os.environ, LC_ALL='C.UTF-8', DEBIAN_FRONTEND='noninteractive', **extra)
    env['PATH'] = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    return env


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    stdin: str | bytes | None = None,
    timeout: float | None = None,
    stays: bool = False,
) -> subprocess.CompletedProcess[Any]:
    """Run argv with its output captured as text; a failure is a LabError with the output's tail.

    stays: it leaves a process, which must hold no lock.
    """
    text = not isinstance(stdin, bytes)
    try:
        done: subprocess.CompletedProcess[Any] = subprocess.run(
            list(argv),
            input=stdin,
            capture_output=True,
            text=text,
            timeout=timeout,
            env=clean_env(),
            pass_fds=() if stays else tuple(LOCKS),
            stdin=subprocess.DEVNULL if stdin is None else None,
            check=False,
        )
    except FileNotFoundError:
        # A machine that never had a lab lacks the tools that would show one: status and down must still work there.
        done = subprocess.CompletedProcess(list(argv), 127, '', argv[0] + ' is not installed')
    if check and done.returncode:
        raw = (done.stderr or done.stdout) or ''
        tail = raw if isinstance(raw, str) else raw.decode(errors='replace')
        raise LabError(f"{' '.join(argv[:6])} failed ({done.returncode}): {tail.strip()[-2000:]}")
    return done
