# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run of the executor ends: what it did, or the step that failed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..._core.container import states, summary
from ..._core.container.model import RECREATE, Observation, Plan, Step, Wanted
from ..._core.container.origin import making
from ..._core.pve.words.advice import advice
from ..._core.pve.words.faults import decode
from ..failure import NodeError
from ..pve.client import PveError


@dataclass
class Outcome:
    """What a run of the executor did."""

    first: Plan
    last: Plan
    seen: Observation
    journal: list[dict[str, Any]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def next_step(ctid: int, error: Exception) -> str:
    """What the reader of a failure can do about it; '' when its words say it all."""
    if isinstance(error, PveError):
        # A task's log may say what its end doesn't.
        return advice(ctid, error.fault or decode(str(error)), error.status)
    return advice(ctid, decode(str(error)))


@contextlib.contextmanager
def on_container(ctid: int) -> Iterator[None]:
    """Add to each known error which container it is about, and what to do next."""
    try:
        yield
    except NodeError as error:
        error.remedy = error.remedy or next_step(ctid, error)
        error.happened_at(f"container {ctid}")
        raise


class StepError(NodeError):
    """A step failed. The text names the step, PVE's words, the state that was reached, and what helps."""

    def __init__(self, ctid: int, step: Step, state: str, error: Exception, journal: list[dict[str, Any]]) -> None:
        reached = "before there was a container" if state == states.DEFINED else f"in state {state}"
        super().__init__(
            str(error),
            what=f"{step.kind} failed {reached}",
            where=f"container {ctid}",
            remedy=next_step(ctid, error),
            state=state,
            journal=journal,
            changed=bool(journal),
        )

    def __str__(self) -> str:
        return f"{super().__str__()}. Run it again to resume from there"


def report(wanted: Wanted, outcome: Outcome, check: bool) -> dict[str, Any]:
    """The result that people and playbooks read."""
    shown = outcome.first if check else outcome.last
    journal = [entry.as_dict() for step in outcome.first.steps for entry in step.entries] if check else outcome.journal
    lines = summary.summary(outcome.first)
    title = f"container {wanted.ctid}: {outcome.first.state} -> {outcome.first.final_state}"
    seen = outcome.seen
    # What is to be recreated is not there to be looked into: its new self is predicted whole.
    remade = check and any(step.disrupts == RECREATE for step in outcome.first.steps)
    by_name = {feature.name: feature.to_json() for feature in wanted.features}
    return {
        "changed": bool(journal),
        "ctid": wanted.ctid,
        "state": shown.final_state if check else shown.state,
        "previous_state": outcome.first.state,
        "plan": outcome.first.as_dict(),
        "journal": journal,
        "due_features": [{**by_name[item["name"]], **item} for item in shown.due_features],
        "application_due": shown.application_due,
        "application": wanted.application.to_json() if wanted.application else None,
        "health_due": shown.health_due,
        "leaves_layer_after": next((step.name for step in shown.steps if step.kind == making.LEAVE), ""),
        "exists": seen.exists and not remade,
        "running": seen.running and not remade,
        "address": None if remade else seen.address,
        "waiting": list(shown.waiting),
        "notes": list(shown.notes),
        **({"updates": _updates(seen)} if wanted.update else {}),
        "diff": [{"prepared": "\n".join([title, *lines]) + "\n"}] if lines else [],
    }


def _updates(seen: Observation) -> list[dict[str, str]]:
    """The packages with newer versions."""
    found = (seen.updates.packages if seen.updates else None) or ()
    return [{"name": one.name, "old": one.old, "new": one.new} for one in found]
