# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Executes the planner's steps on the node, and observes and plans again after each one."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Callable

from ..._core.container import states
from ..._core.container.applied import ledger as ledgers
from ..._core.container.guarding import guard, saved, wayback
from ..._core.container.known import instance
from ..._core.container.model import Entry, Observation, Plan, Record, Step, Wanted
from ..._core.container.plan import planner, updating
from ..._core.system.package_updates import Listed
from .. import madefolders
from ..audit import Audit
from ..guest import glance, guest, updates
from ..pve.client import Client, PveError, StaleConfigError, refused
from ..pve.tasks import nothing, with_lock_wait
from ..store import Store, StoreError
from ..waiting import CLOCK, Deadline, until
from . import proving, saving
from .calls import Calls
from .conf import backups
from .conf.conf_edit import LOCKS, edit_raw_lines
from .conf.observe import Observer, conf_path
from .outcome import Outcome, StepError
from .past import identity, recording
from .past.recall import Recall
from .turns import BOOT, FOLDER, start_slot

MAX_STEPS = 40
# How often a run looks and plans again in its midst, after growing pauses in seconds: somebody changes the config, or
# the answer to a write was lost with a control plane that restarts.
AGAIN = (0.2, 0.5, 1.0, 2.0, 4.0)
# Only these wait for a worker; the time-outs are in seconds and generous, since a template may be large.
TASK_TIMEOUT = 3600.0
# The status of an answer to a creation that may be the fault of its archive: a task that failed, and a refusal.
REFUSED = (200, 400, 500)


def node_command(what: str) -> None:
    """Run ``pct`` for what the API can't do. Raises PveError with its words."""
    try:
        done = subprocess.run(["pct", *what.split()], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise PveError(f"pct {what}", 0, str(error)) from None
    if done.returncode:
        raise refused(f"pct {what}", 0, done.stderr.strip() or f"exit code {done.returncode}")


class NoLayers:
    """What a run knows of the layers of its node: nothing here, and more in what is derived from it."""

    def complete(self, _wanted: Wanted, seen: Observation, _record: Record) -> Observation:
        """Return the observation with what the layers mean for the container."""
        return seen

    def fails(self, _volume: str) -> None:
        """Plan without a layer from now on, because PVE could not create a container from it."""

    def created(self) -> list[str]:
        """Remove the layers that failed, once a container was created without them. Returns warnings."""
        return []


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
        turns: str = FOLDER,
        password: str = "",
        layers: NoLayers | None = None,
    ) -> None:
        self._layers = layers or NoLayers()
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
        self._recall = Recall(observer.node, lambda: self.client, store, audit, task_timeout, guard)
        self._turns = turns
        self._dry = False
        self._listed: dict[int, Listed | None] = {}
        self._saving = saving.Saving(
            observer.node, lambda: self.client, store, lock_wait, task_timeout, guard, observer.read_conf
        )
        self._calls = Calls(observer, lambda: self.client, store, lock_wait, task_timeout, guard, turns, password)

    @property
    def client(self) -> Client:
        """The control plane, opened with the first call: a settled container needs none."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    def look(self, wanted: Wanted) -> tuple[Observation, Record]:
        """Observation and record of the container, now."""
        record = self._store.load(wanted.ctid)
        if record.creating is not None and not record.creating.get("upid") and wanted.ctid in self._recall.found:
            record = replace(record, creating={**record.creating, "upid": self._recall.found[wanted.ctid]})
        if wanted.ctid in self._recall.rolled_back and guard.stage(record) in (guard.OPEN, guard.BACK):
            record = wayback.remembered(record)
        ident = wanted.desired.clone_from
        source_record = None if ident is None else self._store.load(ident)
        clones = wanted.recreate or wanted.target == states.ABSENT
        seen = self._observer.observe(wanted.ctid, ident, record, source_record=source_record, clones=clones)
        seen = replace(seen, later_task=self._recall.later.get(wanted.ctid))
        seen = identity.recall(lambda: self.client, self._observer.node, seen, record)
        seen = backups.recall(lambda: self.client, self._observer.node, seen, wanted, self._observer.pve)
        seen = saving.recall(lambda: self.client, self._observer.node, seen, record)
        if wanted.update == updating.BEGIN and seen.running:
            seen = replace(seen, updates=self._updates(wanted, record))
        seen = self._layers.complete(wanted, seen, record)
        if wanted.source is not None:
            above, record_above = self.look(wanted.source)
            seen = planner.below(seen, above, planner.plan(wanted.source, above, record_above))
        return seen, record

    def _updates(self, wanted: Wanted, record: Record) -> Listed | None:
        """The updates of its packages, asked once. An interrupted dpkg gives no answer."""
        if wanted.ctid not in self._listed:
            try:
                self._listed[wanted.ctid] = updates.look(wanted.ctid, self._dry)
            except guest.GuestError:
                if not guard.is_update(record):
                    raise
                self._listed[wanted.ctid] = None
        return self._listed[wanted.ctid]

    def _look_again(self, wanted: Wanted) -> tuple[Observation, Record]:
        """After a step: what it changed of what the container is recognized by is noted."""
        seen, record = self.look(wanted)
        identity.refresh(seen, self._store)
        return seen, self._store.load(wanted.ctid) if record.creating is None else record

    def run(self, wanted: Wanted, check: bool = False, resumes: bool = False) -> Outcome:
        """Plan; in check mode return that plan, else execute it up to the first step that the play does.

        ``resumes``: an earlier run on the container was killed; its workers may still run.
        """
        self._dry = check
        if resumes:
            self._recall.await_workers(wanted.ctid)
        self._recall.creation(wanted, check)
        self._recall.rollback(wanted, check, self._saving.is_back)
        seen, record = self.look(wanted)
        plan = planner.plan(wanted, seen, record)
        outcome = Outcome(first=plan, last=plan, seen=seen)
        if check or plan.error:
            return outcome
        if updating.is_to_be_proved(wanted, record, plan):
            proving.prove(wanted, seen)
        wanted = guard.settled(wanted, record, plan)
        again = iter(AGAIN)
        for _turn in range(MAX_STEPS):
            step = plan.steps[0] if plan.steps else None
            if step is None or step.by_play or plan.error:
                break
            try:
                self._step(wanted, step, plan.state, seen, outcome)
                again = iter(AGAIN)
                outcome.warnings += self._layers.created() if step.kind == "create" else []
            except StepError as failure:
                if not self._fails_by_layer(wanted, step, seen, failure, outcome):
                    pause = next(again, None)
                    if pause is None or not (
                        isinstance(failure.__cause__, StaleConfigError) or self._calls.lost is not None
                    ):
                        raise
                    CLOCK.sleep(pause)
                    self._recover(wanted, failure)
                step = None  # look and plan again
            seen, record = self._look_again(wanted)
            plan = planner.plan(wanted, seen, record)
            self._account(plan, outcome)
            outcome.last, outcome.seen = plan, seen
            if step and updating.ends(wanted, step):
                outcome.last = Plan(state=plan.state, final_state=plan.state)  # the first plan ends here
                break
            if step and plan.steps and plan.steps[0].kind == step.kind and plan.steps[0].entries == step.entries:
                calls = ", ".join(entry.what for entry in step.entries if entry.op == "pve")
                words = "PVE accepted it, but the container looks the same as before"
                error = PveError(calls or step.kind, 200, words)
                raise StepError(wanted.ctid, step, plan.state, error, outcome.journal)
        self._note_update(wanted, outcome)
        return outcome

    def _note_update(self, wanted: Wanted, outcome: Outcome) -> None:
        """Beginning and end of an update of packages, for the audit trail: what comes between is the play's."""
        if wanted.update == updating.BEGIN and any(step.kind == updating.KIND for step in outcome.last.steps[:1]):
            listed = self._listed.get(wanted.ctid)
            names = ", ".join(package.text for package in (listed.packages if listed else None) or ())
            self._audit.write(wanted.ctid, updating.KIND, "begin", extras={"packages": names[:2000]})
        elif wanted.update == updating.END and "release" in outcome.done:
            self._audit.write(wanted.ctid, updating.KIND, "ok")

    def _fails_by_layer(
        self, wanted: Wanted, step: Step, seen: Observation, failure: StepError, outcome: Outcome
    ) -> bool:
        """Whether PVE could not create the container from a layer. The next plan does without it."""
        volume = seen.layering.volume if seen.layering and step.kind == "create" else ""
        error = failure.__cause__
        if not volume or not isinstance(error, PveError) or error.status not in REFUSED or self._calls.lost is not None:
            return False
        self._layers.fails(volume)
        outcome.warnings.append(f"container {wanted.ctid} can't be created from the layer {volume}: {error.reason}")
        self._recall.creation(wanted, check=False)
        return True

    def _recover(self, wanted: Wanted, failure: StepError) -> None:
        """Before the next look: a write whose answer was lost may still run. Raises the failure itself."""
        if self._calls.lost is None:
            return
        try:
            self.client.request("GET", "/version")
            self._recall.await_workers(wanted.ctid)
            self._recall.creation(wanted, check=False)
        except PveError:
            raise failure from failure.__cause__  # the control plane isn't back

    def _account(self, plan: Plan, outcome: Outcome) -> None:
        """A write whose answer was lost belongs to the journal when the plan has it no more."""
        lost, self._calls.lost = self._calls.lost, None
        if lost is not None and not any(lost in step.entries for step in plan.steps):
            outcome.journal.append(lost.as_dict())

    def _step(self, wanted: Wanted, step: Step, state: str, seen: Observation, outcome: Outcome) -> None:
        before = self._store.load(wanted.ctid).word or states.DEFINED
        event = f"{before}->{step.goes_to}" if step.goes_to and step.goes_to != before else step.kind
        extras = {"step": step.kind}
        self._audit.write(wanted.ctid, event, "begin", extras=extras)
        started = time.monotonic()
        self._calls.rules = seen.firewall.rules
        starts = step.kind in ("start", "restart", wayback.KIND) or any(saved.restarts(entry) for entry in step.entries)
        try:
            if step.kind == wayback.KIND:
                self._saving.prove(wanted)
            with contextlib.ExitStack() as slot:
                if starts:
                    slot.enter_context(start_slot(self._turns, self._guard))
                for entry in step.entries:
                    self._entry(wanted, step, entry, seen, outcome)
                if starts:
                    self._await_ready(wanted, outcome, slot.close)
        except Exception as error:
            seconds = time.monotonic() - started
            with contextlib.suppress(StoreError):  # report the failure even where the disk is full
                told = {**extras, "error": str(error)[:2000]}
                self._audit.write(wanted.ctid, event, "failed", seconds, "ERROR", told)
            raise StepError(wanted.ctid, step, state, error, outcome.journal) from error
        self._audit.write(wanted.ctid, event, "ok", time.monotonic() - started, extras=extras)
        outcome.done.append(step.kind)

    def _entry(self, wanted: Wanted, step: Step, entry: Entry, seen: Observation, outcome: Outcome) -> None:
        self._guard()
        if entry.op == "pve":
            outcome.warnings += self._calls.make(wanted, entry, seen)
        elif entry.op == "backup":
            self._ensure_ours(wanted)
            outcome.warnings += self._saving.act(wanted, entry)
        elif entry.op == "folder":
            madefolders.make(str(entry.params["path"]), int(entry.params["uid"]), int(entry.params["gid"]))
        elif entry.op == "conf":
            self._edit(wanted, entry, seen)
        elif entry.op == "ledger":
            self._ensure_ours(wanted)
            self._settle_ledger(wanted, entry, seen)
        elif entry.op == "guest":
            self._ensure_ours(wanted)
            self._renew_identity(wanted.ctid)
        elif entry.op == "pct":
            node_command(entry.what)
        elif entry.what == "state":
            self._store.write_word(wanted.ctid, str(entry.params["word"]))
        elif entry.what == "forget":
            self._store.forget(wanted.ctid)
        else:
            known = self._store.read_record(wanted.ctid)
            conf = self._observer.read_conf(wanted.ctid)[0] or seen.conf
            # A rollback other than this one, later, is one under the change.
            opens = recording.stage_of(entry.params.get("guarding")) == guard.OPEN
            last = str(self._recall.newest_rollback(wanted.ctid, entry.params).get("upid", "")) if opens else ""
            written = recording.written_keys(step.entries)
            book = seen.source_ledger or seen.backup_ledger
            values = recording.values(entry.params, self._run, known, conf, last, book, written)
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
        identity.ensure_ours(self._observer.read_conf, wanted.ctid, self._store)

    def undo(self, wanted: Wanted) -> tuple[str, list[dict[str, Any]]]:
        """After the failure of a guarded change: (what became of it, in words; the journal). ('', []) for any other."""
        seen, record = instance.settle(*self.look(wanted))
        if not guard.is_kept(seen, record):
            return "", []
        plan = planner.plan(wanted, seen, record)
        if guard.is_update(record) and guard.stage(record) == guard.PROVED:
            return "The update is good; the next run of playbooks/update.yml removes its guard", []
        if not guard.is_to_go_back(wanted, record, plan):
            return f"Roll the change back with: {guard.command(seen, record)}", []
        outcome = Outcome(first=plan, last=plan, seen=seen)
        self._step(wanted, wayback.step(wanted, record, seen), plan.state, seen, outcome)
        if guard.is_update(record):
            self._audit.write(wanted.ctid, updating.KIND, "rolled back", level="ERROR")
            return f"The container is as before the update, by its {saved.means_of(record)}", outcome.journal
        return f"What was there before the change is back (guard: {guard.policy(wanted)})", outcome.journal

    def _settle_ledger(self, wanted: Wanted, entry: Entry, seen: Observation) -> None:
        """Write a ledger that has the named features, and the application, as applied, or none of them."""
        stamp = {"status": ledgers.APPLIED, "run": self._run, "at": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        book = dict(seen.ledger or ledgers.empty())
        names, forget = entry.params["features"], entry.what == "forget"
        kept = {name: value for name, value in book["features"].items() if name not in names}
        assumed = {
            feature.name: {**stamp, "digest": feature.digest, "components": dict(feature.components)}
            for feature in wanted.features
            if feature.name in names
        }
        book["features"] = kept if forget else {**kept, **assumed}
        if forget:
            book["application"] = None if entry.params["application"] else book["application"]
        elif wanted.application:
            own = {"name": wanted.application.name or None, "digest": wanted.application.digest}
            book["application"] = {**stamp, **own, "ctid": wanted.ctid, "boot": seen.boot}
        self._write_ledger(wanted.ctid, book)
        self._store.update_record(wanted.ctid, ledger=book)

    def _write_ledger(self, ctid: int, book: Mapping[str, Any]) -> None:
        guest.write_ledger(ctid, ledgers.dump(book))

    def _renew_identity(self, ctid: int) -> None:
        guest.renew_identity(ctid)

    def _await_ready(self, wanted: Wanted, outcome: Outcome, booted: Callable[[], None]) -> None:
        """Wait until a started container answers and has its address. A slow network is a note, not a failure.

        ``booted`` is called where it takes longer than a boot: others may start meanwhile.
        """
        awaits = wanted.desired.awaits
        deadline = Deadline(self._ready_timeout)

        def ready() -> bool:
            return glance.is_ready(wanted.ctid, awaits, self._observer.boot)

        if until(ready, Deadline(min(BOOT, self._ready_timeout))):
            return
        booted()
        if not until(ready, deadline):
            outcome.warnings.append(
                f"container {wanted.ctid} started, but after {self._ready_timeout:.0f} s "
                f"{f'it has no {awaits} address' if awaits else 'it gives no answer'}"
            )
