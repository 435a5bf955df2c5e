# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Executes the planner's steps by calls to the API alone. What needs the node or the inside is refused beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ..._core.container import states
from ..._core.container.applied import ledger as ledgers
from ..._core.container.model import Entry, Observation, Record, Step, Wanted
from ..._core.pve.apicalls import FIREWALL, Kind
from ..container.executor import Executor
from ..container.outcome import Outcome
from ..failure import NodeError
from ..guest import guest
from ..waiting import Deadline, until
from .api_observer import ApiObserver
from .guest_ssh import SshWay

_OWN = frozenset({Kind.CONFIG, Kind.RESIZE, *FIREWALL})  # calls that no answer about all guests shows


class ApiExecutor(Executor):
    """Drives one container by a token. Its observer knows the way inside, if there is one."""

    @property
    def _api(self) -> ApiObserver:
        if not isinstance(self._observer, ApiObserver):
            raise TypeError("an executor by the API needs an observer by the API")
        return self._observer

    def look(self, wanted: Wanted) -> tuple[Observation, Record]:
        """Observation and record of the container, now. Raises GuestError where its inside is lost in the midst of it.

        What is applied inside would count as not applied.
        """
        seen, record = super().look(wanted)
        inside = wanted.ctid in self._api.entered and states.rank(wanted.target) > states.rank(states.RUNNING)
        if inside and not (self._dry or wanted.recreate) and seen.running and seen.boot is None and record.ours:
            raise guest.GuestError(str(seen.ledger_error or "it does not answer"))
        return seen, record

    def await_creation(self, wanted: Wanted) -> None:
        """Wait for a creation that a killed run has left running: it would look like one that was interrupted."""
        self._recall.creation(wanted, check=True, waits=True)

    def _entry(self, wanted: Wanted, step: Step, entry: Entry, seen: Observation, outcome: Outcome) -> None:
        super()._entry(wanted, step, entry, seen, outcome)
        if entry.call is not None and entry.call.kind not in _OWN:
            self._api.forget()

    def _edit(self, wanted: Wanted, entry: Entry, seen: Observation) -> None:
        """The instance id is in the description as soon as the record is; other lines are root's."""
        if entry.what != "mark":
            raise NodeError(f"container {wanted.ctid}: the API writes no raw lines")

    def _settle_ledger(self, wanted: Wanted, entry: Entry, seen: Observation) -> None:
        """Where nobody enters, a ledger that has nothing to say is not written; any other has been refused."""
        if self._api.way is not None and wanted.ctid in self._api.entered:
            super()._settle_ledger(wanted, entry, seen)

    def _write_ledger(self, ctid: int, book: Mapping[str, Any]) -> None:
        guest.write_ledger(ctid, ledgers.dump(book), self._way(ctid))

    def _renew_identity(self, ctid: int) -> None:
        way = self._way(ctid)
        guest.renew_identity(ctid, way)
        way.forget(ctid)
        self._store.update_record(ctid, host_key=None)

    def _way(self, ctid: int) -> SshWay:
        if self._api.way is None:
            raise NodeError(f"container {ctid}: nothing inside it is within reach of an API token")
        self._api.reach(ctid)
        return self._api.way

    def note_host_key(self, ctid: int) -> None:
        """Put the host key that answered first on record: no other one is accepted from then on."""
        record = self._store.load(ctid)
        key = self._api.way.key(ctid) if self._api.way is not None else None
        if key and record.ours and not record.identity_due and record.host_key != key:
            self._store.update_record(ctid, host_key=key)

    def _await_ready(self, wanted: Wanted, outcome: Outcome, booted: Callable[[], None]) -> None:
        """Wait until a started container has its address, as far as PVE shows it, and lets a run in that enters it.

        Raises GuestError where it does not let it in.
        """
        observer, awaits, ctid = self._api, wanted.desired.awaits, wanted.ctid
        booted()
        if observer.way is not None and self._store.load(ctid).host_key is None:
            observer.way.forget(ctid)  # that of a container which this very run has replaced
        enters = observer.way is not None and (ctid in observer.entered or self._store.load(ctid).identity_due)
        told = ""

        def ready() -> bool:
            nonlocal told
            if not enters:
                told = f"it has no {awaits} address"
                return observer.address(ctid) is not None
            view = guest.look(ctid, way=self._way(ctid))
            told = view.error or "it gives no answer"
            return view.boot is not None

        if not (awaits or enters) or until(ready, Deadline(self._ready_timeout)):
            if enters:
                self.note_host_key(ctid)
        elif enters:
            raise guest.GuestError(f"after {self._ready_timeout:.0f} s nobody is let in: {told}")
        else:
            outcome.warnings.append(f"container {ctid} started, but after {self._ready_timeout:.0f} s {told}")
