# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container's identity on its node: read again before each change, written into its config, proved by PVE's tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Callable, Optional

from ...._core.container.known import instance
from ...._core.container.model import Observation, Past, Record
from ...._core.pve import marker
from ...._core.pve.conffile import ConfFile
from ...._core.pve.words.faults import ended_well
from ...failure import NodeError
from ...pve.client import Client, PveError, StaleConfigError
from ...pve.tasks import started, task_path
from ...store import Store
from ..conf.conf_edit import CHANGED, edit_raw_lines
from ..conf.observe import PVE, conf_path, read_conf
from . import creations, recording

LIMIT = 200  # of PVE's tasks of one CTID


class ForeignError(NodeError):
    """The container under a CTID is not the one on record; the text says why."""


def ensure_ours(read: Callable[[int], tuple[Optional[ConfFile], str]], ctid: int, store: Store) -> None:
    """Raise ForeignError when the container that exists now is another one than the record's.

    One read of the config, right before a change: ``read`` gives it with its digest.
    """
    record = store.load(ctid)
    conf = read(ctid)[0]
    if conf is None or record.creating is not None:
        return
    why = instance.foreign(Observation(ctid, exists=True, conf=conf), record)
    if why:
        raise ForeignError(
            f"another container took its place under CTID {ctid} while this run worked on it, so nothing of it is "
            f"changed: {why}. Run it again to observe it"
        )


def write_marker(node: str, ctid: int, store: Store, digest: str, locks: str, pve: str = PVE) -> None:
    """Write the instance id on record into the container's config, as the only one. Raises PveError.

    ``digest``: of the config that the plan has seen; "" where the plan makes the container.
    """
    ident = (store.read_record(ctid).get("instance") or {}).get("id")
    conf, now = read_conf(node, ctid, pve)
    path = conf_path(node, ctid, pve)
    if conf is None or not ident:
        raise PveError(f"edit of {path}", 0, "the container does not exist" if conf is None else "no instance id")
    if digest not in ("", now):
        raise StaleConfigError(f"edit of {path}", 0, CHANGED)
    line = marker.line(str(ident))
    if conf.markers != (line,):
        edit_raw_lines(path, ctid, now, [line], conf.markers, locks)


def refresh(seen: Observation, store: Store) -> None:
    """Note root volume and MAC addresses again where a step of ours has changed them."""
    record = store.load(seen.ctid)
    settled = record.ours and not record.creating and instance.is_marked(seen, record)
    if settled and not instance.is_current(seen, record):
        store.update_record(seen.ctid, instance=recording.recognized(store.read_record(seen.ctid), seen.conf))


def recall(client: Callable[[], Client], node: str, seen: Observation, record: Record) -> Observation:
    """The observation, with what PVE's tasks say of the container where that decides, or helps whoever reads a refusal.

    Raises PveError where it decides and PVE can't be asked.
    """
    if instance.is_in_doubt(seen, record):
        return replace(seen, past=_past(client(), node, seen, record))
    if instance.is_described(seen, record):
        try:
            return replace(seen, past=_past(client(), node, seen, record))
        except PveError:
            return seen
    return seen


def _past(client: Client, node: str, seen: Observation, record: Record) -> Past:
    upid = str((record.creating or {}).get("upid") or "") if seen.creating else ""
    failed = ""
    if upid:
        try:
            status = client.request("GET", f"{task_path(node, upid)}/status") or {}
        except PveError:
            status = {}  # its log is gone with a reboot
        outcome = str(status.get("exitstatus") or "")
        if status.get("status") == "stopped" and not ended_well(outcome):
            failed = outcome or "unexpected status"
    query = {"vmid": seen.ctid, "source": "all", "limit": LIMIT}
    return past_of(creations.tasks(client, node, query), started(upid) if upid else instance.since(record), failed)


def past_of(tasks: Iterable[Mapping[str, object]], after: int, failed: str = "") -> Past:
    """What PVE's tasks of a CTID, newest first, say of its past since a time. ``failed``: how our creation ended."""
    made = destroyed = ""
    restored = False
    oldest_first = list(tasks)[::-1]
    oldest_first.sort(key=lambda item: int(str(item.get("starttime") or 0)))
    for task in oldest_first:
        status = str(task.get("status") or "")
        if not ended_well(status):
            continue
        begun = int(str(task.get("starttime") or 0))
        when = datetime.fromtimestamp(begun, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        words = f"{task.get('type')} by {task.get('user')} at {when}"
        if task.get("type") in ("vzcreate", "vzrestore"):
            made = words
            restored = task.get("type") == "vzrestore"
        elif task.get("type") == "vzdestroy":
            made, restored = "", False
            destroyed = words if begun > after else destroyed
    return Past(made=made, destroyed=destroyed, restored=restored, failed=failed)
