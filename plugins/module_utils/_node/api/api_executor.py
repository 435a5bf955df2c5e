# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Executes the planner's steps by calls to the API alone. What needs the node or the inside is refused beforehand."""

from __future__ import annotations

from typing import Callable

from ..._core.container.model import Entry, Observation, Wanted
from ..container.executor import Executor
from ..container.outcome import Outcome
from ..failure import NodeError
from ..waiting import Deadline, until
from .api_observer import ApiObserver


class ApiExecutor(Executor):
    """Drives one container by a token."""

    def _edit(self, wanted: Wanted, entry: Entry, seen: Observation) -> None:
        """The instance id is in the description as soon as the record is; other lines are root's."""
        if entry.what != "mark":
            raise NodeError(f"container {wanted.ctid}: the API writes no raw lines")

    def _settle_ledger(self, wanted: Wanted, entry: Entry, seen: Observation) -> None:
        """A ledger that has nothing to say is not written; any other has been refused."""

    def _await_ready(self, wanted: Wanted, outcome: Outcome, booted: Callable[[], None]) -> None:
        """Wait until a started container has its address, as far as PVE shows it."""
        observer, awaits = self._observer, wanted.desired.awaits
        if not isinstance(observer, ApiObserver):
            raise TypeError("an executor by the API needs an observer by the API")
        booted()
        if awaits and not until(lambda: observer.address(wanted.ctid) is not None, Deadline(self._ready_timeout)):
            outcome.warnings.append(
                f"container {wanted.ctid} started, but after {self._ready_timeout:.0f} s it has no {awaits} address"
            )
