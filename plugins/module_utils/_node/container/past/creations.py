# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The worker of a creation that an earlier, killed run began: found in PVE's list of tasks, and what came after it."""

from __future__ import annotations

import contextlib
from typing import Any

from ...._core.container.model import Record, Wanted
from ...pve.client import Client, PveError
from ...pve.tasks import started, wait_task

# A create is sent within this time, in seconds, of the intent on record; what began later is foreign.
SENT_WITHIN = 600


def tasks(client: Client, node: str, query: dict[str, Any]) -> list[dict[str, Any]]:
    """PVE's tasks of a guest, newest first."""
    return client.request("GET", f"/nodes/{node}/tasks", query) or []


def _worker(wanted: Wanted) -> tuple[str, int]:
    """(the type of the task that creates a container, the guest by which PVE lists it)."""
    source = wanted.desired.clone_from
    if source is not None:
        return "vzclone", source
    return ("vzrestore" if wanted.desired.restore_from else "vzcreate"), wanted.ctid


def await_own(client: Client, node: str, wanted: Wanted, user: str, timeout: float) -> bool:
    """Wait for running creations of the same user, and return whether any was running.

    While one runs, the config has nothing but its lock, so a run that keeps its record in the config can't know it for
    its own. Each of them may be; once they have ended, the config says whose the container is.
    """
    kind, ident = _worker(wanted)
    query = {"vmid": ident, "typefilter": kind, "source": "active", "limit": 500}
    found = [str(task["upid"]) for task in tasks(client, node, query) if user and task.get("user") == user]
    for upid in found:
        with contextlib.suppress(PveError):  # what it has left is observed next
            wait_task(client, node, upid, "a running creation", timeout)
    return bool(found)


def find(client: Client, node: str, wanted: Wanted, record: Record) -> str | None:
    """The worker of a creation whose UPID was not recorded in time: killed between the call and its answer."""
    kind, ident = _worker(wanted)
    creating = record.creating or {}
    since, found = float(creating.get("at", 0)), None
    for task in tasks(client, node, {"vmid": ident, "typefilter": kind, "source": "all", "limit": 500}):
        begun = float(task.get("starttime", 0))
        if begun < since - 1 or task.get("upid") == creating.get("after"):
            break
        if kind != "vzclone" and begun > since + SENT_WITHIN:  # a clone waits for its turn at its source for hours
            continue
        found = str(task.get("upid"))
        if "after" not in creating:
            break  # the newest one
        # Other clones of the source may have begun since: ours is the first after the one that is recorded.
    return found


def later(client: Client, node: str, ctid: int, upid: str) -> dict[int, str]:
    """Foreign tasks on the container after our creation began. Removing it by us doesn't count."""
    began = started(upid)
    for task in tasks(client, node, {"vmid": ctid, "source": "all", "limit": 20}):
        if task.get("upid") != upid and task.get("type") != "vzdestroy" and int(task.get("starttime", 0)) > began:
            return {ctid: f"{task.get('type')} by {task.get('user')} ({task.get('upid')})"}
    return {}
