# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What observing a node answers of each container, and the plans of a run's containers, whatever they were seen by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..._core.container.asked_options import WANTED_OPTIONS
from ..._core.container.config.growth import unsaved, volumes
from ..._core.container.known import instance
from ..._core.container.model import Observation, Plan, Record, Wanted
from ..._core.container.plan import planner, recreate
from ..failure import NodeError


def wanted_from(item: dict[str, Any], node: str) -> Wanted:
    """One element of ``containers`` as the planner's input. Raises NodeError for what phoenix_lxc_state refuses."""
    checked = ArgumentSpecValidator(WANTED_OPTIONS).validate(item)
    if checked.error_messages:
        raise NodeError(f"container {item.get('ctid')} of containers: {'; '.join(checked.error_messages)}")
    return Wanted.from_options(checked.validated_parameters, node)


BRIEF = ("state", "final_state", "notes", "waiting")


class Planned:
    """The plans of a run's containers, each made once, with those of the clone sources that the run works on, too."""

    def __init__(
        self,
        wanted: dict[int, Wanted],
        seen: dict[int, Observation],
        make: Callable[[int, Observation], Plan],
    ) -> None:
        self._wanted, self._seen = wanted, seen
        self._make = make  # from a CTID and its observation
        self._plans: dict[int, Plan] = {}

    def of(self, ctid: int) -> Plan:
        """The plan of one container."""
        if ctid not in self._plans:
            self._plans[ctid] = self._make(ctid, self._with_source(ctid))
        return self._plans[ctid]

    def _with_source(self, ctid: int) -> Observation:
        source = self._wanted[ctid].source
        if source is None or source.ctid not in self._seen:
            return self._seen[ctid]
        return planner.below(self._seen[ctid], self._with_source(source.ctid), self.of(source.ctid))


def describe(
    wanted: Wanted, seen: Observation, record: Record, plan: Plan | None, explains: bool = False
) -> dict[str, Any]:
    """One container's part of the result. ``explains``: with why the plan is what it is."""
    why = _why(wanted, seen, record, plan) if plan is not None and explains else None
    # A template or a stopped container shows what was cached of its ledger.
    seen, record = instance.settle(seen, record)
    entries = (seen.ledger or record.ledger or {}).get("features", {})
    result: dict[str, Any] = {
        "exists": seen.exists,
        "ours": record.ours,
        "replaced": record.replaced,
        "running": seen.running,
        "template": seen.template,
        "lock": seen.lock,
        "held": bool(recreate.held_by(wanted, seen)),
        "recorded_state": record.word,
        "hostname": seen.conf.head.get("hostname"),
        "address": seen.address,
        "features": [name for name, entry in entries.items() if entry.get("status") == "applied"],
        "applied": [
            {"name": name, **{key: entry.get(key, "") for key in ("digest", "at", "run")}}
            for name, entry in entries.items()
            if entry.get("status") == "applied"
        ],
        "ledger_error": seen.ledger_error,
        "volumes": volumes(seen.conf.head),
        "unsaved": unsaved(seen.conf.head),
        "protected": seen.conf.head.get("protection") == "1",
    }
    if seen.layering and seen.layering.leader:
        result["awaits_layer"] = {"ctid": seen.layering.leader, "volume": seen.layering.volume}
    if seen.layering:
        result["layers"] = dict(wanted.layers or {})
    if plan is not None:
        result.update(
            name=wanted.desired.name, state=plan.state, plan=plan.as_dict(), due=bool(plan.steps or plan.error)
        )
    return result if why is None else {**result, "why": why}


def _why(wanted: Wanted, seen: Observation, record: Record, plan: Plan) -> dict[str, Any]:
    # Only here: a run seldom asks.
    from ..._core.container.explaining.explained import explain

    return explain(wanted, seen, record, plan)


def briefly(described: dict[str, Any]) -> dict[str, Any]:
    """What a run reads of a container: of one without work little."""
    if described.get("due", True):
        return described
    plan = {key: described["plan"][key] for key in BRIEF if described["plan"].get(key)}
    return {"hostname": described["hostname"], "name": described["name"], "due": False, "plan": plan}


def unobserved(text: str) -> dict[str, Any]:
    """The result's part of a container that could not be observed or planned for."""
    nothing = {"exists": None, "ours": None, "running": None, "template": None, "recorded_state": None}
    return {**nothing, "features": [], "volumes": [], "unsaved": [], "due": True, "error": text}
