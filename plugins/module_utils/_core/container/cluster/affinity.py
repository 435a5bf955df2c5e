# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the HA manager that name the container: those that it joins, and those that it leaves again.

Rules are for Proxmox VE 9 and later, and belong to the cluster: a run makes none and deletes none, and changes nothing
of one but its own container in the list ``resources``. A plan says ``resources=+ct:950`` or ``resources=-ct:950``:
which others are in the list is read right before the call, so that containers of one run join a rule in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...pve.apicalls import Call, Kind, words
from ..harules import KEY, RESOURCES, Rule

RECORD = "ha_rules"  # of the record: the rules that a run put the container into
_RULES = "/cluster/ha/rules"
_JOINED = "joined"


@dataclass(frozen=True)
class Change:
    """A change of one rule: the call, why, and what the record has of rules after it."""

    call: Call
    reason: str
    joined: Mapping[str, str]

    @property
    def is_joining(self) -> bool:
        """Whether the container joins the rule. The record says so before the call, in case the run is cut off."""
        return joins(self.call.params)


@dataclass(frozen=True)
class Changes:
    """What brings the container into the rules that are asked for; ``joined`` is what the record has at the end.

    ``kept`` are the rules that it would leave, and that PVE does not write without it.
    """

    changes: tuple[Change, ...] = ()
    joined: Mapping[str, str] | None = None
    kept: tuple[str, ...] = ()


def changes(ctid: int, asked: Iterable[str], there: Mapping[str, Rule], joined: Mapping[str, str]) -> Changes:
    """The comparison of the rules asked for, those that name the container, and those that runs put it into."""
    asked = tuple(asked)
    known = dict.fromkeys((name for name in joined if name in asked or name in there), _JOINED)
    gone = [name for name in known if name not in asked]
    found = []
    for name in gone:  # first: a container is in one rule of node affinity at most
        if there[name].can_shrink:
            del known[name]
            reason = f"ha: leaves rule {name}, which an earlier run put it into and the configuration no longer has"
            found.append(Change(_call(ctid, name, "-"), reason, dict(known)))
    for name in asked:
        if name not in there:
            known[name] = _JOINED
            found.append(Change(_call(ctid, name, "+"), f"ha: joins rule {name} ({KEY})", dict(known)))
    return Changes(tuple(found), known, tuple(name for name in gone if not there[name].can_shrink))


def joins(params: Mapping[str, object]) -> bool:
    """Whether the planned call with these parameters adds the container to a rule."""
    return str(params.get(RESOURCES)).startswith("+")


def resources(there: object, change: str) -> list[str]:
    """The list of a rule after the planned change of one resource, ``+ct:950`` or ``-ct:950``."""
    sign, sid = change[:1], change[1:]
    known = words(there)
    if sign == "+":
        return sorted({*known, sid})
    return [each for each in known if each != sid]


def _call(ctid: int, rule: str, sign: str) -> Call:
    return Call("PUT", f"{_RULES}/{rule}", {RESOURCES: f"{sign}ct:{ctid}"}, kind=Kind.HA_RULE, ctid=ctid)
