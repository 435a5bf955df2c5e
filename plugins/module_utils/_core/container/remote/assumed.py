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
    """What the planner is given: the container as far as it is seen, without a request for what is not."""

    wanted: Wanted
    seen: Observation
    record: Record
    unknown: tuple[Unknown, ...] = ()


def assume(wanted: Wanted, seen: Observation, refused: Collection[str] = ()) -> Assumed:
    """Return what to plan with. ``refused`` are parts that the API does not show to this token."""
    unknown = tuple(_unknown(wanted, seen, refused))
    names = {each.name for each in unknown}
    if HA in names:
        wanted = replace(wanted, config={key: value for key, value in wanted.config.items() if key != HA})
    # Their nodes are not looked up, so none is added, and none that exists is removed.
    wanted = replace(wanted, devices=None, device_error=None)
    if LEDGER in names and states.rank(wanted.target) > states.rank(states.RUNNING):
        wanted = replace(wanted, target=states.RUNNING)
    if not seen.exists:
        return Assumed(wanted, seen, Record(), unknown)
    ident = seen.conf.instance or "unknown"
    conf = replace(seen.conf, markers=(marker.line(ident),))
    seen = replace(seen, conf=conf)
    noted = {"id": ident, **instance.evidence(conf)}
    word = states.COMPLETED if seen.template else None
    return Assumed(wanted, seen, Record(word=word, ours=True, instance=noted), unknown)


def plan(assumed: Assumed) -> Plan:
    """Return the plan of the calls to PVE, with a note that names what is unknown."""
    made = planner.plan(assumed.wanted, assumed.seen, assumed.record)
    steps = tuple(step for step in map(_calls, made.steps) if step.entries or step.by_play)
    return replace(made, steps=steps, notes=(*made.notes, *note(assumed.unknown)))


def note(unknown: Collection[Unknown]) -> tuple[str, ...]:
    """Return the note of a plan that names what is unknown, or none."""
    return (f"unknown over the API: {', '.join(map(str, unknown))}",) if unknown else ()


def _calls(step: Step) -> Step:
    return replace(step, entries=tuple(entry for entry in step.entries if entry.op not in _FILES))


def _unknown(wanted: Wanted, seen: Observation, refused: Collection[str]) -> Iterator[Unknown]:
    if seen.exists:
        yield Unknown(RECORD, "who made it, and which options earlier runs set that the file no longer has")
    inside = [feature.name for feature in wanted.features]
    work = [f"features {', '.join(inside)}"] if inside else []
    work += ["the application"] if wanted.application else []
    copied = not seen.exists and (seen.source is not None or wanted.desired.restore_from)
    if work and (seen.exists or copied) and not seen.template:
        yield Unknown(LEDGER, f"whether {' and '.join(work)} are current")
    yield Unknown(LEASE, "whether another run works on it")
    needed = sorted({*hostneeds.classes(wanted), *hostneeds.paths(wanted)})
    if needed:
        yield Unknown(DEVICES, ", ".join(needed))
    if HA in refused and wanted.config.get(HA) is not None:
        yield Unknown(HA, "no Sys.Audit on /")
    if FIREWALL in refused and wanted.config.get("firewall") is not None:
        yield Unknown(FIREWALL, "no Sys.Audit on /")
