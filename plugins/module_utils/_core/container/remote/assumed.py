# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for a container of which the API alone is seen: unknown parts are named, and nothing is planned for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from ...pve import marker
from .. import states
from ..config import hostneeds
from ..known import instance
from ..model import Observation, Plan, Record, Step, Wanted
from ..plan import planner

RECORD = "record"
LEDGER = "ledger"
LEASE = "lease"
DEVICES = "devices"
HA = "ha"
FIREWALL = "datacenter firewall"
# Entries of a plan that the API has no call for, and what they are about.
_BY_ROOT = {
    "folder": "folders of the node",
    "pct": "the lock of an interrupted creation (pct unlock)",
    "guest": "the host keys and the machine-id of a copy",
    "ledger": "the ledger inside",
}
_INSIDE = frozenset({"guest", "ledger"})
# Entries of a plan that write into files: of the node, or of the config that the API does not write.
_FILES = frozenset({"node", "conf", "folder"})


@dataclass(frozen=True)
class Unknown:
    """A part of a container that is not seen. ``detail`` is what depends on it, in words; '' where the name says it."""

    name: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.detail})" if self.detail else self.name


@dataclass(frozen=True)
class Assumed:
    """What the planner is given: the container as far as it is seen, without a request for what is not.

    ``recorded``: whether what is remembered of it is known.
    """

    wanted: Wanted
    seen: Observation
    record: Record
    unknown: tuple[Unknown, ...] = ()
    recorded: bool = True


def assume(
    wanted: Wanted,
    seen: Observation,
    record: Record | None = None,
    refused: Collection[str] = (),
    enters: bool = False,
) -> Assumed:
    """Return what to plan with.

    Args:
        record: what a run by a token keeps of the container, None where its description has nothing.
        refused: parts that the API does not show to this token.
        enters: whether the inside of containers is reached in another way.
    """
    unknown = tuple(_unknown(wanted, seen, record, refused, enters))
    names = {each.name for each in unknown}
    if HA in names:
        wanted = wanted.without(HA)
    # Their nodes are not looked up, so none is added, and none that exists is removed.
    wanted = replace(wanted, devices=None, device_error=None)
    if LEDGER in names and states.rank(wanted.target) > states.rank(states.RUNNING):
        wanted = replace(wanted, target=states.RUNNING)
    if not seen.exists or record is not None or wanted.adopt != "no":
        return Assumed(wanted, seen, record or Record(), unknown)
    ident = seen.conf.instance or "unknown"
    conf = replace(seen.conf, markers=(marker.line(ident),))
    seen = replace(seen, conf=conf)
    noted = {"id": ident, **instance.evidence(conf)}
    word = states.COMPLETED if seen.template else None
    return Assumed(wanted, seen, Record(word=word, ours=True, instance=noted), unknown, recorded=False)


def plan(assumed: Assumed) -> Plan:
    """Return the plan, with a note that names what is unknown. Without a record it has the calls to PVE alone."""
    made = planner.plan(assumed.wanted, assumed.seen, assumed.record)
    steps = made.steps
    if not assumed.recorded:
        steps = tuple(step for step in map(_calls, steps) if step.entries or step.by_play)
    return replace(made, steps=steps, notes=(*made.notes, *note(assumed.unknown)))


def note(unknown: Collection[Unknown]) -> tuple[str, ...]:
    """Return the note of a plan that names what is unknown, or none."""
    return (f"unknown over the API: {', '.join(map(str, unknown))}",) if unknown else ()


def _calls(step: Step) -> Step:
    return replace(step, entries=tuple(entry for entry in step.entries if entry.op not in _FILES))


def holds(record: Record) -> bool:
    """Whether earlier runs have applied something inside."""
    book = record.ledger or {}
    return bool(book.get("features") or book.get("application"))


def works_inside(wanted: Wanted) -> bool:
    """Whether anything is to be applied inside a container."""
    return bool(_inside(wanted))


def hindrances(
    wanted: Wanted, seen: Observation, record: Record | None, refused: Collection[str] = (), enters: bool = False
) -> list[str]:
    """Return why a run by a token can't bring a container to its target state, whatever its privileges; [] if it can.

    What only root@pam itself may set is found by the preflight.
    """
    found = []
    if record is None and seen.exists and seen.conf.instance is not None:
        found.append(
            f"it carries the instance id {seen.conf.instance}, and its description has no record of it: it was made "
            "over SSH, or is a copy of another container"
        )
    work = _inside(wanted)
    if work and states.rank(wanted.target) > states.rank(states.RUNNING):
        found += _kept_out(wanted, seen, record, work) if enters else _outside(work)
    if wanted.desired.guard != "none":
        found.append("its guard could not roll back a change that fails")
    if wanted.update:
        found.append("its packages would be updated inside it")
    needed = _devices(wanted)
    if needed:
        found.append(f"it needs devices of the node ({', '.join(needed)})")
    if HA in refused and wanted.desired.ha is not None:
        found.append("its entry of the HA manager is not shown (no Sys.Audit on /)")
    return found


def _outside(work: list[str]) -> list[str]:
    why = f"{' and '.join(work)} would be applied inside it; a target state up to running needs nothing inside"
    return [f"{why}, and with guest_ssh of the node its inside is reached over SSH"]


def _kept_out(wanted: Wanted, seen: Observation, record: Record | None, work: list[str]) -> list[str]:
    """Why nothing can be applied inside a container over SSH."""
    if seen.exists and wanted.recreate:
        return []
    told = " and ".join(work)
    origin = (record.origin or {}) if record else {}
    if not seen.exists and wanted.desired.restore_from:
        return [f"which of {told} its backup has is not shown; a target state up to running needs nothing inside"]
    if seen.running and seen.boot is None and record is not None:
        return [f"{told} can't be applied inside it: {seen.ledger_error or 'it does not answer'}"]
    if seen.exists and not seen.running and "template" in origin and "ssh_public_keys" not in origin:
        why = f"{told} would be applied inside it over SSH, and it was created without the public key of guest_ssh"
        remedy = "Start it and add the key to /root/.ssh/authorized_keys inside, or recreate it"
        return [f"{why}. {remedy} (phoenix_recreate_ctids: [{wanted.ctid}])"]
    return []


def unreachable(made: Plan, enters: bool = False) -> list[str]:
    """Return what of a plan needs the node itself, or the inside of the container where nobody enters it."""
    found = []
    for entry in (entry for step in made.steps for entry in step.entries):
        if entry.op == "ledger" and not entry.params.get("features") and not entry.params.get("application"):
            continue  # a ledger without anything
        if enters and entry.op in _INSIDE:
            continue
        if entry.op in _BY_ROOT:
            found.append(_BY_ROOT[entry.op])
        elif entry.op == "conf" and (entry.params.get("add") or entry.params.get("remove")):
            found.append("raw lines of its config")
    return list(dict.fromkeys(found))


def _inside(wanted: Wanted) -> list[str]:
    names = [feature.name for feature in wanted.features]
    found = [f"features {', '.join(names)}"] if names else []
    return [*found, "the application"] if wanted.application else found


def _devices(wanted: Wanted) -> list[str]:
    return sorted({*hostneeds.classes(wanted), *hostneeds.paths(wanted)})


def _shows_ledger(wanted: Wanted, seen: Observation, record: Record | None, enters: bool) -> bool:
    """Whether it is known what is applied inside: by a look, by the record of one that is stopped, or by its source."""
    if not seen.exists:
        copied = seen.source is not None
        return not wanted.desired.restore_from and (enters if copied else True)
    return enters and record is not None and (not seen.running or seen.boot is not None or wanted.recreate)


def _unknown(
    wanted: Wanted, seen: Observation, record: Record | None, refused: Collection[str], enters: bool
) -> Iterator[Unknown]:
    if seen.exists and record is None:
        yield Unknown(RECORD, "who made it, and which options earlier runs set that the file no longer has")
    work = _inside(wanted)
    if work and not seen.template and not _shows_ledger(wanted, seen, record, enters):
        yield Unknown(LEDGER, f"whether {' and '.join(work)} are current")
    if record is None:
        yield Unknown(LEASE, "whether another run works on it")
    needed = _devices(wanted)
    if needed:
        yield Unknown(DEVICES, ", ".join(needed))
    if HA in refused and wanted.desired.ha is not None:
        yield Unknown(HA, "no Sys.Audit on /")
    if FIREWALL in refused and "firewall" in wanted.desired.keys:
        yield Unknown(FIREWALL, "no Sys.Audit on /")
