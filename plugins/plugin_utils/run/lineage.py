# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Marks by which the containers of one run tell each other how they ended, in the run's own temporary directory.

A worker that waits for a clone source doesn't see which hosts have left the play. A hint says that a connection of the
source has failed: whoever waits then ends its slice, and the play looks at its hosts.
"""

from __future__ import annotations

import contextlib
import os
import time

from ansible import constants

SHORT = 1.0  # seconds of a slice while a hint is fresh: the play has perhaps not handled the failure yet
FRESH = 10.0


def folder() -> str:
    """The folder of the marks. Ansible makes its parent for each run and this user only; its workers share it."""
    path = os.path.join(constants.DEFAULT_LOCAL_TMP, "phoenix_lineage")
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def is_name(name: str) -> bool:
    """Whether an inventory name can be a mark's."""
    return bool(name) and "/" not in name and not name.startswith(".")


def hint(name: str) -> None:
    """Note that a connection of this container has failed, for those who wait for it."""
    if is_name(name):
        # Only a hint: without it the slice ends by its own time.
        with contextlib.suppress(OSError), open(os.path.join(folder(), f".{name}.hint"), "wb"):
            os.utime(os.path.join(folder(), f".{name}.hint"))


def end(name: str, outcome: str) -> None:
    """Say how a container ended."""
    if not is_name(name):
        return
    path = os.path.join(folder(), name)
    with open(f"{path}.new", "w", encoding="ascii") as file:
        file.write(outcome)
    os.rename(f"{path}.new", path)


def outcome_of(name: str, seconds: float) -> str:
    """How a container ended, or ``waiting`` after so many seconds, sooner when a connection of it fails."""
    path = os.path.join(folder(), name)
    before = _hinted(name)
    if time.time() - before < FRESH:
        seconds = min(seconds, SHORT)
    deadline = time.monotonic() + seconds
    while True:
        try:
            with open(path, encoding="ascii") as file:
                return file.read()
        except FileNotFoundError:
            if time.monotonic() >= deadline or _hinted(name) != before:
                return "waiting"
        time.sleep(0.1)


def _hinted(name: str) -> float:
    try:
        return os.stat(os.path.join(folder(), f".{name}.hint")).st_mtime
    except OSError:
        return 0.0
