# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The update of a container's packages on request: guarded, proved, and rolled back when it fails.

The guard's record says how far it has come: ``open`` while the packages are updated and looked at, ``proved`` when all
checks were good. A run that is cut off goes on from there.
"""

from __future__ import annotations

from ...pve.apicalls import Kind
from ..guarding import guard, saved, wayback
from ..known.world import World
from ..model import HOT, Entry, Observation, Plan, Record, Step, Wanted, on_container
from ..refusal import Code, Refusal
from . import recreate, refusals

BEGIN, END = "begin", "end"
KIND = "update"


def plan(wanted: Wanted, seen: Observation, record: Record, world: World) -> Plan:
    """The plan of a request."""
    state = world.state()
    error = _refusal(wanted, seen, record)
    if error:
        return Plan(state=state, refusal=error, final_state=state)
    held = recreate.held_by(wanted, seen)
    if held:
        return Plan(state=state, final_state=state, notes=(f"not updated: held by {held}",))
    back = _back(wanted, seen, record)
    if back:
        run = (record.guarding or {}).get("run", "unknown")
        note = f"the update of run {run} failed and was cut off on its way back; the next run updates it again"
        return Plan(state=state, steps=(back,), final_state=state, notes=(note,))
    left = skipped(seen)
    if left and guard.is_update(record) and guard.is_kept(seen, record):
        run = (record.guarding or {}).get("run", "unknown")
        got = f"the update of container {wanted.ctid} by run {run} was cut off, and it can't go on: {left}"
        error = Refusal(Code.UPDATE, got, f"roll it back with {guard.command(seen, record)}, or remove the reason")
        return Plan(state=state, refusal=error, final_state=state)
    if left:
        return Plan(state=state, final_state=state, notes=(f"not updated: {left}",))
    if wanted.update == END:
        return Plan(state=state, steps=_ended(wanted, seen, record), final_state=state)
    steps, refused = _begun(wanted, seen, record)
    if refused:
        return Plan(state=state, refusal=refused, final_state=state)
    return Plan(state=state, steps=steps, final_state=state, notes=_notes(seen))


def _back(wanted: Wanted, seen: Observation, record: Record) -> Step | None:
    """What is left of the way back that an earlier run was cut off on."""
    if wayback.is_due(seen, record):
        return wayback.step(wanted, record, seen)
    if guard.is_update(record) and guard.stage(record) == guard.RESTORED and not seen.running:
        start = on_container(Kind.START, wanted.node, wanted.ctid)
        return Step("start", "it was restored and not started", (start,), disrupts=HOT)
    return None


def ends(wanted: Wanted, step: Step) -> bool:
    """Whether a run that has made this step makes no other: the way back is proved before anything else."""
    return bool(wanted.update) and step.kind in (wayback.KIND, "start")


def skipped(seen: Observation) -> str:
    """Why no run updates the container; empty when one does."""
    if seen.template:
        return "a template is never entered; recreate it, with its clones"
    if not seen.running:
        return "it does not run"
    if seen.updates is not None and seen.updates.packages is None:
        return "not known which packages its system would update"
    return ""


def is_to_be_proved(wanted: Wanted, record: Record, plan: Plan) -> bool:
    """Whether the container must pass its checks now: before an update, after it, and after the way back."""
    kinds = [step.kind for step in plan.steps]
    return (wanted.update == BEGIN and "guard" in kinds) or (
        wanted.update == END and guard.stage(record) != guard.PROVED
    )


def _begun(wanted: Wanted, seen: Observation, record: Record) -> tuple[tuple[Step, ...], Refusal | None]:
    found, kept = guard.stage(record), guard.has_state(seen, record)
    front: list[Step] = []
    if found in (guard.PROVED, guard.RESTORED, guard.BACK):
        why = "the update before this one was good" if found == guard.PROVED else "the container was rolled back to it"
        front.append(Step("release", why, guard.release(wanted, record, kept)))
        found = None
    if found == guard.OPEN:
        if not kept:
            how = saved.means_of(record)
            why = f"an earlier run was cut off before its {how} was there"
            front.append(Step("guard", why, (guard.take(wanted, seen, how),), disrupts=saved.disruption(how)))
        return (*front, *_work(wanted, record, f"begun by run {(record.guarding or {}).get('run', 'unknown')}")), None
    packages = (seen.updates.packages if seen.updates else None) or ()
    if not packages:
        return tuple(front), None
    how, refused = guard.means(wanted, seen, or_backup=True)
    if refused or (how == saved.SNAPSHOT_MEANS and not front and guard.SNAPSHOT in seen.conf.snapshots):
        return (), refused or guard.foreign_snapshot(wanted)
    opening = guard.opening(wanted, seen, how, guard.UPDATE)
    front.append(Step("guard", f"a {how} before the update", opening, disrupts=saved.disruption(how)))
    return (*front, *_work(wanted, guard.opened(record, how, guard.UPDATE), _counted(len(packages)))), None


def _work(wanted: Wanted, record: Record, why: str) -> tuple[Step, ...]:
    """What comes under the guard."""
    looks = [feature.name for feature in wanted.features if feature.rest.get("check")]
    looks += ["health_check"] if wanted.application and wanted.application.health else []
    checked = f"checked by: {', '.join(looks)}" if looks else "nothing checks it: no feature has a check"
    work = (Step(KIND, why, name="packages", by_play=True), Step("health", checked, name="after it", by_play=True))
    return (*work, Step("release", "the update is good", _good(wanted, record)))


def _good(wanted: Wanted, record: Record) -> tuple[Entry, ...]:
    return (Entry("node", "record", {"guarding": guard.PROVED}), *guard.release(wanted, record, kept=True))


def _ended(wanted: Wanted, seen: Observation, record: Record) -> tuple[Step, ...]:
    """The update was good, or what a failed one was rolled back to is."""
    found = guard.stage(record)
    if found == guard.OPEN and guard.is_kept(seen, record):
        return (Step("release", "the update is good", _good(wanted, record)),)
    if found in (guard.OPEN, guard.PROVED, guard.RESTORED):
        kept = guard.has_state(seen, record)
        return (Step("release", "the container works", guard.release(wanted, record, kept)),)
    return ()


def _notes(seen: Observation) -> tuple[str, ...]:
    if seen.updates is None:
        return ()
    kept = (f"kept back by its package manager: {', '.join(seen.updates.kept)}",) if seen.updates.kept else ()
    packages = tuple(f"package {package.text}" for package in seen.updates.packages or ())
    return (*(packages or ("all packages are current",)), *kept)


def _counted(number: int) -> str:
    return f"{number} package{'' if number == 1 else 's'} with newer versions"


def _refusal(wanted: Wanted, seen: Observation, record: Record) -> Refusal | None:
    if not seen.exists:
        return Refusal(Code.UPDATE, f"container {wanted.ctid} doesn't exist", "run containers.yml first")
    if not record.ours:
        return refusals.foreign(wanted, seen, record)
    if guard.stage(record) in (guard.OPEN, guard.PROVED) and not guard.is_update(record):
        got = f"a guarded change of container {wanted.ctid} is under way or was cut off"
        return Refusal(Code.UPDATE, got, "run containers.yml first, which ends it")
    return None
