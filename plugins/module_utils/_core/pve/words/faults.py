# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a failure of PVE is, decoded from its sentences (PVE facts, 'HTTP answers', 'Locks', 'Pending changes').

The only place that knows these sentences: everything else asks for a Fault, or catches the error of that kind.
"""

from __future__ import annotations

import re
from enum import Enum


class Fault(Enum):
    """What PVE, or the node's kernel through PVE, says is wrong."""

    CREATION_HOLDS_LOCK = "the lock is held by a creation"
    LOCKED = "locked"
    NO_QUORUM = "no quorum"
    DENIED = "denied"
    FULL = "full"
    READ_ONLY = "read-only"
    HA = "managed by HA"
    TICKET = "ticket refused"
    STILL_RUNS = "the task still runs"
    STALE_CONFIG = "stale config"
    STORAGE_AWAY = "storage away"
    NO_ANSWER = "no answer"
    ALREADY_RUNNING = "already running"
    NOT_RUNNING = "not running"
    MISSING = "missing"


# The first match counts.
_SENTENCES: tuple[tuple[Fault, re.Pattern[str]], ...] = tuple(
    (fault, re.compile(pattern))
    for fault, pattern in (
        (Fault.CREATION_HOLDS_LOCK, r"CT is locked \((?:create|clone)"),
        # The config's, the file's, and the one that a migration, a replication or the start after a rollback holds.
        (Fault.LOCKED, r"CT is locked|can't lock file|Failed to obtain guest migration lock"),
        (Fault.NO_QUORUM, r"no quorum"),
        (Fault.DENIED, r"Permission check failed|only allowed for root@pam|Only root "),
        (Fault.FULL, r"No space left on device|out of space|not enough (?:free )?space|Disk quota exceeded"),
        (Fault.READ_ONLY, r"Read-only file system"),
        (Fault.HA, r"used in HA resources|HA (?:manager|resource)|^task failed: .*\bha-"),
        (Fault.TICKET, r"invalid PVE ticket|invalid csrf|authentication failure|no ticket"),
        (Fault.STALE_CONFIG, r"detected modified configuration"),
        (
            Fault.STORAGE_AWAY,
            r"couldn't connect to the cluster|storage '[^']*' is not (?:online|active|available)",
        ),
        (Fault.ALREADY_RUNNING, r"already running"),
        (Fault.NOT_RUNNING, r"not running"),
        (Fault.MISSING, r"does not exist"),
    )
)


def decode(words: str) -> Fault | None:
    """The fault that PVE's words tell of, None for one that is only to be shown."""
    return next((fault for fault, pattern in _SENTENCES if pattern.search(words)), None)


def ended_well(status: str) -> bool:
    """Whether a worker task with this exit status succeeded, perhaps with warnings."""
    return status == "OK" or has_warnings(status)


def has_warnings(status: str) -> bool:
    """Whether a worker task succeeded with warnings in its log."""
    return status.startswith("WARNINGS")
