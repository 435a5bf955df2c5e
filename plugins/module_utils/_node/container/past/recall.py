# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What earlier runs left running on a container, and what was done to it by hand under them: found in PVE's tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ...._core.container import states
from ...._core.container.guarding import guard, saved, wayback
from ...._core.container.model import Record, Wanted
from ...audit import Audit
from ...pve.client import Client, PveError
from ...pve.tasks import wait_task
from ...store import Store
from . import creations


class Recall:
    """Looks for the workers of earlier runs, waits for them, and adopts what they did.

    ``found``: the worker of a creation, by CTID; ``later``: foreign tasks on the container since;
    ``rolled_back``: the containers that were rolled back under an open change, in check mode, which records nothing.
    """

    def __init__(
        self,
        node: str,
        client: Callable[[], Client],
        store: Store,
        audit: Audit,
        task_timeout: float,
        check_lease: Callable[[], None],
    ) -> None:
        self._node = node
        self._client = client
        self._store = store
        self._audit = audit
        self._task_timeout = task_timeout
        self._guard = check_lease
        self.found: dict[int, str] = {}
        self.later: dict[int, str] = {}
        self.rolled_back: set[int] = set()

    def creation(self, wanted: Wanted, check: bool, waits: bool = False) -> None:
        """When an earlier, killed run began to create this container, find its worker and wait for it.

        It is adopted, not repeated. Check mode finds it too; it records nothing, and doesn't wait unless it ``waits``.
        """
        record = self._store.load(wanted.ctid)
        if record.creating is None:
            return
        upid = record.creating.get("upid") or creations.find(self._client(), self._node, wanted, record)
        if not upid:
            return
        self.found[wanted.ctid] = str(upid)
        if not check:
            self._store.update_record(wanted.ctid, creating={**record.creating, "upid": str(upid)})
        if waits or not check:
            try:
                what = "the creation of an earlier run"
                wait_task(self._client(), self._node, str(upid), what, self._task_timeout, self._guard)
            except PveError as error:
                # Failed or vanished with the node's reboot: the observation decides what is left to do.
                extras = {"error": error.reason}
                self._audit.write(wanted.ctid, "creation of an earlier run", "failed", level="WARNING", extras=extras)
        self.later.update(creations.later(self._client(), self._node, wanted.ctid, str(upid)))

    def rollback(self, wanted: Wanted, check: bool, is_back: Callable[[int, Record], bool]) -> None:
        """When the container was rolled back under an open change, by a run that was cut off or by hand, remember it.

        Check mode finds it too, and doesn't wait for a rollback that still runs. ``is_back``: whether the container has
        its config of before the change; the rollback of one with another is made again.
        """
        record = self._store.load(wanted.ctid)
        if guard.stage(record) not in (guard.OPEN, guard.BACK):
            return
        newest = self.newest_rollback(wanted.ctid, {"guarding": record.guarding})
        if not newest or newest["upid"] == (record.guarding or {}).get("last_rollback", ""):
            return
        if newest.get("endtime") or not check:
            try:
                what = "the rollback under a guarded change"
                wait_task(self._client(), self._node, newest["upid"], what, self._task_timeout, self._guard)
            except PveError as error:
                extras = {"error": error.reason}
                self._audit.write(wanted.ctid, what, "failed", level="WARNING", extras=extras)
                return
        if not is_back(wanted.ctid, record):
            return
        if check:
            self.rolled_back.add(wanted.ctid)
            return
        self.await_workers(wanted.ctid)  # the start that it has set going
        known = wayback.remembered(record)
        self._guard()
        self._store.write_word(wanted.ctid, states.COMPLETED)
        values = {**wayback.values_of(known), "guarding": known.guarding}
        self._store.update_record(wanted.ctid, **values)

    def newest_rollback(self, ctid: int, record: Mapping[str, Any]) -> dict[str, Any]:
        """The newest task that brought the container back, by the means in ``guarding`` of the record."""
        guarding = record.get("guarding")
        by_backup = isinstance(guarding, Mapping) and guarding.get("means") == saved.MEANS
        kind = "vzrestore" if by_backup else "vzrollback"
        query = {"vmid": ctid, "typefilter": kind, "source": "all", "limit": 1}
        return next(iter(self._list(query)), {})

    def await_workers(self, ctid: int) -> None:
        """Wait for the workers that a killed run left running on the container, to observe their result after that."""
        for task in self._list({"vmid": ctid, "source": "active", "limit": 20}):
            upid = str(task.get("upid"))
            try:
                what = f"{task.get('type')} of an earlier run"
                wait_task(self._client(), self._node, upid, what, self._task_timeout, self._guard)
            except PveError as error:
                extras = {"error": error.reason}
                self._audit.write(ctid, what, "failed", level="WARNING", extras=extras)

    def _list(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        return creations.tasks(self._client(), self._node, query)
