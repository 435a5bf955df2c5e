# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the planner refuses: each refusal says what is wrong, why it stops, and what to do."""

from __future__ import annotations

from dataclasses import replace

from .. import states
from ..applied import ledger
from ..cluster import availability
from ..config import growth, protection
from ..config.compare import Comparison
from ..desired import EXISTING
from ..known import instance
from ..model import Observation, Record, Wanted
from ..origin import clones, creation, restores
from ..refusal import Code, Refusal
from .basis import Basis


def refusal(basis: Basis) -> Refusal | None:
    """The reason to refuse any step, or None."""
    wanted, seen, record = basis.wanted, basis.seen, basis.record
    if wanted.target == states.ABSENT:
        return _destroy(wanted, seen, record)
    if seen.elsewhere:
        return _elsewhere(wanted, seen, record)
    if wanted.desired.unfit:
        return wanted.desired.unfit
    managed = _managed(wanted)
    if managed:
        return managed
    if wanted.device_error and states.rank(wanted.target) >= states.rank(states.CONFIGURED):
        return wanted.device_error
    if not seen.exists:
        return _create(basis)
    if seen.lock == "create" and not seen.creating:
        got = f"container {wanted.ctid} is being created by another client (lock: create)"
        return Refusal(Code.BEING_CREATED, got, "wait for it, then run again")
    ours = record.ours or bool(seen.creating)
    if not ours and wanted.adopt not in ("record", "reapply"):
        return foreign(wanted, seen, record)
    if seen.creating == "failed" and seen.later_task:
        return Refusal(
            Code.INTERRUPTED_CREATION,
            f"container {wanted.ctid} is left by an interrupted creation (lock: create), but another task worked on it "
            f"later: {seen.later_task}; nothing of it is removed",
            f"Look at it, then pct unlock {wanted.ctid} and pct destroy {wanted.ctid}, or finish it by hand and use "
            "phoenix_adopt",
            joint=". ",
        )
    if seen.creating == "failed":
        return _create(basis)  # what a dead creation of ours left is removed first, so it needn't fit
    return (
        template_fault(wanted, seen, record)
        or creation.fixed_error(wanted, seen.conf.merged())
        or growth.disk_growth(basis.compared)[1]
        or _mounts(basis.compared)
        or _protected(basis.compared)
    )


def _managed(wanted: Wanted) -> Refusal | None:
    """Why the HA manager would keep the container from the state that it is to reach."""
    runs = states.rank(wanted.target) >= states.rank(states.RUNNING)
    found = availability.conflict(wanted.desired.ha, runs, wanted.desired.is_template)
    if found is None:
        return None
    key, got, remedy = found
    return Refusal(Code.HA_CONFLICT, got, remedy, key=key)


def _elsewhere(wanted: Wanted, seen: Observation, record: Record) -> Refusal:
    """Says which guest of the cluster has the CTID. A container that moved keeps its node's name in its key only."""
    other = seen.moved
    if other is None:
        got = f"CTID {wanted.ctid} is taken by {seen.elsewhere}"
        return Refusal(Code.CTID_TAKEN, got, "choose another CTID or move that guest away")
    noted = instance.known(record)
    name = other.conf.head.get("hostname", "no name")
    same = record.ours and noted.get("id") and other.conf.instance == noted["id"]
    what = (
        f"container {wanted.ctid} ({name}) moved to node {other.node}"
        if same
        else f"CTID {wanted.ctid} is taken by {seen.elsewhere} ({name}); choose another CTID, unless that is the "
        "container that is meant"
    )
    return Refusal(
        Code.MOVED if same else Code.CTID_TAKEN,
        f"{what}. Nothing is created on node {wanted.node}",
        f"To manage it where it is, set node to {other.node!r} in its configuration, and take it over there with "
        "phoenix_adopt: 'record', which repeats none of its features",
        joint=". ",
    )


def template_fault(wanted: Wanted, seen: Observation, record: Record) -> Refusal | None:
    """A template that this collection did not make is never taken for the finished container."""
    if not seen.template or states.rank(wanted.target) < states.rank(states.RUNNING):
        return None
    renew = f"name {wanted.ctid} in phoenix_recreate_ctids, which destroys and recreates it"
    if not wanted.desired.is_template:
        return Refusal(
            Code.TEMPLATE_UNMANAGED,
            f"container {wanted.ctid} is a template, which never runs, and its configuration has no is_template",
            f"set is_template to true if it is meant to be one, or {renew}",
        )
    if record.word == states.COMPLETED or record.assume_installed or wanted.adopt == "record":
        return None
    cached = (record.ledger or {}).get("features") or {}
    names = [feature.name for feature in wanted.features]
    missing = [name for name in names if cached.get(name, {}).get("status") != ledger.APPLIED]
    application = (record.ledger or {}).get("application") or {}
    if wanted.application and wanted.application.digest and application.get("status") != ledger.APPLIED:
        missing.append(f"the application {wanted.application.name}".strip())
    if not missing:
        return None
    return Refusal(
        Code.TEMPLATE_INCOMPLETE,
        f"container {wanted.ctid} was made a template by hand before it was complete: {', '.join(missing)} not on "
        "record as applied, and nothing can be applied in a template",
        f"{renew}, or set phoenix_adopt to 'record' if all of it is installed",
    )


def _mounts(compared: Comparison) -> Refusal | None:
    """Why a mount point can't be had: its path is occupied, or which volume it means is not known."""
    if states.rank(compared.wanted.target) < states.rank(states.CONFIGURED):
        return None
    # What is reverted first may have hidden what is in the way.
    return compared.places.error or compared.after.places.error


def _protected(compared: Comparison) -> Refusal | None:
    """PVE changes no drive of a protected container, and says so only when it is asked to."""
    wanted, changes = compared.wanted, compared.changes
    if states.rank(wanted.target) < states.rank(states.CONFIGURED):
        return None
    if protection.in_order(changes, compared.conf.merged(), compared.record):
        return None
    drives = ", ".join(protection.drives(changes))
    got = f"container {wanted.ctid} is protected, so PVE changes none of its drives ({drives})"
    return Refusal(Code.PROTECTED, got, _unprotect(wanted))


def _unprotect(wanted: Wanted) -> str:
    by_hand = f"pct set {wanted.ctid} --protection 0"
    return f"remove the protection first (set protection to false in its configuration, or {by_hand})"


def foreign(wanted: Wanted, seen: Observation, record: Record) -> Refusal:
    """Names a container that exists under our CTID and is not the one that our record speaks of, if it has one."""
    head = seen.conf.head
    state = "running" if seen.running else "stopped"
    memory = f"{head.get('memory', '?')} MiB, {head.get('cores', 'all')} cores, rootfs {head.get('rootfs', '?')}"
    made = f", made by {seen.past.made}" if seen.past and seen.past.made else ""
    if record.replaced:
        why = f"is not the container on record under that CTID, so it is left alone: {record.replaced}"
    else:
        why = "was not created or adopted by this collection, so it is left alone"
        if seen.conf.instance:
            why += f". It carries the instance id {seen.conf.instance}, which is not on record on this node"
        if record.word:
            why += f". An old state file says {record.word!r}, without a ledger that names the features"
    return Refusal(
        Code.FOREIGN_CONTAINER,
        f"container {wanted.ctid} exists ({head.get('hostname', 'no name')}, {state}, {memory}{made}) and {why}",
        "To take it over set phoenix_adopt for it: 'record' assumes that the listed features are installed, 'reapply' "
        "runs them",
        joint=". ",
    )


def foreign_to_destroy(wanted: Wanted, seen: Observation, record: Record) -> Refusal:
    """The same for one that is to be destroyed."""
    found = foreign(wanted, seen, record)
    return replace(found, remedy=f"{found.remedy}. Only then may it be destroyed from here")


def _create(basis: Basis) -> Refusal | None:
    wanted = basis.wanted
    if states.rank(wanted.target) < states.rank(states.CREATED):
        return None
    if clones.source_ctid(wanted) is not None:
        return clones.refusal(wanted, basis.seen, basis.source, basis.created)
    if wanted.desired.restore_from:
        return restores.refusal(wanted, basis.seen, basis.created)
    if wanted.desired.template:
        return None
    got = (
        f"container {wanted.ctid} doesn't exist, and its configuration has no template, clone_from_ctid or restore_from"
    )
    if "template" in wanted.desired.keys:  # EXISTING, since there is no other without a template
        got = f'container {wanted.ctid} doesn\'t exist, and its configuration has "{EXISTING}" in place of a template'
        return Refusal(Code.NO_ORIGIN, got, "name the template that it is to be created from", "template")
    return Refusal(Code.NO_ORIGIN, got, "add one of them")


def _destroy(wanted: Wanted, seen: Observation, record: Record) -> Refusal | None:
    if not seen.exists:
        return None
    if not record.ours and not seen.creating:
        return foreign_to_destroy(wanted, seen, record)
    if not wanted.destroy_confirmed:
        name, gone = seen.conf.head.get("hostname", "no name"), ", ".join(growth.volumes(seen.conf.head)) or "none"
        got = f"destroying container {wanted.ctid} ({name}) with the volumes {gone} needs the confirmation"
        return Refusal(Code.DESTROY_UNCONFIRMED, got, "the exact list of all CTIDs", joint=": ")
    return indestructible(wanted, seen)


def indestructible(wanted: Wanted, seen: Observation) -> Refusal | None:
    """Why a container of ours must not be destroyed: it is protected, or others live on its volumes."""
    if protection.is_on(seen.conf.head) and not protection.is_given_up(wanted):
        return Refusal(Code.PROTECTED, f"container {wanted.ctid} is protected", _unprotect(wanted))
    if seen.linked_clones:
        others = ", ".join(str(ctid) for ctid in seen.linked_clones)
        got = f"container {wanted.ctid} is the source of linked clones that live on its volumes ({others})"
        return Refusal(Code.LINKED_CLONES, got, "destroy those first, or leave it")
    return None
