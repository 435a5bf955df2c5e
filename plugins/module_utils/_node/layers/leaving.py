# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leaving a layer: a new container is archived by PVE, and the archive published; and waiting for one that is to come.

No fault of it is one of the container: it goes on with its next feature, and the fault is a warning.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Any

from ..._core.container.applied import ledger
from ..._core.container.layering import archiving
from ..._core.container.layers import address, catalog
from ..._core.container.model import Entry, Observation, Record, Wanted, entry_of
from ..._core.container.origin.making import LEAVE
from ..audit import Audit
from ..failure import NodeError
from ..pve.client import Client, PveError
from ..pve.tasks import is_upid, wait_task, with_lock_wait
from ..waiting import Deadline, looks
from .shelf import Shelf

VZDUMP = "/etc/vzdump.conf"
# The tasks of PVE that let a person into a container.
CONSOLES = frozenset({"vncproxy", "spiceproxy", "termproxy"})
GRACE = 60.0
"""Seconds in which the container that leaves a layer must have begun."""


class Leaving:
    """Leaves the layer of one container. ``check_lease`` raises when another run has taken it over."""

    def __init__(
        self,
        shelf: Shelf,
        connect: Callable[[], Client],
        audit: Audit,
        check_lease: Callable[[], None],
        waits: tuple[float, float],
        vzdump: str = VZDUMP,
    ) -> None:
        self._shelf = shelf
        self._connect = connect
        self._audit = audit
        self._guard = check_lease
        self._lock_wait, self._task_timeout = waits
        self._vzdump = vzdump

    def leave(self, wanted: Wanted, seen: Observation, record: Record) -> tuple[list[dict[str, Any]], list[str]]:
        """(the journal, warnings). The container may be stopped afterwards."""
        place = next(iter(address.boundaries(wanted)[-1:]), None)
        layering = seen.layering
        why = "it was published meanwhile" if layering is None or not layering.after else unfit(wanted, seen, record)
        why = why or self._left_out() or self._entered(wanted, record)
        if why or place is None or layering is None:
            return [], [f"container {wanted.ctid} leaves no layer: {why}"]
        with self._shelf.locked(place.address) as alone, self._shelf.locked(f"{address.PREFIX}{wanted.ctid}") as own:
            if not alone or not own:
                return [], [f"container {wanted.ctid} leaves no layer: another one leaves the same at this moment"]
            try:
                return self._work(wanted, place, layering.folder)
            except (PveError, NodeError, OSError) as error:
                self._guard()  # a run that was displaced ends here
                self._audit.write(wanted.ctid, LEAVE, "failed", level="WARNING", extras={"error": str(error)[:2000]})
                return [], [f"container {wanted.ctid} leaves no layer: {error}"]
            finally:
                # Published, it is gone; what can't be removed the next run finds and removes.
                shutil.rmtree(layering.folder, ignore_errors=True)

    def _work(self, wanted: Wanted, place: address.Boundary, staging: str) -> tuple[list[dict[str, Any]], list[str]]:
        settings = catalog.Settings.from_json(wanted.layers or {})
        folder = self._shelf.folder(settings.storage)
        template = self._shelf.template_state(wanted.desired.template)
        if template is None:
            raise NodeError(f"the template {wanted.desired.template} is not on the node any more")
        self._shelf.stage(staging)
        call = archiving(wanted.node, wanted.ctid, staging)
        client = self._connect()

        def archive() -> list[str]:
            answer = client.request(call.method, call.path, dict(call.params))
            if not is_upid(answer):
                raise PveError(call.what, 200, "no task was started")
            return wait_task(client, wanted.node, answer, call.what, self._task_timeout, self._guard)

        warnings = with_lock_wait(archive, self._lock_wait, self._guard)
        made = glob.glob(os.path.join(glob.escape(staging), f"vzdump-lxc-{wanted.ctid}-*.tar.zst"))
        if len(made) != 1:
            raise PveError(call.what, 200, f"{len(made)} archives in {staging}, expected one")
        self._guard()
        layer = self._shelf.publish(made[0], place, folder, settings.storage, template, wanted.ctid)
        self._audit.write(wanted.ctid, LEAVE, "ok", extras={"address": layer.address, "size": str(layer.size)})
        warnings += self._shelf.sweep(settings, folder)
        return [entry_of(call).as_dict(), Entry(LEAVE, "publish").as_dict()], warnings

    def _entered(self, wanted: Wanted, record: Record) -> str:
        """Who opened the container's console since its creation, by the tasks of PVE; empty for nobody."""
        query = {
            "vmid": wanted.ctid,
            "source": "all",
            "limit": 500,
            "since": int((record.instance or {}).get("at") or 0),
        }
        try:
            tasks = self._connect().request("GET", f"/nodes/{wanted.node}/tasks", query) or ()
        except PveError as error:
            return f"PVE does not say who opened its console: {error.reason}"
        users = sorted({str(task.get("user")) for task in tasks if str(task.get("type")) in CONSOLES})
        return f"its console was opened by {', '.join(users)}" if users else ""

    def _left_out(self) -> str:
        """Why an archive would not be whole: the node's settings for all backups may leave files out."""
        try:
            with open(self._vzdump, encoding="utf-8", errors="replace") as file:
                keys = [line.partition(":")[0].strip() for line in file]
        except OSError:
            return ""
        return f"exclude-path in {self._vzdump} leaves files out of archives" if "exclude-path" in keys else ""


def unfit(wanted: Wanted, seen: Observation, record: Record) -> str:
    """Why nothing may be created from this container, or an empty text.

    Only the run that has created it knows that nobody worked in it, and none that ran an application counts.
    """
    found = address.boundaries(wanted)
    if not found or not address.leaves(wanted) or not record.ours or not record.fresh or record.fresh != wanted.run:
        return "this run did not create it"
    book: Mapping[str, Any] = seen.ledger or {}
    if not seen.running or seen.ledger_error or book.get("application"):
        return "it does not run, or its application has run"
    entries = dict(book.get("features") or {})
    expected = {feature.name: feature.digest for feature in found[-1].features}
    applied = {name: entry.get("digest") for name, entry in entries.items() if entry.get("status") == ledger.APPLIED}
    return "" if applied == expected and entries.keys() == expected.keys() else "its features are others by now"


def await_layer(
    published: Callable[[], bool], works: Callable[[], bool | None], timeout: float, grace: float = GRACE
) -> None:
    """Wait until a layer is published, or nobody works on it any more.

    ``works``: whether its container is being worked on; None while that has not begun, which ``grace`` seconds bound.
    """
    begins = Deadline(grace)
    for _look in looks(Deadline(timeout)):
        at_work = works()
        if published() or at_work is False or (at_work is None and begins.passed()):
            return
