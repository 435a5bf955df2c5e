# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner: desired + observed + remembered -> the steps, each with its reason and exact mutations.

Check mode returns its plan, a real run executes the same plan and observes again after each step. Nothing else
decides. Pure: no I/O, no clock.
"""

from __future__ import annotations

import dataclasses

from ...pve.apicalls import Kind
from ...pve.fwfile import Firewall
from .. import states
from ..applied import ledger
from ..guarding import guard, wayback
from ..known import instance
from ..known.world import World
from ..layering import Layering
from ..model import RESTART, Entry, Observation, Plan, Record, Step, Wanted, on_container
from ..origin import clones, creation, making
from . import configure, destroying, power, recreate, refusals, steering, updating
from .basis import Basis

MARK = Entry("conf", "mark", {})  # the instance id, written into the container's config


def plan(wanted: Wanted, seen: Observation, record: Record) -> Plan:
    """The one decision about one container."""
    seen, record = instance.settle(seen, record)
    basis = Basis(wanted, seen, record)
    if wanted.power:
        return power.plan(wanted, seen, record, _observed(basis))
    if wanted.update:
        return updating.plan(wanted, seen, record, _observed(basis))
    if recreate.is_due(basis.compared, seen):
        return _anew(basis)
    error = refusals.refusal(basis) or steering.refusal(wanted, seen, record)
    world = _observed(basis)
    state = world.state()
    if error:
        state = _state_of_refused(wanted, seen, record, state)
        return Plan(state=state, refusal=error, final_state=state)
    if wanted.target == states.ABSENT:
        return destroying.absent(wanted, seen, record, state)
    held = recreate.held_by(wanted, seen)
    if held:
        return Plan(state=state, final_state=state, notes=(f"held by {held}: left alone",))
    if wayback.is_due(seen, record):
        return _back(wanted, seen, record, state)
    notes = _notes(basis)
    target = power.target(wanted, seen, record, world, notes)
    _adopt(wanted, seen, record, world)
    _create(basis, world, target)
    waiting = configure.configure(wanted, seen, record, world, target)
    waiting = _start(wanted, world, target, waiting)
    configure.manage(world)
    _identity(world)
    steering.settle(wanted, record, world, target, notes)
    health = _customize(wanted, seen, record, world, target)
    _finish(wanted, world, target)
    if not world.steps and (world.word or states.DEFINED) != world.state():
        world.add("record", f"the state file said {record.word or 'nothing'}")
    recreate.end(wanted, record, world)
    health = guard.wrap(wanted, seen, record, world) or health
    error = guard.refusal(wanted, seen, world)
    if error:
        return Plan(state=state, refusal=error, final_state=state)
    final = world.state()
    if states.rank(state) > target and not world.steps:
        notes.append(f"is {state}, beyond its target state {wanted.target}: left alone")
    _mark(seen, record, world, target)
    work = [step for step in world.steps if step.kind in ("feature", "application")]
    return Plan(
        state=state,
        steps=tuple(world.steps),
        waiting=tuple(waiting),
        notes=tuple(notes),
        due_features=tuple({"name": s.name, "reason": s.reason} for s in work if s.kind == "feature"),
        application_due=next((step.reason for step in work if step.kind == "application"), None),
        health_due=health,
        final_state=final,
    )


def below(seen: Observation, above: Observation, plan_above: Plan) -> Observation:
    """The observation of a clone whose source this run works on before it, with what that leaves."""
    return dataclasses.replace(seen, above=above, source_word=plan_above.final_state)


def _state_of_refused(wanted: Wanted, seen: Observation, record: Record, state: str) -> str:
    """The state that the record supports: another container is none of ours, a template by hand is not complete."""
    if seen.exists and not record.ours and not seen.creating:
        return states.DEFINED
    return states.CONFIGURED if refusals.template_fault(wanted, seen, record) else state


def _anew(basis: Basis) -> Plan:
    """Destroy the existing container, then plan as for a container that does not exist."""
    wanted, seen, record = basis.wanted, basis.seen, basis.record
    state = _observed(basis).state()
    error = recreate.refusal(wanted, seen, record)
    if error:
        return Plan(state=state, refusal=error, final_state=state)
    steps, after, remembered = recreate.destroy(wanted, seen, record)
    rest = plan(wanted, after, remembered)
    if rest.refusal:
        # Nothing is destroyed that can't be made again.
        return Plan(state=state, refusal=rest.refusal, final_state=state)
    return dataclasses.replace(rest, state=state, steps=(*steps, *rest.steps))


def _back(wanted: Wanted, seen: Observation, record: Record, state: str) -> Plan:
    """A rollback that was cut off is finished first, then the plan is that of the container as it was.

    When that has none, the container is left as the rollback leaves it, and the next look says why.
    """
    back = wayback.step(wanted, record, seen)
    rest = plan(wanted, *wayback.after(seen, record))
    if rest.refusal:
        return Plan(state=state, steps=(back,), final_state=states.COMPLETED)
    return dataclasses.replace(rest, state=state, steps=(back, *rest.steps))


def _observed(basis: Basis) -> World:
    wanted, seen, record = basis.wanted, basis.seen, basis.record
    known = steering.book_of(seen, record)
    # What the ledger of a container that is taken over says is known only while it runs. So it decides nothing.
    forget_ledger = record.forget_ledger or (steering.is_adopted(wanted, seen, record) and wanted.adopt == "reapply")
    if forget_ledger:
        known = None
    due, application = steering.due(wanted, record, known)
    if seen.template:
        due, application = [], None  # never entered again: what changed since is reported as stale
    differs = seen.exists and configure.differs(basis.compared, seen.firewall, seen.pool)
    return World(
        exists=seen.exists,
        running=seen.running,
        template=seen.template,
        compared=basis.compared,
        config=seen.conf.merged(),
        differs=differs,
        features=len(wanted.features),
        due=due,
        application=application,
        word=record.word,
        target=states.rank(wanted.target),
        identity=record.identity_due,
        assume_installed=record.assume_installed,
        forget_ledger=forget_ledger,
        unfinished=_unfinished(wanted, seen),
        force=steering.forced(wanted, record),
        forget=steering.to_forget(wanted, known),
        firewall=seen.firewall,
        pool=seen.pool,
        ha=seen.ha,
        leaves=seen.layering.after if seen.layering and record.fresh and record.fresh == wanted.run else "",
    )


def _notes(basis: Basis) -> list[str]:
    wanted, seen, record = basis.wanted, basis.seen, basis.record
    notes = [
        f"feature {name} is no longer listed: left behind"
        for name in ledger.left_behind(wanted.features, seen.ledger, (*wanted.inherited, *wanted.forget))
    ]
    if seen.template:
        stale = ledger.due_features(wanted.features, record.ledger)
        notes += [f"stale: feature {item['name']} of this template: {item['reason']}" for item in stale]
        if stale:
            notes.append(f"stale: name {wanted.ctid} in phoenix_recreate_ctids to have the template recreated")
    if seen.exists:
        notes += creation.fixed_notes(basis.compared)
    if seen.ledger_error:
        notes.append(
            f"the ledger inside the container can't be read ({seen.ledger_error}): features count as not applied"
        )
    notes += configure.notes_of(basis.compared, seen)
    if seen.exists and record.ours:
        notes += configure.by_hand_notes(basis.compared)
    notes += guard.notes(wanted, seen, record)
    notes += seen.layering.notes if seen.layering else ()
    if seen.lock:
        notes.append(f"locked by PVE ({seen.lock}): changes wait for it")
    return notes


def _adopt(wanted: Wanted, seen: Observation, record: Record, world: World) -> None:
    if steering.is_adopted(wanted, seen, record):
        world.assume_installed = wanted.adopt == "record"
        # Of a container that was here before it nothing is remembered.
        forgotten = dict.fromkeys((*recreate.FORGOTTEN, *recreate.KEPT))
        intent = Entry("node", "record", {**forgotten, "instance": instance.NEW})
        values = {
            "ours": True,
            "instance": instance.SEEN,
            **({"assume_installed": True} if world.assume_installed else {}),
            **({"forget_ledger": True} if world.forget_ledger else {}),
        }
        world.add("adopt", f"phoenix_adopt: {wanted.adopt}", intent, MARK, Entry("node", "record", values))


def _create(basis: Basis, world: World, target: int) -> None:
    wanted, seen, record = basis.wanted, basis.seen, basis.record
    if seen.exists and seen.creating and not record.ours:
        _resume_create(wanted, seen, record, world)
    left = clones.temporary(wanted.ctid)
    if world.exists and seen.source is not None and left in seen.source.snapshots:
        drop = on_container(Kind.SNAPSHOT_DELETE, wanted.node, clones.source_ctid(wanted) or 0, snapshot=left)
        world.add("clean-up", "a cloning that was cut off left its snapshot on the source", drop)
    if world.exists or target < states.rank(states.CREATED):
        return
    source, layering = basis.source, seen.layering or Layering()
    calls, reason = making.calls(wanted, seen, source)
    world.exists, world.template = True, False
    world.compared = basis.created
    world.config = dict(basis.created.conf.head)
    if source:
        world.firewall = source.firewall  # PVE copies it, and leaves alone what a create finds
    world.pool = wanted.desired.resource_pool
    world.differs = configure.differs(world.compared, world.firewall, world.pool)
    # A copy starts with what its source has applied; what an earlier container of this CTID had is gone with it.
    applied = source.ledger if source else layering.ledger
    world.due, world.application = steering.due(wanted, record, seen.backup_ledger, applied or None)
    world.leaves = layering.after
    world.identity = making.is_copy(wanted, layering.volume)
    # The identity is decided before the call, so that what the call made can be proved to be ours after a kill.
    begun = {"creating": True, "instance": instance.NEW, **({"halted": None} if record.halted else {})}
    begun |= {"layer": layering.volume or None} if layering.volume or record.layer else {}
    intent = Entry("node", "record", {**begun, **recreate.intent(wanted, record)})
    # A source without features may have an empty ledger or none, which check mode can't know.
    has_ledger = bool((applied or {}).get("features") or seen.backup_ledger)
    done = making.made(wanted, seen, instance.SEEN, layering.volume, has_ledger)
    world.word = None
    differs, world.differs = world.differs, True  # after a create the state is 'created', whatever is left to configure
    world.add("clone" if source else "create", reason, intent, *calls, MARK, done)
    world.differs = differs


def _resume_create(wanted: Wanted, seen: Observation, record: Record, world: World) -> None:
    """An earlier run began to create this container. ``seen.creating`` says how that went."""
    if seen.creating == "failed":
        world.exists = world.running = False
        world.firewall, world.ha = Firewall(), None  # PVE removes them with the container
        # The API refuses to destroy what is locked; only the node's own command takes the dead creation's lock away.
        unlock = Entry("pct", f"unlock {wanted.ctid}")
        # Until its end a creation's config names no volume: those must be found by the CTID in their names.
        everything = {"force": 1, "purge": 1, "destroy-unreferenced-disks": 1}
        call = on_container(Kind.DESTROY, wanted.node, wanted.ctid, everything)
        forget = Entry("node", "record", {"creating": None})
        world.add("clean-up", "an earlier creation was interrupted", unlock, call, forget)
    else:
        world.identity = making.is_copy(wanted, record.layer)
        done = making.made(wanted, seen, instance.SEEN, record.layer)
        world.add("adopt", "an earlier run created it and was cut off before it could say so", MARK, done)


def _mark(seen: Observation, record: Record, world: World, target: int) -> None:
    """Puts first what the container is recognized by: its instance id into its config, the rest on record."""
    if not seen.exists or not record.ours or seen.creating or target < states.rank(states.CREATED):
        return
    noted = instance.known(record)
    entry = Entry("node", "record", {"instance": instance.SEEN})
    if not instance.is_marked(seen, record):
        if seen.lock:
            return  # nobody may write its config now; it is recognized without, too
        intent = () if noted else (Entry("node", "record", {"instance": instance.NEW}),)
        reason = "its config has lost its instance id" if noted else "made before there were instance ids"
        world.steps.insert(0, Step("mark", reason, (*intent, MARK, entry)))
    elif not instance.is_current(seen, record) and not world.steps:
        reason = "its root volume or its MAC addresses were changed by hand"
        world.steps.insert(0, Step("mark", reason, (entry,)))


def _start(wanted: Wanted, world: World, target: int, waiting: list[str]) -> list[str]:
    """Adds the start, or the restart that what waits is allowed to take. Returns what waits then."""
    if not world.exists or world.template or target < states.rank(states.RUNNING):
        return waiting
    if not world.running:
        world.running = True
        world.add("start", "not running", on_container(Kind.START, wanted.node, wanted.ctid))
        return []  # pending values apply at the start
    if waiting and wanted.desired.restarts:
        keys = ", ".join(waiting)
        call = on_container(Kind.REBOOT, wanted.node, wanted.ctid)
        world.add("restart", f"waiting for a restart: {keys} (restart_policy: if_needed)", call, disrupts=RESTART)
        return []
    return waiting


def _customize(wanted: Wanted, seen: Observation, record: Record, world: World, target: int) -> str | None:
    """Adds the features, the application and the closing word. Returns why the health check is due, if it is."""
    if not world.running or world.template or target < states.rank(states.CUSTOMIZING):
        return None
    due, world.due = world.due, []
    for place, item in enumerate(due, 1):
        world.due = due[place:]
        entries = (*_begin(world, f"begin {item['name']}", "feature"), Entry("feature", f"end {item['name']}"))
        world.add("feature", item["reason"], *entries, name=item["name"], by_play=True)
        if item["name"] == world.leaves and seen.layering:
            making.leave(wanted, seen.layering, world.add)
    if target < states.rank(states.COMPLETED):
        return None
    health = None
    work = wanted.application
    if world.application:
        why, world.application = world.application, None
        entries = (*_begin(world, "begin", "application"), Entry("application", "end"))
        world.add("application", why, *entries, name=(work.name if work else "") or "health check", by_play=True)
    elif work and work.health:
        boot = None if any(step.kind in ("start", "restart") for step in world.steps) else seen.boot
        known = seen.ledger or seen.backup_ledger
        health = ledger.health_due(wanted.ctid, boot or "to come", known, record.checked_boot)
        if health:
            # A look, not a change: so it has no entries, and a run that only looks reports nothing changed.
            world.add("health", health, name="health check", by_play=True)
    if world.word != world.state() and world.steps and not world.unfinished:
        world.add("complete", "all features and the application are current")
    return health


def _unfinished(wanted: Wanted, seen: Observation) -> bool:
    """Whether the container must still become the template, or get the snapshot, that others are cloned from."""
    snapshot = wanted.desired.snapshot
    if wanted.desired.is_template:
        return not seen.template
    return bool(snapshot) and str(snapshot) not in seen.conf.snapshots


def _identity(world: World) -> None:
    """A running copy gets an identity of its own: host keys, machine-id."""
    if world.identity and world.running:
        world.identity = False
        renew = Entry("guest", "renew identity")
        done = Entry("node", "record", {"identity": None})
        world.add("identity", "a copy has the host keys and the machine-id of its original", renew, done)


def _finish(wanted: Wanted, world: World, target: int) -> None:
    """On completion: the conversion to a template, or the snapshot to clone from."""
    if not world.unfinished or not world.running or target < states.rank(states.COMPLETED):
        return
    if wanted.desired.is_template:
        stop = on_container(Kind.SHUTDOWN, wanted.node, wanted.ctid, {"forceStop": 1, "timeout": 60})
        convert = on_container(Kind.TEMPLATE, wanted.node, wanted.ctid)
        world.running, world.template, world.unfinished = False, True, False
        world.add("template", "is_template: complete, so it becomes a template", stop, convert, disrupts=RESTART)
    else:
        name = str(wanted.desired.snapshot)
        world.unfinished = False
        take = on_container(Kind.SNAPSHOT, wanted.node, wanted.ctid, {"snapname": name})
        world.add("snapshot", f"template_snapshot_name: {name} is what others are cloned from", take)


def _begin(world: World, what: str, operation: str) -> tuple[Entry, ...]:
    """Beginning work inside the container also says so in the state file, once."""
    if world.word == states.CUSTOMIZING:
        return (Entry(operation, what),)
    world.word = states.CUSTOMIZING
    return (Entry("node", "state", {"word": states.CUSTOMIZING}), Entry(operation, what))
