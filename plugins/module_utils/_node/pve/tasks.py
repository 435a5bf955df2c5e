# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for PVE's worker tasks and locks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Callable
from urllib.parse import quote

from ..._core.pve.words.faults import has_warnings
from ..waiting import Deadline, looks, never, pauses, retry
from .client import Client, LockedError, PveError, StillRunsError, refused

UPID = re.compile(r"^UPID:([^:]+):[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:([0-9A-Fa-f]{8}):([^:]+):([^:]*):([^:]+):\Z")
LOG_TAIL = 12


def is_upid(value: Any) -> bool:
    """Whether an answer is the id of a worker task."""
    return isinstance(value, str) and UPID.match(value) is not None


def handed_to_ha(upid: str) -> bool:
    """Whether a task only asks the HA manager, which acts later (PVE facts, 'Tasks': hastart, hastop)."""
    found = UPID.match(upid)
    return found is not None and found.group(3).startswith("ha")


def started(upid: str) -> int:
    """When a worker task began, in seconds since the epoch: its id says so in hexadecimal."""
    found = UPID.match(upid)
    return int(found.group(2), 16) if found else 0


def task_path(node: str, upid: str) -> str:
    """The API path of a task."""
    return f"/nodes/{node}/tasks/{quote(upid, safe='')}"


def nothing() -> None:
    """The guard of a wait that nothing can call off."""


def wait_task(
    client: Client, node: str, upid: str, call: str, timeout: float, guard: Callable[[], None] = nothing
) -> list[str]:
    """Wait for a worker task. Returns its warnings. Raises PveError with the log's tail when it failed.

    ``guard`` is called at each look; what it raises ends the wait, never the task.
    """
    for _look in looks(Deadline(timeout)):
        guard()
        status: Mapping[str, Any] = client.request("GET", f"{task_path(node, upid)}/status") or {}
        if status.get("status") == "stopped":
            return _warnings(client, node, upid, call, str(status.get("exitstatus", "unexpected status")))
    words = f"task {upid} still runs after {timeout:.0f} s; it continues on the node"
    raise StillRunsError(call, 0, words, log=log_tail(client, node, upid))


def _warnings(client: Client, node: str, upid: str, call: str, outcome: str) -> list[str]:
    """The warnings of a task that has ended. Raises PveError when it failed."""
    if outcome == "OK":
        return []
    tail = log_tail(client, node, upid)
    if has_warnings(outcome):
        return [line for line in tail if "WARN" in line] or [f"{call}: {outcome}"]
    raise refused(call, 200, f"task failed: {outcome}", log=tail)


def log_tail(client: Client, node: str, upid: str, most: int = LOG_TAIL) -> list[str]:
    """The last lines of a task's log, for people."""
    try:
        lines = client.request("GET", f"{task_path(node, upid)}/log", {"limit": 5000}) or []
    except PveError:
        return []
    return [str(line.get("t", "")) for line in lines if isinstance(line, dict)][-most:]


def with_lock_wait(
    act: Callable[[], Any],
    timeout: float,
    guard: Callable[[], None] = nothing,
    at_work: Callable[[], bool] = never,
) -> Any:
    """Call ``act`` again with growing pauses while PVE says that the container is locked, up to ``timeout`` seconds.

    After that only while ``at_work`` says that a worker holds the lock, which so will end. ``guard`` is called before
    each attempt; what it raises ends the wait.
    """

    def attempt() -> Any:
        guard()
        return act()

    deadline = Deadline(timeout, at_work)
    return retry(attempt, lambda error: isinstance(error, LockedError), deadline, pauses(0.2, 5.0))


def held_by(client: Client, node: str, ctid: int, error: PveError, waited: float) -> LockedError:
    """Return the refusal of a locked container after a wait of some seconds, with who has it as far as PVE lists it."""
    try:
        asked = {"vmid": ctid, "source": "active", "limit": 5}
        active = client.request("GET", f"/nodes/{node}/tasks", asked) or []
    except PveError:
        active = []
    names = ", ".join(f"{task.get('type')} of {task.get('user')} ({task.get('upid')})" for task in active)
    words = f"{error.reason} - waited {waited:.0f} s for {names or 'a lock that no listed task of PVE holds'}"
    return LockedError(error.call, error.status, words, error.errors, error.log, error.fault)
