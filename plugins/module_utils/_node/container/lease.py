# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lease of a container: one run at a time.

A run that is alive is never displaced: it keeps its lease fresh with every module call, and while a module of it
works on the node or a command inside the container the kernel holds a lock for it (the busy file, which the connection
plugin holds too). An interrupted run is displaced at once when its own controller says that the process is gone, else
after two minutes. What it left running inside the container is ended (leftovers.py). A module on the node outlives its
controller and is awaited: it looks at the lease before each call and while it waits, and stops when the lease is
another's. A displaced run never gets the lease again
(fence.py): one that was stopped, displaced and continued changes nothing, although the lease is free by then.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat
from typing import Any

from .. import fence
from ..failure import NodeError
from ..guest.leftovers import Leftovers
from ..store import ROOT, lock_file, private_directory, read_private, remove, write_atomic
from ..waiting import Deadline, looks
from . import turns
from .conf import observe

STALE_AFTER = 120.0
BUSY = "/run/phoenix_hypervisor"
# The options of the modules that take it, in the form of Ansible's argument_spec.
LEASE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "run": {"type": "dict", "default": {}},
    "dead_runs": {"type": "list", "elements": "str", "default": []},
}


class LeaseHeldError(NodeError):
    """Another run has the container. ``holder`` is its identity."""

    def __init__(self, ctid: int, holder: Mapping[str, Any]) -> None:
        self.holder = dict(holder)
        super().__init__(
            f"container {ctid} is being worked on by run {holder.get('id')} of {holder.get('user')} on "
            f"{holder.get('controller')} since {holder.get('since')}",
            remedy=f"wait for it to end, or end it there (PID {holder.get('pid')})",
            holder=self.holder,
        )


class LeaseBusyError(NodeError):
    """The processes that an interrupted run left in the container do not end."""


class LeaseLostError(NodeError):
    """Another run has taken the container over, since this one gave no sign of life."""

    def __init__(self, ctid: int, by: str | None, since: str | None = None) -> None:
        if by is None:
            text = f"the lease of container {ctid} is gone: somebody removed it during this run; start the run again"
        else:
            at = f" at {since}" if since else ""
            text = (
                f"run {by} has taken container {ctid} over{at}, because this run was stopped or its controller was "
                f"gone; this run changes nothing there any more; start it again when run {by} has ended"
            )
        super().__init__(text)


class Leases:
    """The leases of one node."""

    def __init__(self, root: str = ROOT, busy: str = BUSY) -> None:
        self._root = root
        self._directory = os.path.join(root, "leases")
        self._busy = busy

    def _path(self, ctid: int) -> str:
        return os.path.join(self._directory, f"{ctid}.json")

    @contextmanager
    def _guard(self) -> Iterator[None]:
        private_directory(os.path.dirname(self._directory))
        private_directory(self._directory)
        handle = lock_file(os.path.join(self._directory, ".lock"), os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def holder(self, ctid: int) -> dict[str, Any] | None:
        """Who has the container, or None."""
        try:
            data = json.loads(read_private(self._path(ctid)) or "null")
        except (ValueError, RecursionError):
            return None
        return data if isinstance(data, dict) and data.get("id") else None

    def has(self, ctid: int, run: Mapping[str, Any]) -> bool:
        """Whether a run has the lease and gives signs of life."""
        holder = self.holder(ctid)
        return holder is not None and holder["id"] == run["id"] and self._alive(ctid, holder)

    def acquire(self, ctid: int, run: Mapping[str, Any], dead: list[str], busy_timeout: float = 600.0) -> str | None:
        """Take or refresh the lease. ``dead`` are runs that their controller knows to be gone.

        Returns the id of the run that was displaced, if any. Raises LeaseHeldError, LeaseBusyError, LeaseLostError.
        """
        with self._guard():
            self.refuse_displaced(ctid, run)
            holder = self.holder(ctid)
            foreign = holder is not None and holder["id"] != run["id"]
            if foreign and holder is not None and holder["id"] not in dead and self._alive(ctid, holder):
                raise LeaseHeldError(ctid, holder)
            since = time.strftime("%Y-%m-%dT%H:%M:%S%z") if foreign or holder is None else holder.get("since")
            if foreign and holder is not None:
                # Before the lease is written: a kill in between leaves the run fenced that was taken for dead.
                fence.note(self._root, ctid, holder["id"], run["id"])
            fresh = {**run, "since": since, "boot_of_node": observe.node_boot(), "beat": time.monotonic()}
            write_atomic(self._path(ctid), json.dumps(fresh, sort_keys=True) + "\n")
        if not foreign or holder is None:
            return None
        self._await_idle(ctid, str(holder["id"]), busy_timeout)
        return str(holder["id"])

    def release(self, ctid: int, run: Mapping[str, Any]) -> None:
        """Give the lease back, when it is still ours."""
        with self._guard():
            holder = self.holder(ctid)
            if holder is not None and holder["id"] == run["id"]:
                os.unlink(self._path(ctid))

    def check(self, ctid: int, run: Mapping[str, Any]) -> None:
        """Raise LeaseLostError unless the lease is still this run's."""
        self.refuse_displaced(ctid, run)
        holder = self.holder(ctid) or {}
        if holder.get("id") != run["id"]:
            raise LeaseLostError(ctid, holder.get("id"), holder.get("since"))

    def refuse_displaced(self, ctid: int, run: Mapping[str, Any]) -> None:
        """Raise LeaseLostError when another run has displaced this one, whoever has the lease by now."""
        found = fence.displacer(self._root, ctid, run["id"])
        if found is not None:
            raise LeaseLostError(ctid, *found)

    @contextmanager
    def working(self, ctid: int, run: Mapping[str, Any], dead: list[str]) -> Iterator[str | None]:
        """Take or refresh the lease for a block of work, whose end whoever displaces this run awaits.

        Yields the id of the run that was displaced, if any.
        The lease outlives the block: it is the run's. Raises LeaseHeldError, LeaseBusyError, LeaseLostError.
        """
        displaced = self.acquire(ctid, run, dead)
        with self.busily(ctid):
            self.check(ctid, run)  # displaced before it was busy: nobody awaits it
            yield displaced

    @contextmanager
    def busily(self, ctid: int) -> Iterator[None]:
        """A block of work of a run that has the lease, during which the lease doesn't grow old.

        Call refuse_displaced inside of it: from then on, whoever displaces the run awaits the block's end.
        """
        private_directory(self._busy)
        handle = lock_file(os.path.join(self._busy, f"{ctid}.busy"), os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield
        finally:
            os.close(handle)

    def forget(self, ctid: int) -> None:
        """Remove the lock files of a container that is gone. For the run that has the lease: nobody else uses them."""
        remove(os.path.join(self._busy, f"{ctid}.busy"))
        remove(turns.path(self._busy, ctid))

    def _alive(self, ctid: int, holder: Mapping[str, Any]) -> bool:
        """Whether a run elsewhere may live: the node's monotonic clock decides, which nobody can set back."""
        if holder.get("boot_of_node") != observe.node_boot():
            return False
        beat = holder.get("beat")
        age = time.monotonic() - beat if isinstance(beat, (int, float)) else STALE_AFTER + 1
        return age < STALE_AFTER or self._is_busy(ctid)

    def _is_busy(self, ctid: int) -> bool:
        """Whether a module on the node, or a command inside the container, works on it."""
        path = os.path.join(self._busy, f"{ctid}.busy")
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except OSError:
            return True
        finally:
            os.close(handle)

    def _await_idle(self, ctid: int, displaced: str, timeout: float) -> None:
        """Wait until nothing runs. What the displaced run left inside the container is ended."""
        left = Leftovers(os.path.join(self._busy, f"{ctid}.busy"), displaced)
        for _look in looks(Deadline(timeout), repeat(0.2)):
            if not self._is_busy(ctid):
                return
            left.end()
        raise LeaseBusyError(
            f"processes left by an interrupted run on container {ctid} still run after {timeout:.0f} s",
            remedy=f"look at them (pct exec {ctid} -- ps axf, and fuser -v {self._busy}/{ctid}.busy) and end them, or "
            "wait",
        )
