# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recreating: a container that was named for it is destroyed and recreated, by the steps that make any new one.

The record says how far that has come, so that a run which was cut off goes on and destroys nothing twice:
``destroying`` until the old container is gone, ``creating`` until the new one has reached its target state, then
``done``. A later run that names the container again means it again; the run that has recreated it doesn't.
"""

from __future__ import annotations

from dataclasses import replace

from ...pve.apicalls import Kind
from .. import states
from ..cluster import availability
from ..config import growth, protection
from ..config.compare import Comparison
from ..known.world import World
from ..model import RECREATE, Entry, Observation, Record, Step, Wanted, entry_of, on_container
from ..origin import creation
from ..refusal import Code, Refusal
from . import refusals

HOLD_TAG = "phoenix-hold"
HOLD = "hold"
DESTROYING = "destroying"
CREATING = "creating"
DONE = "done"
# What the record has of the old container: gone with it, in one write.
FORGOTTEN = (
    "ours",
    "applied",
    "ledger",
    "identity",
    "assume_installed",
    "forget_ledger",
    "checked_boot",
    "raw_boot",
    "creating",
    "origin",
    "guarding",
    "halted",
    "powered",
    "forced",
    "forgotten",
    "volumes",
    "instance",
    "dhcp",
    "set_by",
    "layer",
    "fresh",
    "host_key",
)
# What it has of the recreation itself, and of rules that go on naming it, and so keeps.
KEPT = ("recreating", "ha_rules")
# What is seen besides the container itself, and still is when it is gone.
_REMAINS = (
    "ctid",
    "elsewhere",
    "moved",
    "source_replaced",
    "source",
    "source_running",
    "source_word",
    "source_ledger",
    "source_applied",
    "source_volumes",
    "source_firewall",
    "above",
    "backup",
    "backup_error",
    "backup_ledger",
    "backup_ledger_error",
    "layering",
    "storages",
    "ha_rules",
    "datacenter_firewall",
)


def stage(record: Record) -> str | None:
    """How far a recreation of this container has come, or None when there was none."""
    return str(record.recreating.get("stage")) if record.recreating else None


def is_due(compared: Comparison, seen: Observation) -> bool:
    """Whether the existing container must go first."""
    wanted, record = compared.wanted, compared.record
    if not wanted.recreate or not seen.exists or seen.creating or wanted.target == states.ABSENT:
        return False
    found = stage(record)
    if found == DONE:
        return str((record.recreating or {}).get("run")) != wanted.run
    if found == CREATING:
        # Begun and not ended: it goes on, unless what is wanted by now can't be reached from there.
        refused = growth.disk_growth(compared)[1]
        # What a restart settles is no reason to destroy it once more.
        lasting = refused is not None and refused.code is not Code.DISK_WAITS
        return lasting or creation.fixed_error(wanted, seen.conf.merged()) is not None
    return True


def held_by(wanted: Wanted, seen: Observation) -> str:
    """What holds the container against every change: the tag in PVE, or the key of the file; empty for nothing."""
    if seen.exists and HOLD_TAG in seen.tags:
        return f"the tag {HOLD_TAG}"
    return f"the key {HOLD}" if wanted.desired.hold else ""


def refusal(wanted: Wanted, seen: Observation, record: Record) -> Refusal | None:
    """Why the container must not be destroyed, or None."""
    what = f"phoenix_recreate_ctids names {wanted.ctid}, but"
    if not record.ours:
        foreign = refusals.foreign_to_destroy(wanted, seen, record)
        return replace(foreign, got=f"{what} {foreign.got}")
    held = held_by(wanted, seen)
    if held:
        return Refusal(Code.HELD, f"{what} it is held by {held}", f"remove {held} first")
    if states.rank(wanted.target) < states.rank(states.CREATED):
        got = f"{what} its target state {wanted.target} would leave it destroyed"
        return Refusal(Code.RECREATE_TARGET, got, "use the playbook destroy for that")
    if seen.ha is not None and wanted.desired.ha is None and availability.KEY not in record.applied:
        got = f"{what} it is managed by HA, whose entry was not set from here"
        remedy = f"add ha to its configuration, or take it out of HA (ha-manager remove ct:{wanted.ctid})"
        return Refusal(Code.HA_FOREIGN, got, remedy)
    return refusals.indestructible(wanted, seen)


def destroy(wanted: Wanted, seen: Observation, record: Record) -> tuple[tuple[Step, ...], Observation, Record]:
    """(the steps that remove it, what is seen after them, what is remembered after them)."""
    begin = Entry("node", "record", {"recreating": DESTROYING})
    begins = () if stage(record) == DESTROYING else (begin,)
    steps: list[Step] = []
    if seen.ha is not None:
        # First: PVE destroys nothing that HA manages, and the HA manager would go on starting and stopping it.
        leave = entry_of(availability.removal(wanted.ctid, keep_rules=bool(seen.ha_rules)))
        steps.append(Step("ha", "managed by HA; it is to be recreated", (*begins, leave)))
        begins = ()
    if seen.running:
        halt = on_container(Kind.SHUTDOWN, wanted.node, wanted.ctid, {"forceStop": 1, "timeout": 60})
        steps.append(Step("stop", "running; it is to be recreated", (*begins, halt), disrupts=RECREATE))
        begins = ()
    volumes = ", ".join(growth.volumes(seen.conf.head)) or "none"
    # Not purged: backup jobs and replication are meant for the CTID and go on with the new container.
    call = on_container(Kind.DESTROY, wanted.node, wanted.ctid)
    forget = Entry("node", "record", {"recreating": CREATING, **dict.fromkeys(FORGOTTEN)})
    word = Entry("node", "state", {"word": states.DEFINED})
    reason = f"phoenix_recreate_ctids names it; destroys the volumes {volumes}"
    steps.append(
        Step(
            "destroy",
            reason,
            (*begins, *unprotect(wanted, seen), call, forget, word),
            disrupts=RECREATE,
            goes_to=states.DEFINED,
        )
    )
    after = Observation(**{name: getattr(seen, name) for name in _REMAINS})
    return (
        tuple(steps),
        after,
        Record(word=states.DEFINED, recreating={"stage": CREATING, "run": wanted.run}, ha_rules=record.ha_rules),
    )


def unprotect(wanted: Wanted, seen: Observation) -> tuple[Entry, ...]:
    """What must come before the destruction of a container whose configuration gives its protection up."""
    if not (protection.is_on(seen.conf.head) and protection.is_given_up(wanted)):
        return ()
    return (on_container(Kind.CONFIG, wanted.node, wanted.ctid, protection.OFF),)


def intent(wanted: Wanted, record: Record) -> dict[str, str]:
    """What the record of a creation says besides: the container asked for, not to be made once more."""
    return {"recreating": CREATING} if wanted.recreate or stage(record) == DESTROYING else {}


def end(wanted: Wanted, record: Record, world: World) -> None:
    """The new container is in its target state: the next time that it is named is a new request."""
    made = any(step.kind in ("create", "clone") for step in world.steps)
    if stage(record) == CREATING or (made and intent(wanted, record)):
        world.add("recreated", "recreation finished", Entry("node", "record", {"recreating": DONE}))
