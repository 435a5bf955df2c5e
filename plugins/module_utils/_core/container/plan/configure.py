# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that bring a container's config, raw lines, firewall and disks to what is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...pve.apicalls import Kind
from ...pve.fwfile import Firewall
from .. import states
from ..cluster import affinity, availability, firewall_changes, membership
from ..config import growth, hostneeds, mounts, options, protection
from ..config.changes import Changes
from ..config.compare import RAW, Comparison, left_waiting
from ..known.world import World
from ..model import HOT, NOTHING, RESTART, Entry, Observation, Record, Wanted, entry_of, on_container
from ..registry import addresses


def differs(compared: Comparison, firewall: Firewall, pool: str) -> bool:
    """Whether the config is other than the desired one."""
    return (
        bool(compared.reverts)
        or bool(compared.changes)
        or bool(growth.disk_growth(compared)[0])
        or compared.lines != ([], [])
        or bool(compared.firewall(firewall))
        or compared.move(pool) is not None
    )


def notes_of(compared: Comparison, seen: Observation) -> list[str]:
    """Notes on its devices, on its firewall, when the configuration has one, and on the rules that it can't leave."""
    notes, desired = hostneeds.notes(compared.wanted, compared.lines[0]), compared.wanted.desired
    if firewall_changes.KEY in desired.keys:
        foreign = compared.firewall(seen.firewall).foreign
        notes += [f"firewall: a rule that was not set from here is kept: {rule.line()}" for rule in foreign]
    if desired.firewall.enabled and not seen.datacenter_firewall:
        notes.append(
            "firewall: enabled, but the firewall of the datacenter is off, so nothing is filtered; switch that on "
            "once your own access is in its rules (pvesh set /cluster/firewall/options --enable 1)"
        )
    if seen.backup_ledger_error:
        notes.append(
            f"restore_from: the ledger in the backup can't be read ({seen.backup_ledger_error}), so every feature is "
            "listed until the container is restored"
        )
    return notes + [
        f"ha: it stays in rule {name}, which Proxmox VE does not keep without it; delete the rule if nobody needs it "
        f"(ha-manager rules remove {name})"
        for name in compared.rules(seen.ha_rules).kept
    ]


def by_hand_notes(compared: Comparison) -> list[str]:
    """The sub-options that were set by hand beside ours: they are kept, and said, since no key of the file has them."""
    actual = compared.conf.merged()
    notes = []
    for key, option in compared.options.items():
        found = options.by_hand(option, actual.get(key), compared.record.applied.get(key))
        if found:
            notes.append(f"{key}: {','.join(found)} is not in the configuration and is kept")
    return notes


def configure(wanted: Wanted, seen: Observation, record: Record, world: World, target: int) -> list[str]:
    """Adds the config write, the raw lines and the disk growth. Returns what waits for a restart afterwards."""
    waiting = sorted(seen.conf.pending) if world.exists and seen.running else []
    if world.exists and seen.running and record.raw_boot is not None and record.raw_boot == seen.boot:
        waiting.append("lxc")
    waiting += _unaddressed(seen, record, waiting)
    if not world.exists or target < states.rank(states.CONFIGURED):
        return waiting
    compared = world.compared
    earlier, undone, changes, conf = compared.record, compared.reverts, compared.changes, compared.after.conf
    grown = list(growth.disk_growth(compared.after)[0].items())
    add, remove = compared.lines
    filtering = compared.firewall(world.firewall)
    moving = compared.move(world.pool)
    managing = compared.managing(world.ha)
    # The record must not forget what is still to be removed, in case this run is cut off.
    aside = (
        (RAW, bool(add or remove)),
        (membership.KEY, moving is not None),
        (firewall_changes.KEY, bool(filtering)),
    )
    to_come = {key for key, pending in aside if pending}
    later = {availability.KEY} if managing else set()
    if undone:
        world.differs = bool(changes or grown or to_come)
        world.config = conf.merged()
        # Alone: PVE takes no other change of an option that the same call reverts.
        call = on_container(Kind.CONFIG, wanted.node, wanted.ctid, {"revert": ",".join(sorted(undone.reasons))})
        claim = Entry("node", "record", {"applied": dict(undone.after(earlier).applied)})
        # The values are remembered with the last step that makes them so.
        own = (claim,) if undone.claims else ()
        known = own if changes else (_remember(changes, earlier, to_come | later),)
        world.add("configure", "; ".join(undone.reasons.values()), call, *known)
        waiting = [key for key in waiting if key not in undone.reasons]
    *before, changes = protection.in_order(changes, conf.merged(), earlier)
    for first in before:
        world.differs = True
        world.config = first.onto(world.config)
        call = on_container(Kind.CONFIG, wanted.node, wanted.ctid, first.params())
        world.add("configure", "; ".join(first.reasons.values()), call)
    changes, grown = _grow_first(wanted, world, changes, grown)
    if changes:
        world.differs = bool(grown or to_come)
        world.config = changes.onto(world.config)
        call = on_container(Kind.CONFIG, wanted.node, wanted.ctid, changes.params())
        remember = _remember(changes, earlier, to_come | later)
        late = addresses.without_client(changes.set, conf.head) if world.running and seen.boot else []
        remember = _noting(remember, late, seen)
        made = mounts.folders(compared.after.places, changes.set, wanted.missing, conf)
        world.add("configure", "; ".join(changes.reasons.values()), *made, call, remember, disrupts=changes.disrupts)
        if world.running:
            still = [key for key in _unaddressed(seen, record, ()) if addresses.is_by_dhcp(key, world.config)]
            kept = {*(key for key in waiting if key == "lxc"), *late, *still}
            waiting = sorted({*left_waiting(changes, conf), *kept})
    if add or remove:
        to_come.remove(RAW)
        world.differs = bool(grown or to_come)
        _raw_lines(wanted, seen, world, _remember(changes, earlier, to_come | later), (add, remove))
        waiting = sorted({*waiting, "lxc"}) if world.running else waiting
    if moving:
        to_come.remove(membership.KEY)
        world.differs = bool(grown or to_come)
        _move(world, moving, _remember(changes, earlier, to_come | later))
    if filtering:
        world.differs = bool(grown)
        world.firewall = filtering.after
        calls = (entry_of(call.on(wanted.node, wanted.ctid)) for call in filtering.calls)
        remember = _remember(changes, earlier, later)
        disrupts = HOT if world.running else NOTHING
        world.add("firewall", "; ".join(filtering.reasons), *calls, remember, disrupts=disrupts)
    elif not (undone or changes or add or remove or moving or managing) and _unrecorded(changes, earlier, world, grown):
        world.differs = bool(grown)
        remember = _remember(changes, earlier, set())
        world.add("record", "the values to compare with next time", remember)
    for disk, size in grown:
        world.differs = disk != grown[-1][0]
        _resize(wanted, world, disk, size)
    _plan_managing(world, managing, _remember(changes, earlier, set()), compared.rules(seen.ha_rules))
    return waiting


def _grow_first(
    wanted: Wanted, world: World, changes: Changes, grown: list[tuple[str, str]]
) -> tuple[Changes, list[tuple[str, str]]]:
    """Grows the disks that change as well, so that what is written, or waits for a restart, has the new size.

    Returns the changes with these sizes, and the disks that are still to grow.
    """
    for disk, size in grown:
        if disk in changes.set:
            world.differs = True
            _resize(wanted, world, disk, size)
            changes = changes.resized(disk, size)
    return changes, [each for each in grown if each[0] not in changes.set]


def _resize(wanted: Wanted, world: World, disk: str, size: str) -> None:
    call = on_container(Kind.RESIZE, wanted.node, wanted.ctid, {"disk": disk, "size": size})
    world.add("resize", f"{disk} grows to {size}", call, disrupts=HOT if world.running else NOTHING)


def _unaddressed(seen: Observation, record: Record, waiting: Iterable[str]) -> list[str]:
    """The interfaces that were set to DHCP since the container was started, and are still."""
    now = seen.conf.merged()
    late = [key for key, boot in record.dhcp.items() if seen.running and boot == seen.boot]
    return [key for key in late if key not in waiting and addresses.is_by_dhcp(key, now)]


def _unrecorded(changes: Changes, earlier: Record, world: World, grown: Any) -> bool:
    """Whether nothing needs to change, but what is remembered isn't that yet: the values, or the state's word."""
    if dict(changes.applied) != dict(earlier.applied) or not mounts.is_recorded(changes.volumes, earlier):
        return True
    return world.word == states.CREATED and not grown


def _remember(changes: Changes, earlier: Record, to_come: set[str]) -> Entry:
    """The write of the values last applied, of what is still to come as it was, and of the volumes that are known."""
    kept = {key: earlier.applied[key] for key in to_come if key in earlier.applied}
    values = {key: value for key, value in changes.applied.items() if key not in to_come}
    known = changes.volumes or earlier.volumes
    volumes = {"volumes": {name: dict(tied) for name, tied in changes.volumes.items()}} if known else {}
    return Entry("node", "record", {"applied": {**values, **kept}, **volumes})


def _noting(remember: Entry, late: list[str], seen: Observation) -> Entry:
    """The write of the record, with the interfaces that get no address by DHCP before the next start."""
    if not late:
        return remember
    return Entry("node", "record", {**remember.params, "dhcp": dict.fromkeys(late, str(seen.boot))})


def _move(world: World, moving: membership.Move, remember: Entry) -> None:
    world.pool = moving.after
    world.add("pool", moving.reason, entry_of(moving.call), remember)


def _plan_managing(
    world: World, managing: availability.Managing | None, remember: Entry, rules: affinity.Changes
) -> None:
    world.managing, world.rules = (managing, remember) if managing else None, rules
    if not managing or not managing.is_new:
        manage(world)


def manage(world: World) -> None:
    """Adds the change of the HA manager's entry and of its rules, unless they were added before.

    A container comes into HA once it runs: its first start needs no HA manager, which would take its time for it. A
    rule takes only what is in HA.
    """
    (managing, remember), world.managing = world.managing or (None, None), None
    rules, world.rules = world.rules, None
    if managing and remember:
        world.ha = managing.after
        disrupts = NOTHING
        if world.running and availability.halts(managing.call):
            world.running, disrupts = False, RESTART
        if managing.after is None and world.compared.record.ha_rules:  # PVE takes it out of all rules
            remember = Entry("node", "record", {**remember.params, affinity.RECORD: None})
        world.add("ha", managing.reason, entry_of(managing.call), remember, disrupts=disrupts)
    if rules and not (managing and managing.after is None):
        _join(world, rules)


def _join(world: World, rules: affinity.Changes) -> None:
    for change in rules.changes:
        write = Entry("node", "record", {affinity.RECORD: dict(change.joined) or None})
        call = entry_of(change.call)
        world.add("ha", change.reason, *((write, call) if change.is_joining else (call, write)))
    if not rules.changes and dict(rules.joined or {}) != dict(world.compared.record.ha_rules):
        write = Entry("node", "record", {affinity.RECORD: dict(rules.joined or {}) or None})
        world.add("record", "ha: the rules that a run put it into and that still name it", write)


def _raw_lines(wanted: Wanted, seen: Observation, world: World, remember: Entry, lines: Any) -> None:
    add, remove = lines
    text = [f"+{key}: {value}" for key, value in add] + [f"-{key}: {value}" for key, value in remove]
    edit = Entry("conf", "edit raw lines", {"add": [list(line) for line in add], "remove": [list(x) for x in remove]})
    values = dict(remember.params)
    if world.running:
        values["raw_boot"] = seen.boot
    disrupts = RESTART if world.running else NOTHING
    reason = f"{hostneeds.source_of(wanted, [*add, *remove])}: {', '.join(text)}"
    world.add("raw", reason, edit, Entry("node", "record", values), disrupts=disrupts)
