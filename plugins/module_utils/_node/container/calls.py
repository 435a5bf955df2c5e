# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the calls of a plan to PVE: waits for locks and workers, and for what a call has set going."""

from __future__ import annotations

from typing import Any, Callable

from ..._core.container.cluster import affinity, availability, firewall_changes
from ..._core.container.desired import HIDDEN, PASSWORD
from ..._core.container.harules import RESOURCES
from ..._core.container.model import Entry, Observation, Wanted
from ..._core.pve.apicalls import FIREWALL, Call, Kind, container_path, words
from ..._core.pve.fwfile import Rule, rule_of_answer
from ..pve.client import (
    AlreadyRunningError,
    Client,
    LockedError,
    LostAnswerError,
    MissingError,
    NotRunningError,
    PveError,
    StaleConfigError,
)
from ..pve.tasks import handed_to_ha, held_by, is_upid, started, wait_task, with_lock_wait
from ..store import Store
from ..waiting import Deadline, looks, never
from . import turns
from .conf.observe import Observer
from .past import creations, identity

# The refusals which say that the goal of a call has been reached already.
ALREADY: dict[Kind, type[PveError]] = {
    Kind.START: AlreadyRunningError,
    Kind.STOP: NotRunningError,
    Kind.SHUTDOWN: NotRunningError,
}


class Calls:
    """The calls of one run. ``rules``: the firewall's, as the calls of the step under way leave them.

    ``lost``: the write whose answer was lost.
    """

    def __init__(
        self,
        observer: Observer,
        client: Callable[[], Client],
        store: Store,
        lock_wait: float,
        task_timeout: float,
        check_lease: Callable[[], None],
        folder: str,
        password: str = "",
    ) -> None:
        self._folder = folder
        self._password = password  # for the call that creates, and for nothing else
        self._observer = observer
        self._client = client
        self._store = store
        self._lock_wait = lock_wait
        self._task_timeout = task_timeout
        self._guard = check_lease
        self.rules: tuple[Rule, ...] = ()
        self.lost: Entry | None = None
        self._converted: str | None = None  # the newest conversion to a template before the call for one

    def make(self, wanted: Wanted, entry: Entry, seen: Observation) -> list[str]:
        """Make one call and wait for its end; a clone waits for its turn at the source first. Returns warnings.

        Raises PveError.
        """
        call = entry.call
        if call is None:
            raise ValueError(f"{entry.what} is no call to PVE")
        if call.kind is not Kind.CLONE:
            return self._make(wanted, entry, call, seen)
        source = call.ctid
        waits, at_work = (self._task_timeout, self._lock_wait), self._turns(source)
        with turns.turn(self._folder, source, self._lock_of, entry.what, waits, self._guard, at_work):
            creating = self._store.load(wanted.ctid).creating
            if creating is not None:
                # The worker of this clone is the first one after this: a killed run is found by it.
                newest = self._list({"vmid": source, "typefilter": "vzclone", "source": "all", "limit": 1})
                after = str(newest[0].get("upid")) if newest else ""
                self._store.update_record(wanted.ctid, creating={**creating, "after": after})
            return self._make(wanted, entry, call, seen)

    def _lock_of(self, ctid: int) -> str | None:
        """PVE's lock in a container's config, read from the file: a look costs no call."""
        conf, _digest = self._observer.read_conf(ctid)
        return conf.head.get("lock") if conf is not None else None

    def _make(self, wanted: Wanted, entry: Entry, call: Call, seen: Observation) -> list[str]:
        params = dict(call.params)
        if params.get(PASSWORD) == HIDDEN:
            if not self._password:
                raise PveError(call.what, 0, "the configuration has a root_password, and this run was not given it")
            params[PASSWORD] = self._password
        if call.kind is Kind.CONFIG and seen.digest:
            params["digest"] = seen.digest  # refused when somebody changed it since we looked
        if call.kind in (Kind.RULE_CHANGE, Kind.RULE_DELETE):
            params["digest"] = self._rules_digest(wanted)
        if call.kind is Kind.HA_RULE:
            ruled = self._rule(call)
            if ruled is None:
                return []  # somebody did it since we looked
            params = ruled
        self._converted = self._newest_conversion(wanted) if call.kind is Kind.TEMPLATE else None
        try:
            # A worker may be the one to meet the lock (PVE facts, 'HTTP answers'), so its end is part of the attempt.
            warnings: list[str] = with_lock_wait(
                lambda: self._follow(wanted, call, self._send(wanted, call, params), seen),
                self._lock_wait,
                self._guard,
                self._turns(call.ctid) if call.kind is Kind.CLONE else never,
            )
            return warnings
        except LostAnswerError:
            self.lost = entry
            raise
        except PveError as error:
            # Another user, or the worker of an earlier, killed run, got there between our look and the call.
            gone = call.kind is Kind.DESTROY and isinstance(error, MissingError)
            gone = gone and self._observer.read_conf(wanted.ctid)[0] is None
            if isinstance(error, LockedError):
                raise held_by(self._client(), self._observer.node, call.ctid, error, self._lock_wait) from None
            if not gone and not isinstance(error, ALREADY.get(call.kind, ())):
                raise
            return []

    def _send(self, wanted: Wanted, call: Call, params: dict[str, Any]) -> Any:
        """One call; nothing that changes a container is asked of PVE before that is known to be ours still."""
        if call.ctid == wanted.ctid and call.kind is not Kind.CREATE:
            identity.ensure_ours(self._observer.read_conf, wanted.ctid, self._store)
        return self._client().request(call.method, call.path, params)

    def _turns(self, source: int) -> Callable[[], bool]:
        """Whether the workers of a clone source still take turns at its lock; each turn can take long.

        A lock under which no worker runs, and none has run since the last look, is what a dead one left.
        """
        last = ""

        def look() -> bool:
            nonlocal last
            newest = next(iter(self._list({"vmid": source, "source": "all", "limit": 1})), {})
            before, last = last, str(newest.get("upid", ""))
            return last != before or (bool(newest) and not newest.get("endtime"))

        return look

    def _rules_digest(self, wanted: Wanted) -> str:
        """The digest under which the positions of the plan hold. Raises PveError when the rules are others by now."""
        path = f"{container_path(self._observer.node, wanted.ctid)}/firewall/rules"
        answer = self._client().request("GET", path) or []
        if tuple(map(rule_of_answer, answer)) != self.rules:
            words = "detected modified configuration - its rules are not those of the file"
            raise StaleConfigError(f"GET {path}", 0, words)
        return str(answer[0].get("digest", ""))

    def _rule(self, call: Call) -> dict[str, Any] | None:
        """The parameters that change one resource of a rule as it is now, None where nothing is left to change."""
        rule = self._client().request("GET", call.path)
        there = words(rule.get(RESOURCES))
        after = affinity.resources(there, str(call.params[RESOURCES]))
        if after == there:
            return None
        # Refused when any rule was changed meanwhile: then the run looks again.
        return {"type": rule.get("type"), RESOURCES: ",".join(after), "digest": rule.get("digest")}

    def _follow(self, wanted: Wanted, call: Call, answer: Any, seen: Observation) -> list[str]:
        """Wait for what a call has set going. Returns the worker's warnings."""
        if call.kind in FIREWALL:
            self.rules = firewall_changes.follow(self.rules, call)
        warnings = []
        if is_upid(answer):
            creating = self._store.load(wanted.ctid).creating
            if creating is not None:
                self._store.update_record(wanted.ctid, creating={**creating, "upid": answer})
            warnings = wait_task(
                self._client(), self._observer.node, answer, call.what, self._task_timeout, self._guard
            )
            if call.kind is Kind.ROLLBACK and call.params.get("start"):
                warnings += self._await_nested_start(wanted, call, answer)
            if handed_to_ha(answer):
                self._await_ha(wanted, call, running=call.kind is Kind.START)
        if availability.halts(call):
            self._await_ha(wanted, call, running=False)
        if call.kind is Kind.TEMPLATE:
            self._await_template(wanted)
            self._store.update_record(wanted.ctid, ledger=seen.ledger)  # nobody can look into a template
        return warnings

    def _await_nested_start(self, wanted: Wanted, of: Call, rollback: str) -> list[str]:
        """A rollback ends while the start that it has set going still holds the guest's migration lock.

        Returns the start's warnings. Raises PveError with its log when it failed.
        """
        warnings = []
        for task in self._list({"vmid": wanted.ctid, "source": "all", "typefilter": "vzstart", "limit": 1}):
            upid = str(task.get("upid"))
            if started(upid) < started(rollback):
                continue
            call = f"{of.what}, its start"
            warnings += wait_task(self._client(), self._observer.node, upid, call, self._task_timeout, self._guard)
        return warnings

    def _await_ha(self, wanted: Wanted, call: Call, running: bool) -> None:
        """The task of a guest that HA manages ends with the request; the HA manager acts on it seconds later."""
        for _look in looks(Deadline(self._lock_wait)):
            self._guard()
            if self._observer.is_running(wanted.ctid) == running:
                return
        words = f"the HA manager has not {'started' if running else 'stopped'} it in {self._lock_wait:.0f} s"
        raise PveError(call.what, 200, words)

    def _await_template(self, wanted: Wanted) -> None:
        """The conversion forks a worker without naming it (PVE facts, 'Tasks'): the task list does, the config tells.

        Raises PveError with the worker's log when it failed.
        """
        call = f"POST /nodes/{self._observer.node}/lxc/{wanted.ctid}/template"
        for _look in looks(Deadline(self._task_timeout)):
            self._guard()
            conf, _digest = self._observer.read_conf(wanted.ctid)
            if conf is not None and conf.head.get("template") == "1" and not conf.head.get("lock"):
                return
            upid = self._newest_conversion(wanted)
            if upid is not None and upid != self._converted:
                wait_task(self._client(), self._observer.node, upid, call, self._task_timeout, self._guard)
        raise PveError(call, 200, f"the conversion to a template is not done after {self._task_timeout:.0f} s")

    def _newest_conversion(self, wanted: Wanted) -> str | None:
        query = {"vmid": wanted.ctid, "typefilter": "vztemplate", "source": "all", "limit": 1}
        return next((str(task.get("upid")) for task in self._list(query)), None)

    def _list(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        return creations.tasks(self._client(), self._observer.node, query)
