# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting and stopping a container on request, and keeping one stopped that somebody stopped from here."""

from __future__ import annotations

import dataclasses

from ...pve.apicalls import Kind
from .. import states
from ..asked_options import RESTART_IT, SHUTDOWN, START, STOP
from ..known.world import World
from ..model import HOT, RESTART, Entry, Observation, Plan, Record, Step, Wanted, on_container
from ..refusal import Code, Refusal
from . import recreate, refusals

_PATIENCE = 60  # seconds of a shutdown before PVE reports that the container did not end


def plan(wanted: Wanted, seen: Observation, record: Record, world: World) -> Plan:
    """The plan of a request."""
    state = world.state()
    error = _refusal(wanted, seen, record)
    if error:
        return Plan(state=state, refusal=error, final_state=state)
    on, off = (dataclasses.replace(world, running=runs).state() for runs in (True, False))
    step = _step(wanted, seen, record, (on, off))
    final = state if step is None or step.goes_to is None else step.goes_to
    return Plan(state=state, steps=(step,) if step else (), final_state=final)


def target(wanted: Wanted, seen: Observation, record: Record, world: World, notes: list[str]) -> int:
    """How far a run takes the container: one that was stopped on request, and not started since, stays stopped.

    Every run says so. One that somebody started by hand is noted as running.
    """
    asked = states.rank(wanted.target)
    if not record.halted or not seen.exists:
        return asked
    if seen.running:
        world.add("record", "it was started since", Entry("node", "record", {"halted": None}))
        return asked
    notes.append(
        f"stopped on purpose by the run {record.halted}: left stopped; to start it: playbooks/power.yml "
        f"-e phoenix_power=start --limit {wanted.ctid}"
    )
    return min(asked, states.rank(states.CONFIGURED))


def _step(wanted: Wanted, seen: Observation, record: Record, words: tuple[str, str]) -> Step | None:
    asked = wanted.power
    if asked == RESTART_IT and record.powered == wanted.run:
        return None  # done; it runs again
    if asked in (STOP, SHUTDOWN):
        note = Entry("node", "record", {"halted": wanted.run})
        if not seen.running:
            return None if record.halted else Step("record", "it stays stopped", (note,))
        kind, params = (Kind.STOP, {}) if asked == STOP else (Kind.SHUTDOWN, {"timeout": _PATIENCE})
        call = on_container(kind, wanted.node, wanted.ctid, params)
        # First the note: a run that is cut off leaves a container that no other run starts.
        return _made(asked, (note, call), words[1], RESTART)
    done = Entry("node", "record", {"halted": None, "powered": wanted.run})
    if not seen.running:
        return _made(START, (on_container(Kind.START, wanted.node, wanted.ctid), done), words[0], HOT)
    if asked == START:
        forget = Entry("node", "record", {"halted": None})
        return Step("record", "it runs", (forget,)) if record.halted else None
    return _made(asked, (on_container(Kind.REBOOT, wanted.node, wanted.ctid), done), words[0], RESTART)


def _made(kind: str, entries: tuple[Entry, ...], word: str, disrupts: str) -> Step:
    state = Entry("node", "state", {"word": word})
    return Step(kind, f"phoenix_power: {kind}", (*entries, state), disrupts=disrupts, goes_to=word)


def _refusal(wanted: Wanted, seen: Observation, record: Record) -> Refusal | None:
    if not seen.exists:
        return Refusal(Code.POWER, f"container {wanted.ctid} doesn't exist", "run containers.yml first")
    if not record.ours:
        return refusals.foreign(wanted, seen, record)
    held = recreate.held_by(wanted, seen)
    if held:
        return Refusal(Code.HELD, f"container {wanted.ctid} is held by {held}", f"remove {held} first")
    if seen.template:
        return Refusal(Code.POWER, f"container {wanted.ctid} is a template, which never runs", "name its clones")
    return None
