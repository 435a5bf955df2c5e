# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guarded change: a snapshot before a completed container is changed, a look at its health after, then its release.

Where no snapshot can be taken, a backup takes its place if the guard allows it (saved.py).

The record says how far that has come, so that a run which was cut off goes on under the same snapshot: ``open`` from
before the snapshot is requested, ``proved`` once the application was seen healthy, nothing once the snapshot is gone.
On the way back (wayback.py): ``back`` from before the rollback is requested, ``restored`` once it has ended.
"""

from __future__ import annotations

from dataclasses import replace

from ...pve.apicalls import Kind
from .. import states
from ..config import growth
from ..known.world import World
from ..model import Entry, Observation, Plan, Record, Step, Wanted, on_container
from ..origin import clones
from ..refusal import Code, Refusal
from . import saved

SNAPSHOT = "phoenix-guard"
OPEN = "open"
PROVED = "proved"
BACK = "back"
RESTORED = "restored"
ROLLBACK = "rollback"  # the policy
UPDATE = "update"  # what the guard is for, where that is no change of the configuration
# The steps that can leave a container worse than it was. A start, a record or a look can't.
CHANGES = frozenset({"configure", "raw", "firewall", "resize", "restart", "feature", "application"})


def policy(wanted: Wanted) -> str:
    """What its configuration asks for: none, report or rollback."""
    return wanted.desired.guard if wanted.guarded else "none"


def stage(record: Record) -> str | None:
    """How far a guarded change of this container has come, or None when none is under way."""
    return str(record.guarding.get("stage")) if record.guarding else None


def is_update(record: Record) -> bool:
    """Whether what is under way is an update of packages."""
    return bool(record.guarding) and (record.guarding or {}).get("for") == UPDATE


def has_state(seen: Observation, record: Record) -> bool:
    """Whether the snapshot or the backup of the guard exists."""
    return bool(seen.saved) if saved.is_means(record) else SNAPSHOT in seen.conf.snapshots


def is_kept(seen: Observation, record: Record) -> bool:
    """Whether a state of ours exists to roll back to."""
    return stage(record) in (OPEN, PROVED, BACK) and has_state(seen, record)


def command(seen: Observation, record: Record) -> str:
    """What brings the state before the change back, at the node's prompt."""
    if saved.is_means(record):
        return saved.command(seen)
    return f"pct rollback {seen.ctid} {SNAPSHOT} --start 1"


def notes(wanted: Wanted, seen: Observation, record: Record) -> list[str]:
    """Notes on a change that an earlier run has begun under a snapshot."""
    if not is_kept(seen, record):
        return []
    run, back = (record.guarding or {}).get("run", "unknown"), command(seen, record)
    if is_update(record):
        again = f"playbooks/update.yml --limit {wanted.ctid}"
        return [f"the update of run {run} was cut off: continue with {again}, or roll it back with: {back}"]
    return [f"guarded: roll the change of run {run} back with: {back}"]


def refusal(wanted: Wanted, seen: Observation, world: World) -> Refusal | None:
    """Why the snapshot that the plan begins with can't be taken, or None."""
    if not any(step.kind == "guard" for step in world.steps):
        return None
    if SNAPSHOT in seen.conf.snapshots and not any(step.kind == "release" for step in world.steps[:1]):
        return foreign_snapshot(wanted)
    return means(wanted, seen, policy(wanted) == saved.POLICY)[1]


def foreign_snapshot(wanted: Wanted) -> Refusal:
    """The refusal to replace a snapshot of the guard's name that no run of ours has taken."""
    return Refusal(
        Code.GUARD_SNAPSHOT_FOREIGN,
        f"container {wanted.ctid} has a snapshot {SNAPSHOT} without a record here, so it isn't replaced",
        f"look at it (pct listsnapshot {wanted.ctid}), then remove it (pct delsnapshot {wanted.ctid} {SNAPSHOT}), "
        "or remove guard",
    )


def means(wanted: Wanted, seen: Observation, or_backup: bool) -> tuple[str, Refusal | None]:
    """(whether a snapshot or a backup guards the container, why neither can).

    ``or_backup``: whether a backup may be made where no snapshot can be taken.
    """
    why = _no_snapshot(wanted, seen)
    if why is None or not or_backup:
        return saved.SNAPSHOT_MEANS, why
    return saved.MEANS, saved.refusal(wanted, seen, why)


def _no_snapshot(wanted: Wanted, seen: Observation) -> Refusal | None:
    """Why PVE takes no snapshot of the container, or None."""
    for key, value in sorted(seen.conf.head.items()):
        if key.startswith("mp") and value.startswith("/"):
            return Refusal(
                Code.GUARD_BIND_MOUNT,
                f"PVE takes no snapshot of a container with a bind mount, and container {wanted.ctid} has one "
                f"({key}: {value})",
                "remove guard, or move that data to volumes",
                "guard",
            )
    for volume in growth.volumes(seen.conf.head):
        storage = volume.partition(":")[0]
        kind = seen.storages.get(storage)
        if kind is not None and kind not in clones.SNAPSHOTS:
            return Refusal(
                Code.GUARD_STORAGE,
                f"container {wanted.ctid} has the volume {volume}, and storage {storage} ({kind}) takes no snapshots "
                "of containers",
                "remove guard, or move the volume (pct move-volume) to a storage of type "
                f"{', '.join(sorted(clones.SNAPSHOTS))}",
                "guard",
            )
    return None


def wrap(wanted: Wanted, seen: Observation, record: Record, world: World) -> str | None:
    """Puts the guard's steps around those of the plan. Returns why the health check is due for it, if it is."""
    found, kept = stage(record), has_state(seen, record)
    changing = any(step.kind in CHANGES for step in world.steps)
    converting = any(step.kind == "template" for step in world.steps)
    if found and not seen.exists:
        world.add("release", "the container that it guarded is gone", _drop())
        return None
    if is_update(record) and found in (OPEN, PROVED):
        return None  # the playbook that began it ends it
    front: list[Step] = []
    if found and (converting or (found == PROVED and changing)):
        why = "a template has no snapshots" if converting else "the guarded change before this one was proved"
        front.append(Step("release", why, release(wanted, record, kept)))
        found, kept = None, False
    elif found in (BACK, RESTORED):
        if saved.is_means(record) and not saved.is_alive(seen):
            return None  # the backup is all that is left of the state before
        front.append(Step("release", "the container was rolled back to it", release(wanted, record, kept)))
        found, kept = None, False
    if found is None and changing and not converting and _is_eligible(wanted, seen, record):
        how = means(wanted, seen, policy(wanted) == saved.POLICY)[0]
        front.append(
            Step(
                "guard",
                f"guard: {policy(wanted)}; a {how} before the change",
                opening(wanted, seen, how),
                saved.disruption(how),
            )
        )
        record = opened(record, how)
        found, kept = OPEN, True
    elif found == OPEN and changing and not kept:
        what = saved.means_of(record)
        front.append(
            Step("guard", f"an earlier run was cut off before its {what} was there", (take(wanted, seen, what),))
        )
        kept = True
    world.steps[:0] = front
    if found is None or world.state() != states.COMPLETED:
        return None
    health = None
    looks = any(step.kind in ("application", "health") for step in world.steps)
    if found == OPEN and not looks and world.running and wanted.application and wanted.application.health:
        health = "a guarded change: whether the application has survived it"
        # A look, not a change: so it has no entries.
        world.add("health", health, name="health check", by_play=True)
    proved = found == PROVED or looks or health
    why = "the application is healthy after the change" if proved else "the change is made"
    world.add("release", why, *release(wanted, record, kept))
    return health


def is_to_go_back(wanted: Wanted, record: Record, plan: Plan) -> bool:
    """Whether a run that failed is rolled back: by consent, and only where the change itself has failed.

    A refusal changed nothing, and has no steps; when all that is left is to remove the snapshot, the change is good.
    """
    if is_update(record):
        return stage(record) == OPEN
    left = [step for step in plan.steps if step.kind != "release"]
    return policy(wanted) in (ROLLBACK, saved.POLICY) and stage(record) == OPEN and bool(left)


def settled(wanted: Wanted, record: Record, plan: Plan) -> Wanted:
    """The same container, its change unguarded when the plan that the run begins with has no guard.

    What was not complete when a run began isn't guarded by it: not even where the word gets complete in its midst, with
    a restart still to come.
    """
    guarded = stage(record) is not None or any(step.kind == "guard" for step in plan.steps)
    return wanted if guarded else replace(wanted, guarded=False)


def _is_eligible(wanted: Wanted, seen: Observation, record: Record) -> bool:
    """Only what was complete before has a state that is worth going back to."""
    complete = record.word == states.COMPLETED and wanted.target == states.COMPLETED
    return policy(wanted) != "none" and complete and seen.exists and record.ours and not seen.template


def opening(wanted: Wanted, seen: Observation, how: str, purpose: str = "") -> tuple[Entry, ...]:
    """The entries that open a guarded change."""
    more = {**({"means": how} if how == saved.MEANS else {}), **({"for": purpose} if purpose else {})}
    begin = Entry("node", "record", {"guarding": {"stage": OPEN, **more} if more else OPEN})
    return (begin, take(wanted, seen, how))


def opened(record: Record, how: str, purpose: str = "") -> Record:
    """The record after these entries, as far as the plan reads it."""
    return replace(record, guarding={"stage": OPEN, "means": how, "for": purpose})


def take(wanted: Wanted, seen: Observation, how: str) -> Entry:
    """The snapshot or the backup."""
    if how == saved.MEANS:
        return saved.make(seen)
    return on_container(Kind.SNAPSHOT, wanted.node, wanted.ctid, {"snapname": SNAPSHOT})


def _drop() -> Entry:
    return Entry("node", "record", {"guarding": None})


def release(wanted: Wanted, record: Record, kept: bool) -> tuple[Entry, ...]:
    """The entries that end a guarded change."""
    if saved.is_means(record):
        return (*((saved.REMOVE,) if kept else ()), _drop())
    drop = on_container(Kind.SNAPSHOT_DELETE, wanted.node, wanted.ctid, snapshot=SNAPSHOT)
    away = (drop,) if kept else ()
    return (*away, _drop())
