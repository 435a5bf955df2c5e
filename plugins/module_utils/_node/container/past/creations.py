# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The worker of a creation that an earlier, killed run began: found in PVE's list of tasks, and what came after it."""

from __future__ import annotations

from typing import Any

from ...._core.container.model import Record, Wanted
from ...pve.client import Client
from ...pve.tasks import started

# A create is sent within this time, in seconds, of the intent on record; what began later is foreign.
SENT_WITHIN = 600


def tasks(client: Client, node: str, query: dict[str, Any]) -> list[dict[str, Any]]:
    """PVE's tasks of a guest, newest first."""
    return client.request("GET", f"/nodes/{node}/tasks", query) or []


def find(client: Client, node: str, wanted: Wanted, record: Record) -> str | None:
    """The worker of a creation whose UPID was not recorded in time: killed between the call and its answer."""
    source = wanted.desired.clone_from
    kind, ident = ("vzclone", source) if source is not None else ("vzcreate", wanted.ctid)
    if source is None and wanted.desired.restore_from:
        kind = "vzrestore"
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
