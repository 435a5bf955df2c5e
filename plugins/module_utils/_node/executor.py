# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Executes the planner's steps on the node, and observes and plans again after each one."""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import replace
from typing import Any, Callable

from .._core import firewall_changes, guard, instance, planner, states, wayback
from .._core import ledger as ledgers
from .._core.firewall import Rule, rule_of_answer
from .._core.model import Entry, Observation, Plan, Record, Step, Wanted
from . import creations, guest, identity, recording
from .audit import Audit
from .client import Client, LostAnswerError, PveError
from .conf_edit import LOCKS, edit_raw_lines
from .observe import Observer, conf_path, read_conf
from .outcome import Outcome, StepError
from .store import Store, StoreError
from .tasks import handed_to_ha, is_upid, nothing, pauses, started, wait_task, with_lock_wait

MAX_STEPS = 40
# How often a run looks and plans again in its midst, after growing pauses in seconds: somebody changes the config, or
# the answer to a write was lost with a control plane that restarts.
AGAIN = (0.2, 0.5, 1.0, 2.0, 4.0)
# What PVE says when the goal of a call has been reached already.
ALREADY = {"/status/start": "already running", "/status/shutdown": "not running"}
MISSING = "does not exist"  # of a container whose destruction had been asked for already
# Only these wait for a worker; the time-outs are in seconds and generous, since a template may be large.
TASK_TIMEOUT = 3600.0


def node_command(what: str) -> None:
    """Run ``pct`` for what the API can't do. Raises PveError with its words."""
    try:
        done = subprocess.run(["pct", *what.split()], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise PveError(f"pct {what}", 0, str(error)) from None
    if done.returncode:
        raise PveError(f"pct {what}", 0, done.stderr.strip() or f"exit code {done.returncode}")


def _is_stale(cause: BaseException | None) -> bool:
    return isinstance(cause, PveError) and "detected modified configuration" in cause.reason


class Executor:
    """Drives one container on its node."""

    def __init__(
        self,
        observer: Observer,
        store: Store,
        audit: Audit,
        connect: Callable[[], Client],
        run: str,
        lock_wait: float = 120.0,
        task_timeout: float = TASK_TIMEOUT,
        ready_timeout: float = 60.0,
        locks: str = LOCKS,
        guard: Callable[[], None] = nothing,
    ) -> None:
        self._locks = locks
        self._guard = guard  # raises when another run has taken the container over
        self._observer = observer
        self._store = store
        self._audit = audit
        self._connect = connect
        self._client: Client | None = None
        self._run = run
        self._lock_wait = lock_wait
        self._task_timeout = task_timeout
        self._ready_timeout = ready_timeout
        self._found: dict[int, str] = {}
        self._later: dict[int, str] = {}
        self._rolled_back: set[int] = set()  # in check mode, which records nothing
        self._lost: Entry | None = None  # the write whose answer was lost
        self._converted: str | None = None  # the newest conversion to a template before the call for one
        self._rules: tuple[Rule, ...] = ()  # the firewall's, as the calls of the step under way leave them

    @property
    def client(self) -> Client:
        """The control plane, opened with the first call: a settled container needs none."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    def look(self, wanted: Wanted) -> tuple[Observation, Record]:
        """Observation and record of the container, now."""
        record = self._store.load(wanted.ctid)
        if record.creating is not None and not record.creating.get("upid") and wanted.ctid in self._found:
            record = replace(record, creating={**record.creating, "upid": self._found[wanted.ctid]})
        if wanted.ctid in self._rolled_back and guard.stage(record) in (guard.OPEN, guard.BACK):
            record = wayback.remembered(record)
        source = wanted.config.get("clone_from_ctid")
        ident = None if source is None else int(source)
        source_record = None if ident is None else self._store.load(ident)
        clones = wanted.recreate or wanted.target == states.ABSENT
        seen = self._observer.observe(wanted.ctid, ident, record, source_record=source_record, clones=clones)
        seen = replace(seen, later_task=self._later.get(wanted.ctid))
        seen = identity.recall(lambda: self.client, self._observer.node, seen, record)
        if wanted.source is not None:
            above, record_above = self.look(wanted.source)
            seen = planner.below(seen, above, planner.plan(wanted.source, above, record_above))
        return seen, record

    def _look_again(self, wanted: Wanted) -> tuple[Observation, Record]:
        """After a step: what it changed of what the container is recognized by is noted."""
        seen, record = self.look(wanted)
        identity.refresh(seen, self._store)
        return seen, self._store.load(wanted.ctid) if record.creating is None else record

    def recall_creation(self, wanted: Wanted, check: bool) -> None:
        """When an earlier, killed run began to create this container, find its worker and wait for it.

        It is adopted, not repeated. Check mode finds it too, and doesn't wait.
        """
        record = self._store.load(wanted.ctid)
        if record.creating is None:
            return
        upid = record.creating.get("upid") or creations.find(self.client, self._observer.node, wanted, record)
        if not upid:
            return
        self._found[wanted.ctid] = str(upid)
        if check:
            self._later.update(creations.later(self.client, self._observer.node, wanted.ctid, str(upid)))
            return
        self._store.update_record(wanted.ctid, creating={**record.creating, "upid": str(upid)})
        try:
            what = "the creation of an earlier run"
            wait_task(self.client, self._observer.node, str(upid), what, self._task_timeout, self._guard)
        except PveError as error:
            # Failed or vanished with the node's reboot: the observation decides what is left to do.
            extras = {"error": error.reason}
            self._audit.write(wanted.ctid, "creation of an earlier run", "failed", level="WARNING", extras=extras)
        self._later.update(creations.later(self.client, self._observer.node, wanted.ctid, str(upid)))

    def recall_rollback(self, wanted: Wanted, check: bool) -> None:
        """When the container was rolled back under an open change, by a run that was cut off or by hand, remember it.

        Check mode finds it too, and doesn't wait for a rollback that is still at work.
        """
        record = self._store.load(wanted.ctid)
        if guard.stage(record) not in (guard.OPEN, guard.BACK):
            return
        newest = self._newest_rollback(wanted.ctid)
        if not newest or newest["upid"] == (record.guarding or {}).get("last_rollback", ""):
            return
        if newest.get("endtime") or not check:
            try:
                what = "the rollback under a guarded change"
                wait_task(self.client, self._observer.node, newest["upid"], what, self._task_timeout, self._guard)
            except PveError as error:
                extras = {"error": error.reason}
                self._audit.write(wanted.ctid, what, "failed", level="WARNING", extras=extras)
                return
        if check:
            self._rolled_back.add(wanted.ctid)
            return
        self._await_workers(wanted.ctid)  # the start that it has set going
        known = wayback.remembered(record)
        self._guard()
        self._store.write_word(wanted.ctid, states.COMPLETED)
        values = {**wayback.values_of(known), "guarding": known.guarding, "raw_boot": None, "checked_boot": None}
        self._store.update_record(wanted.ctid, **values)

    def _newest_rollback(self, ctid: int) -> dict[str, Any]:
        query = {"vmid": ctid, "typefilter": "vzrollback", "source": "all", "limit": 1}
        return next(iter(self._tasks(query)), {})

    def _await_workers(self, ctid: int) -> None:
        """Wait for the workers that a killed run left at work on the container; what they reached is looked at then."""
        for task in self._tasks({"vmid": ctid, "source": "active", "limit": 20}):
            upid = str(task.get("upid"))
            try:
                what = f"{task.get('type')} of an earlier run"
                wait_task(self.client, self._observer.node, upid, what, self._task_timeout, self._guard)
            except PveError as error:
                extras = {"error": error.reason}
                self._audit.write(ctid, what, "failed", level="WARNING", extras=extras)

    def _tasks(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        return creations.tasks(self.client, self._observer.node, query)

    def run(self, wanted: Wanted, check: bool = False, resumes: bool = False) -> Outcome:
        """Plan; in check mode return that plan, else execute it up to the first step that the play does.

        ``resumes``: an earlier run on the container was killed; its workers may still be at work.
        """
        if resumes:
            self._await_workers(wanted.ctid)
        self.recall_creation(wanted, check)
        self.recall_rollback(wanted, check)
        seen, record = self.look(wanted)
        plan = planner.plan(wanted, seen, record)
        outcome = Outcome(first=plan, last=plan, seen=seen)
        if check or plan.error:
            return outcome
        wanted = guard.settled(wanted, record, plan)
        again = iter(AGAIN)
        for _turn in range(MAX_STEPS):
            step = plan.steps[0] if plan.steps else None
            if step is None or step.by_play or plan.error:
                break
            try:
                self._step(wanted, step, plan.state, seen, outcome)
                again = iter(AGAIN)
            except StepError as failure:
                pause = next(again, None)
                if pause is None or not (_is_stale(failure.__cause__) or self._lost is not None):
                    raise
                time.sleep(pause)
                self._recover(wanted, failure)
                step = None  # look and plan again
            seen, record = self._look_again(wanted)
            plan = planner.plan(wanted, seen, record)
            self._account(plan, outcome)
            outcome.last, outcome.seen = plan, seen
            if step and plan.steps and plan.steps[0].kind == step.kind and plan.steps[0].entries == step.entries:
                calls = ", ".join(entry.what for entry in step.entries if entry.op == "pve")
                words = "PVE accepted it, but the container looks the same as before"
                error = PveError(calls or step.kind, 200, words)
                raise StepError(wanted.ctid, step, plan.state, error, outcome.journal)
        return outcome

    def _recover(self, wanted: Wanted, failure: StepError) -> None:
        """Before the next look: a write whose answer was lost may be at work still. Raises the failure itself."""
        if self._lost is None:
            return
        try:
            self.client.request("GET", "/version")
            self._await_workers(wanted.ctid)
            self.recall_creation(wanted, check=False)
        except PveError:
            raise failure from failure.__cause__  # the control plane isn't back

    def _account(self, plan: Plan, outcome: Outcome) -> None:
        """A write whose answer was lost belongs to the journal when the plan has it no more."""
        lost, self._lost = self._lost, None
        if lost is not None and not any(lost in step.entries for step in plan.steps):
            outcome.journal.append(lost.as_dict())

    def _step(self, wanted: Wanted, step: Step, state: str, seen: Observation, outcome: Outcome) -> None:
        before = self._store.load(wanted.ctid).word or states.DEFINED
        event = f"{before}->{step.goes_to}" if step.goes_to and step.goes_to != before else step.kind
        extras = {"step": step.kind}
        self._audit.write(wanted.ctid, event, "begin", extras=extras)
        started = time.monotonic()
        self._rules = seen.firewall.rules
        try:
            for entry in step.entries:
                self._entry(wanted, step, entry, seen, outcome)
            if step.kind in ("start", "restart", wayback.KIND):
                self._await_ready(wanted, outcome)
        except Exception as error:
            seconds = time.monotonic() - started
            with contextlib.suppress(StoreError):  # where the disk is full, what failed is still to be told
                told = {**extras, "error": str(error)[:2000]}
                self._audit.write(wanted.ctid, event, "failed", seconds, "ERROR", told)
            raise StepError(wanted.ctid, step, state, error, outcome.journal) from error
        self._audit.write(wanted.ctid, event, "ok", time.monotonic() - started, extras=extras)
        outcome.done.append(step.kind)

    def _entry(self, wanted: Wanted, step: Step, entry: Entry, seen: Observation, outcome: Outcome) -> None:
        self._guard()
        if entry.op == "pve":
            outcome.warnings += self._call(wanted, entry, seen)
        elif entry.op == "conf":
            self._edit(wanted, entry, seen)
        elif entry.op == "ledger":
            self._ensure_ours(wanted)
            self._believe(wanted, entry, seen)
        elif entry.op == "guest":
            self._ensure_ours(wanted)
            guest.renew_identity(wanted.ctid)
        elif entry.op == "pct":
            node_command(entry.what)
        elif entry.what == "state":
            self._store.write_word(wanted.ctid, str(entry.params["word"]))
        elif entry.what == "forget":
            self._store.forget(wanted.ctid)
        else:
            known = self._store.read_record(wanted.ctid)
            conf = read_conf(self._observer.node, wanted.ctid, self._observer.pve)[0] or seen.conf
            # A rollback other than this one, later, is one under the change.
            opens = entry.params.get("guarding") == guard.OPEN
            last = str(self._newest_rollback(wanted.ctid).get("upid", "")) if opens else ""
            values = recording.values(entry.params, self._run, known, conf, last)
            self._store.update_record(wanted.ctid, **values)
        outcome.journal.append(entry.as_dict())

    def _edit(self, wanted: Wanted, entry: Entry, seen: Observation) -> None:
        """Edit the config's file, for what the API can't write."""
        node, pve = self._observer.node, self._observer.pve
        if entry.what == "mark":
            digest = "" if self._store.load(wanted.ctid).creating is not None else seen.digest
            place = (node, wanted.ctid, self._store, digest, self._locks, pve)
            with_lock_wait(lambda: identity.write_marker(*place), self._lock_wait, self._guard)
            return
        lines = {key: [(str(line[0]), str(line[1])) for line in entry.params[key]] for key in ("add", "remove")}
        path = conf_path(node, wanted.ctid, pve)
        edit_raw_lines(path, wanted.ctid, seen.digest, lines["add"], lines["remove"], self._locks)

    def _ensure_ours(self, wanted: Wanted) -> None:
        """Raise ForeignError when another container has taken the CTID since the plan was made."""
        identity.ensure_ours(self._observer.node, wanted.ctid, self._store, self._observer.pve)

    def _send(self, wanted: Wanted, method: str, path: str, params: dict[str, Any]) -> Any:
        """One call; nothing that changes a container is asked of PVE before that is known to be ours still."""
        if f"{path}/".partition("/lxc/")[2].partition("/")[0] == str(wanted.ctid):
            self._ensure_ours(wanted)
        return self.client.request(method, path, params)

    def undo(self, wanted: Wanted) -> tuple[str, list[dict[str, Any]]]:
        """After the failure of a guarded change: (what became of it, in words; the journal). ('', []) for any other."""
        seen, record = instance.settle(*self.look(wanted))
        if not guard.is_kept(seen, record):
            return "", []
        plan = planner.plan(wanted, seen, record)
        if not guard.is_to_go_back(wanted, record, plan):
            return f"What was there before the change comes back with: {guard.command(wanted.ctid)}", []
        outcome = Outcome(first=plan, last=plan, seen=seen)
        self._step(wanted, wayback.step(wanted, record), plan.state, seen, outcome)
        return "What was there before the change is back (guard: rollback)", outcome.journal

    def _call(self, wanted: Wanted, entry: Entry, seen: Observation) -> list[str]:
        method, _space, path = entry.what.partition(" ")
        params = dict(entry.params)
        if method == "PUT" and path.endswith("/config") and seen.digest:
            params["digest"] = seen.digest  # refused when somebody changed it since we looked
        if "/firewall/rules/" in path:
            params["digest"] = self._rules_digest(path.rpartition("/")[0])
        self._converted = self._newest_conversion(wanted) if path.endswith("/template") else None
        try:
            # A worker may be the one to meet the lock (PVE facts, 'HTTP answers'), so its end is part of the attempt.
            warnings: list[str] = with_lock_wait(
                lambda: self._follow(wanted, entry, path, self._send(wanted, method, path, params), seen),
                self._lock_wait,
                self._guard,
                self._turns(path.split("/")[-2]) if path.endswith("/clone") else None,
            )
            return warnings
        except LostAnswerError:
            self._lost = entry
            raise
        except PveError as error:
            # Somebody else, or the worker of an earlier, killed run, got there between our look and the call.
            gone = method == "DELETE" and path.endswith(f"/lxc/{wanted.ctid}") and MISSING in error.reason
            gone = gone and read_conf(self._observer.node, wanted.ctid, self._observer.pve)[0] is None
            if error.locked:
                raise self._with_holder(error, path) from None
            if not gone and not any(path.endswith(end) and words in error.reason for end, words in ALREADY.items()):
                raise
            return []

    def _with_holder(self, error: PveError, path: str) -> PveError:
        """The refusal of a locked container, with who has it."""
        ctid = path.partition("/lxc/")[2].partition("/")[0] or path.rpartition("/")[2]
        try:
            active = self._tasks({"vmid": ctid, "source": "active", "limit": 5}) if ctid.isdigit() else []
        except PveError:
            active = []
        names = ", ".join(f"{task.get('type')} of {task.get('user')} ({task.get('upid')})" for task in active)
        words = f"{error.reason} - waited {self._lock_wait:.0f} s for {names or 'a lock that no task of PVE holds'}"
        return PveError(error.call, error.status, words, error.errors, error.log)

    def _turns(self, source: str) -> Callable[[], bool]:
        """Whether the workers of a clone source still take turns at its lock, each of which may take long.

        A lock under which no worker runs, and none has run since the last look, is what a dead one left.
        """
        last = ""

        def look() -> bool:
            nonlocal last
            newest = next(iter(self._tasks({"vmid": source, "source": "all", "limit": 1})), {})
            before, last = last, str(newest.get("upid", ""))
            return last != before or (bool(newest) and not newest.get("endtime"))

        return look

    def _rules_digest(self, path: str) -> str:
        """The digest under which the positions of the plan hold. Raises PveError when the rules are others by now."""
        answer = self.client.request("GET", path) or []
        if tuple(map(rule_of_answer, answer)) != self._rules:
            raise PveError(f"GET {path}", 0, "detected modified configuration - its rules are not those of the file")
        return str(answer[0].get("digest", ""))

    def _follow(self, wanted: Wanted, entry: Entry, path: str, answer: Any, seen: Observation) -> list[str]:
        """Wait for what a call has set going. Returns the worker's warnings."""
        if "/firewall/" in path:
            method, rest = entry.what.partition(" ")[0], path.partition("/firewall/")[2]
            self._rules = firewall_changes.follow(self._rules, method, rest, entry.params)
        warnings = []
        if is_upid(answer):
            creating = self._store.load(wanted.ctid).creating
            if creating is not None:
                self._store.update_record(wanted.ctid, creating={**creating, "upid": answer})
            warnings = wait_task(self.client, self._observer.node, answer, entry.what, self._task_timeout, self._guard)
            if path.endswith("/rollback") and entry.params.get("start"):
                warnings += self._await_nested_start(wanted, entry, answer)
            if handed_to_ha(answer):
                self._await_ha(wanted, entry, running=path.endswith("/start"))
        if path.endswith("/template"):
            self._await_template(wanted)
            self._store.update_record(wanted.ctid, ledger=seen.ledger)  # nobody can look into a template
        return warnings

    def _await_nested_start(self, wanted: Wanted, entry: Entry, rollback: str) -> list[str]:
        """A rollback ends while the start that it has set going still holds the guest's migration lock.

        Returns the start's warnings. Raises PveError with its log when it failed.
        """
        warnings = []
        for task in self._tasks({"vmid": wanted.ctid, "source": "all", "typefilter": "vzstart", "limit": 1}):
            upid = str(task.get("upid"))
            if started(upid) < started(rollback):
                continue
            call = f"{entry.what}, its start"
            warnings += wait_task(self.client, self._observer.node, upid, call, self._task_timeout, self._guard)
        return warnings

    def _await_ha(self, wanted: Wanted, entry: Entry, running: bool) -> None:
        """The task of a guest that HA manages ends with the request; the HA manager acts on it seconds later."""
        deadline = time.monotonic() + self._lock_wait
        for pause in pauses():
            self._guard()
            if self._observer.is_running(wanted.ctid) == running:
                return
            if time.monotonic() > deadline:
                words = f"the HA manager has not {'started' if running else 'stopped'} it in {self._lock_wait:.0f} s"
                raise PveError(entry.what, 200, words)
            time.sleep(pause)

    def _believe(self, wanted: Wanted, entry: Entry, seen: Observation) -> None:
        """Write a ledger that has the named features, and the application, as applied."""
        stamp = {"status": ledgers.APPLIED, "run": self._run, "at": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        book = dict(seen.ledger or ledgers.empty())
        believed = {
            str(feature["name"]): {**stamp, "digest": feature["digest"], "components": feature.get("components") or {}}
            for feature in wanted.features
            if feature["name"] in entry.params["features"]
        }
        book["features"] = {**book["features"], **believed}
        if wanted.application:
            own = {key: wanted.application[key] for key in ("name", "digest")}
            book["application"] = {**stamp, **own, "ctid": wanted.ctid, "boot": seen.boot}
        guest.write_ledger(wanted.ctid, ledgers.dump(book))
        self._store.update_record(wanted.ctid, ledger=book)

    def _await_template(self, wanted: Wanted) -> None:
        """The conversion forks a worker without naming it (PVE facts, 'Tasks'): the task list does, the config tells.

        Raises PveError with the worker's log when it failed.
        """
        call = f"POST /nodes/{self._observer.node}/lxc/{wanted.ctid}/template"
        deadline = time.monotonic() + self._task_timeout
        for pause in pauses():
            self._guard()
            conf, _digest = read_conf(self._observer.node, wanted.ctid, self._observer.pve)
            if conf is not None and conf.head.get("template") == "1" and not conf.head.get("lock"):
                return
            upid = self._newest_conversion(wanted)
            if upid is not None and upid != self._converted:
                wait_task(self.client, self._observer.node, upid, call, self._task_timeout, self._guard)
            if time.monotonic() > deadline:
                raise PveError(call, 200, f"the conversion to a template is not done after {self._task_timeout:.0f} s")
            time.sleep(pause)

    def _newest_conversion(self, wanted: Wanted) -> str | None:
        query = {"vmid": wanted.ctid, "typefilter": "vztemplate", "source": "all", "limit": 1}
        return next((str(task.get("upid")) for task in self._tasks(query)), None)

    def _await_ready(self, wanted: Wanted, outcome: Outcome) -> None:
        """Wait until a started container answers and has its address. Slow networks are told, not failed on."""
        network = wanted.config.get("network_config") or {}
        wants_address = bool(wanted.config.get("static_ip") or network.get("ip")) and network.get("ip") != "manual"
        deadline = time.monotonic() + self._ready_timeout
        for pause in pauses():
            if guest.is_ready(wanted.ctid, wants_address, self._observer.boot):
                return
            if time.monotonic() > deadline:
                outcome.warnings.append(
                    f"container {wanted.ctid} started, but after {self._ready_timeout:.0f} s "
                    f"{'it has no address' if wants_address else 'it gives no answer'}"
                )
                return
            time.sleep(pause)
