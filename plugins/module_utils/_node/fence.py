# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fence of a node: the runs that were displaced from a container, which change nothing there any more.

A run that was stopped and continued doesn't know that another run has taken its lease, has finished and has given it
back. So a displaced run is remembered, beyond the end of the run that displaced it, a reboot of the node and the
destruction of the container. One line each, ``CTID RUN BY TIME``: the script that the connection plugin runs on the
node (plugin_utils/pct/pct_wrapper.py) reads the same file before it enters a container.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any

from .store import read_private, write_atomic

NAME = "displaced"
KEEP = 1000  # lines; a displaced run that others followed so often is long gone
MANUAL = "manual"  # what a module calls a run that has no identity: many of them, so none is fenced
_NOT_IN_WORDS = re.compile(r"[^A-Za-z0-9._:-]")


def path(root: str) -> str:
    """The file of a state directory that names the displaced runs."""
    return os.path.join(root, "leases", NAME)


def word(run: Any) -> str:
    """A run's id as the file has it."""
    return _NOT_IN_WORDS.sub("_", str(run))[:64] or "_"


def _lines(root: str) -> list[list[str]]:
    lines = [line.split() for line in (read_private(path(root)) or "").splitlines()]
    return [words for words in lines if len(words) == 4]


def displacer(root: str, ctid: int, run: Any) -> tuple[str, str] | None:
    """Who displaced a run from a container, and when; None when nobody did. Raises StoreError."""
    for number, who, by, at in reversed(_lines(root)):
        if (number, who) == (str(ctid), word(run)):
            return by, at
    return None


def note(root: str, ctid: int, run: Any, by: Any) -> None:
    """Remember that a run was displaced. The caller holds the lock of the leases. Raises StoreError."""
    if run == MANUAL:
        return
    new = [str(ctid), word(run), word(by), time.strftime("%Y-%m-%dT%H:%M:%S%z")]
    lines = [*_lines(root), new][-KEEP:]
    write_atomic(path(root), "".join(" ".join(words) + "\n" for words in lines))
