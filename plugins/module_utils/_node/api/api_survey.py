# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observes the containers of a node by its API, plans for them, and drives one: what the modules do on the node."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Callable

from ..._core.container.model import Observation, Plan, Record, Wanted
from ..._core.container.remote import assumed
from ..._core.container.remote.assumed import Assumed
from ..audit import Audit
from ..container import applying
from ..container.conf import backups
from ..container.conf.observe import WORKERS, failure, inside
from ..container.described import Planned, briefly, describe, unobserved, wanted_from
from ..container.executor import TASK_TIMEOUT
from ..container.outcome import Outcome, StepError, on_container, report
from ..container.past import creations
from ..failure import NodeError, about
from ..guest import guest
from ..pve.client import Client, PveError
from .api_executor import ApiExecutor
from .api_observer import ApiObserver
from .api_place import ApiPlace, nobody
from .guest_ssh import SshWay
from .notes_store import NotesClient

# Options of phoenix_lxc_state that say how it works, not what is wanted.
_WAITS = ("lock_wait", "task_timeout", "ready_timeout")
_NOTHING = {"record": None, "begin": None, "enter": False, "leave_layer": False, "release": False}
_RENEWED = "new_host_key"
_OF_THE_RUN = frozenset({*_WAITS, *_NOTHING, _RENEWED, "failed", "root_password", "run", "dead_runs"})
_OPERATION = {"operation": "ask", "kind": "feature", "network": False} | dict.fromkeys(
    ("name", "digest", "components", "check", "output", "error")
)
_UNSEALED = (
    "the record in its description is not sealed with record_key of the node: another user wrote it, or a run without "
    "this key. Look at the container, then take it over with phoenix_adopt"
)
_OTHERWISE = "Reach the node over SSH for it (no entry api in the inventory source)"


class BeyondTokenError(NodeError):
    """What a run by a token can't do, said before anything is touched."""


class Looks:
    """The containers of one task, each looked at once, with those that they are cloned from."""

    def __init__(
        self, client: Client, node: str, way: SshWay | None = None, observer: ApiObserver | None = None
    ) -> None:
        self.observer = observer or ApiObserver(client, node, way)
        self.wanted: dict[int, Wanted] = {}
        self.seen: dict[int, Observation] = {}
        self.given: dict[int, Assumed] = {}
        self.clones: dict[int, tuple[int, ...]] = {}  # all linked clones of what is to be destroyed
        self._client, self._node = client, node
        self._plans = Planned(self.wanted, self.seen, self._make)

    def look(self, item: Mapping[str, Any], running: set[int] | None = None) -> None:
        """Look at one container. Raises NodeError and PveError."""
        want = wanted_from({key: value for key, value in item.items() if key not in _OF_THE_RUN}, self._node)
        if item.get(_RENEWED):
            self.observer.renewed.add(want.ctid)
        self.look_at(want, [int(ctid) for ctid in item.get("confirm") or ()], running)

    def look_at(self, want: Wanted, together: Collection[int] = (), running: set[int] | None = None) -> None:
        """Look at one container. ``together`` are all that are destroyed with it. Raises NodeError and PveError."""
        clones = want.recreate or want.target == "absent"
        if assumed.works_inside(want):
            self.observer.entered.add(want.ctid)
        source, above = want.desired.clone_from, None
        if source is not None and self.observer.way is not None:
            self.observer.read_conf(source)
            above = self.observer.record_of(source)
        found = self.observer.observe(want.ctid, source, Record(), running, above, clones)
        if found.lock == "create" and self.observer.record_of(want.ctid) is None:
            user = str(getattr(self._client, "user", ""))
            if creations.await_own(self._client, self._node, want, user, TASK_TIMEOUT):
                found = self.observer.observe(want.ctid, source, Record(), None, above, clones)
        if want.target == "absent":
            # What goes with it does not stand in its way: clones go before their source.
            left = tuple(clone for clone in found.linked_clones if clone not in together)
            self.clones[want.ctid] = found.linked_clones
            found = replace(found, linked_clones=left)
        self.seen[want.ctid] = backups.recall(lambda: self._client, self._node, found, want)
        self.wanted[want.ctid] = want

    def look_inside(self) -> None:
        """Look into those that were left for later, side by side: one that does not answer takes its time."""
        way, left = self.observer.way, sorted(self.observer.later or ())
        if way is None or not left:
            return
        with ThreadPoolExecutor(max_workers=WORKERS) as pool:
            for ctid, view in zip(left, pool.map(lambda ctid: _view(ctid, way), left)):
                if ctid in self.seen:
                    found = {key: value for key, value in inside(view).items() if key != "address"}
                    self.seen[ctid] = replace(self.seen[ctid], **found)

    def of(self, ctid: int) -> Assumed:
        """What the planner is given of a container."""
        if ctid not in self.given:
            self._assume(ctid, self.seen[ctid])
        return self.given[ctid]

    def plan(self, ctid: int) -> Plan:
        """The plan of a container."""
        return self._plans.of(ctid)

    @property
    def _enters(self) -> bool:
        return self.observer.way is not None

    def hindrances(self, ctid: int) -> list[str]:
        """Why a run by a token can't do it."""
        record, wanted = self.observer.record_of(ctid), self.wanted[ctid]
        forged = [_UNSEALED] if self.observer.is_unsealed(ctid) and wanted.adopt == "no" else []
        return forged + assumed.hindrances(wanted, self.seen[ctid], record, self.observer.refused, self._enters)

    def _assume(self, ctid: int, found: Observation) -> None:
        record = self.observer.record_of(ctid)
        self.given[ctid] = assumed.assume(self.wanted[ctid], found, record, self.observer.refused, self._enters)

    def _make(self, ctid: int, found: Observation) -> Plan:
        self._assume(ctid, found)
        return assumed.plan(self.given[ctid])


def _view(ctid: int, way: SshWay) -> guest.GuestView:
    try:
        return guest.look(ctid, way=way)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong with one container is a fault of that one
        return guest.GuestView(error=failure(error))


def refusal(ctid: int, why: Iterable[str]) -> str:
    """The message of a container that a token can't bring to its target state; '' without a reason."""
    found = "; ".join(why)
    return f"container {ctid} can't be changed by an API token: {found}. {_OTHERWISE}" if found else ""


@contextlib.contextmanager
def _blamed(ctid: int, faults: dict[int, str]) -> Iterator[None]:
    """What goes wrong in this block is a fault of one container."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever one container's files hold is a fault of that container
        faults[ctid] = failure(error)


def survey(
    client: Client,
    node: str,
    items: Iterable[Mapping[str, Any]] | None,
    brief: bool = False,
    explains: bool = False,
    acts: bool = False,
    way: SshWay | None = None,
) -> dict[str, Any]:
    """Observe each container, and plan for those that come with their configuration. ``acts``: changes follow.

    A fault of one container, such as a privilege that the token lacks, is a part of its result. Raises NodeError and
    PveError where the node itself can't be asked.
    """
    looks = Looks(client, node, way)
    observer = looks.observer
    if items is None:
        items = [{"ctid": ctid} for ctid in sorted(observer.existing_ctids())]
    items = list(items)
    planned = {int(item["ctid"]) for item in items if item.get("config") is not None}
    running = observer.running() if items else set()
    faults: dict[int, str] = {}
    observer.later = set()
    for item in items:
        with _blamed(int(item["ctid"]), faults):
            looks.look(item, running)
    looks.look_inside()
    for ctid in [*looks.wanted] if acts else ():
        with _blamed(ctid, faults):
            why = refusal(ctid, looks.hindrances(ctid))
            if why:
                faults[ctid] = why
    managed = observer.ha_ctids() if items else frozenset()
    containers = {}
    for ctid in looks.wanted:
        try:
            plan = looks.plan(ctid) if ctid in planned else None
            one = looks.of(ctid)
            known = observer.record_of(ctid) is not None
            described = {
                **describe(one.wanted, one.seen, one.record, plan, explains),
                "linked_clones": list(looks.clones.get(ctid, one.seen.linked_clones)),
                "ha": ctid in managed,
                "ha_ours": False,
                "unknown": [each.name for each in one.unknown],
                **({} if known else {"ours": None, "recorded_state": None}),
            }
            if plan is not None and observer.new_host_key(ctid):
                described["due"] = True
            containers[str(ctid)] = briefly(described) if brief else described
        except Exception as error:  # noqa: BLE001 - as above: the others are planned for
            faults[ctid] = failure(error)
    containers.update({str(ctid): unobserved(text) for ctid, text in faults.items()})
    return {"changed": False, "node": node, "containers": containers}


def preview(client: Client, node: str, options: Mapping[str, Any], way: SshWay | None = None) -> dict[str, Any]:
    """The answer of phoenix_lxc_state in check mode, with ``error``. Raises NodeError and PveError."""
    place = ApiPlace(client, node, {}, way=way)

    def act() -> tuple[dict[str, Any], str | None]:
        looks = Looks(client, node, observer=place.observer)
        ctid, item = int(options["ctid"]), dict(options)
        while item:
            looks.look(item)
            item = item.get("source") or {}
        plan, one = looks.plan(ctid), looks.of(ctid)
        result = report(one.wanted, Outcome(first=plan, last=plan, seen=one.seen), check=True)
        key = place.observer.new_host_key(ctid)
        result["journal"] += [_key_on_record(key)] if key else []
        return {**result, "unknown": [each.name for each in one.unknown]}, plan.error

    result, error = applying.in_turn(place, {**_NOTHING, **options}, True, act)
    return {**result, "error": error}


def _key_on_record(key: str) -> dict[str, Any]:
    return {"op": "node", "what": "record", "params": {"host_key": key}}


def drive(
    client: Client,
    node: str,
    options: Mapping[str, Any],
    run: Mapping[str, Any],
    dead: Iterable[str],
    folder: str,
    password: str = "",
    way: SshWay | None = None,
    is_dead: Callable[[Mapping[str, Any]], bool] = nobody,
) -> tuple[dict[str, Any], list[str]]:
    """Bring a container to its target state: the answer of phoenix_lxc_state, with ``error``, and warnings.

    Nothing is changed where a part of it can't be done by a token. Raises NodeError and PveError. ``folder`` is where
    processes of this controller take turns, ``way`` leads into its containers. ``is_dead``: whether the run
    that holds a container is known to be gone.
    """
    ctid = int(options["ctid"])
    warnings: list[str] = []
    with on_container(ctid):
        place = ApiPlace(client, node, run, dead, way, float(options.get("lock_wait") or 120.0), is_dead)
        params = {**_NOTHING, **options, "run": dict(run), "dead_runs": list(dead)}

        def act() -> tuple[dict[str, Any], str | None]:
            return _act(place, client, node, params, folder, password, warnings)

        result, error = applying.in_turn(place, params, False, act)
        return {**result, "unknown": [], "error": error}, warnings


def _act(
    place: ApiPlace,
    client: Client,
    node: str,
    options: Mapping[str, Any],
    folder: str,
    password: str,
    warnings: list[str],
) -> tuple[dict[str, Any], str | None]:
    """Plan and act. The lease outlives it where work inside follows. Returns the result, and why it was refused."""
    ctid = int(options["ctid"])
    looks = Looks(client, node, observer=place.observer)
    looks.look(options)
    settings = {name: options[name] for name in _WAITS if name in options}
    outcome = carry_out(place, looks, ctid, folder, bool(options["release"]), password=password, **settings)
    warnings += outcome.warnings
    result = report(looks.wanted[ctid], outcome, check=False)
    return {**result, "changed": bool(outcome.journal)}, outcome.first.error or outcome.last.error


def carry_out(place: ApiPlace, looks: Looks, ctid: int, folder: str, release: bool = True, **settings: Any) -> Outcome:
    """Bring a container that has been looked at to its target state, as far as the calls of Proxmox VE lead.

    Args:
        release: whether the lease is given back where work inside follows.
        settings: those of the executor.

    Raises BeyondTokenError, NodeError and PveError.
    """
    run, store = str(place.run["id"]), place.store
    wanted = replace(looks.wanted[ctid], run=run)
    why = refusal(ctid, looks.hindrances(ctid))
    if why:
        raise BeyondTokenError(why)
    calls = NotesClient(place.observer.client, place.observer.node, store)
    executor = ApiExecutor(
        place.observer,
        store,
        Audit(run, quiet=True),
        lambda: calls,
        run,
        guard=lambda: store.check(ctid),
        turns=folder,
        **settings,
    )
    displaced = None
    record = place.observer.record_of(ctid)
    if record is not None and record.creating is not None and looks.seen[ctid].conf.head.get("lock") == "create":
        displaced = store.acquire(ctid, place.dead)  # noted here alone: nobody can write under this lock
        executor.await_creation(wanted)
    outcome = executor.run(wanted, check=True)
    why = refusal(ctid, assumed.unreachable(outcome.first, place.observer.way is not None))
    if why:
        raise BeyondTokenError(why)
    key = place.observer.new_host_key(ctid)
    if not (outcome.first.steps or key) or outcome.first.error:
        outcome.warnings += _given_back(place, ctid) if place.is_left(ctid) and not outcome.first.error else []
        return outcome
    displaced = _acquired(place, ctid, outcome.first) or displaced
    try:
        if key:
            executor.note_host_key(ctid)
            place.observer.renewed.discard(ctid)
        outcome = executor.run(wanted, resumes=bool(displaced))
        executor.note_host_key(ctid)
        outcome.journal += [_key_on_record(key)] if key else []
        if not outcome.last.steps or outcome.last.error or release:
            outcome.warnings += _given_back(place, ctid)
    except Exception:
        _given_back(place, ctid)  # the first failure is the one to report
        raise
    return outcome


def _acquired(place: ApiPlace, ctid: int, plan: Plan) -> str | None:
    """Take a container for this run: the run that was displaced, if any. Where it fails, the first step has failed."""
    try:
        return place.store.acquire(ctid, place.dead)
    except PveError as error:
        if not plan.steps:
            raise
        raise StepError(ctid, plan.steps[0], plan.state, error, []) from error


def _given_back(place: ApiPlace, ctid: int) -> list[str]:
    """Give the lease of a container back. Returns a warning where that failed: it does no harm to this run."""
    try:
        place.release({"ctid": ctid})
    except PveError as error:
        return [f"container {ctid}: its lease stays in the description until the next run ({error})"]
    return []


def operate(
    client: Client,
    node: str,
    options: Mapping[str, Any],
    run: Mapping[str, Any],
    dead: Iterable[str],
    dry: bool,
    way: SshWay | None = None,
) -> dict[str, Any]:
    """The answer of phoenix_feature. Raises NodeError and PveError."""
    given = {**_OPERATION, **options, "run": dict(run), "dead_runs": list(dead)}
    with about(f"container {given['ctid']}"), contextlib.ExitStack() as hold:
        place = ApiPlace(client, node, run, dead, way)
        done = {name: given[name] for name in ("operation", "kind", "name")}
        return {**applying.operate(place, given, dry, hold), **done}
