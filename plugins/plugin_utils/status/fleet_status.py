# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of a fleet as one document of plain data. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.auditline import AuditEvent, parse_line
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import status_rows
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.guesttext import clean

VERSION = 1
MOST_RUNS = 20
_LONGEST = 2000


def document(
    at: str,
    nodes: Iterable[Mapping[str, Any]],
    without_node: Iterable[str],
    known: Mapping[str, Mapping[str, Any]],
    trail: Iterable[str] = (),
) -> dict[str, Any]:
    """The status at a time.

    Args:
        at: the time, ISO 8601.
        nodes: the facts of the nodes, as phoenix_lxc_info sets them.
        without_node: containers whose node the run does not have.
        known: CTID -> what the inventory knows: ``source``, ``node``, ``gpus`` and ``share``.
        trail: lines of the controller's audit trail, oldest first.
    """
    nodes = list(nodes)
    seen: dict[str, Mapping[str, Any]] = {}
    for facts in nodes:
        seen.update((str(ctid), item) for ctid, item in (facts.get("phoenix_observed") or {}).items())
    lost = status_rows.unobserved(nodes, without_node)
    rows = [
        _container(ctid, seen.get(ctid) or {}, known.get(ctid) or {}, lost.get(ctid, "")) for ctid in _all(seen, lost)
    ]
    return {"version": VERSION, "at": at, "containers": rows, "runs": runs(trail)}


def _all(*found: Mapping[str, Any]) -> list[str]:
    return sorted({ctid for each in found for ctid in each}, key=int)


def _container(ctid: str, seen: Mapping[str, Any], known: Mapping[str, Any], lost: str) -> dict[str, Any]:
    plan = seen.get("plan") or {}
    steps = [
        {"kind": str(step.get("kind")), "name": str(step.get("name") or ""), "reason": _text(step.get("reason"))}
        for step in plan.get("steps") or ()
    ]
    return {
        "ctid": int(ctid),
        "name": _text(seen.get("hostname") or seen.get("name") or ""),
        "node": _text(known.get("node") or ""),
        "state": "unknown" if lost else str(seen.get("state") or seen.get("recorded_state") or ""),
        "state_in_words": "unknown" if lost else status_rows.state_in_words(seen),
        "running": bool(seen.get("running")),
        "template": bool(seen.get("template")),
        "held": bool(seen.get("held")),
        "ha": bool(seen.get("ha")),
        "address": _text(seen.get("address") or ""),
        "source": str(known.get("source") or ""),
        "gpus": _text(known.get("gpus") or ""),
        "gpu_share": known.get("share"),
        "features": [
            {key: _text(item.get(key)) for key in ("name", "digest", "at", "run")} for item in seen.get("applied") or ()
        ],
        "steps": steps,
        "waiting": [_text(key) for key in plan.get("waiting") or ()],
        "notes": [_text(note) for note in plan.get("notes") or ()],
        "error": _text(lost or seen.get("error") or plan.get("error") or ""),
        "in_no_backup": [_text(path) for path in seen.get("unsaved") or ()],
    }


def _text(value: Any) -> str:
    """Text that may come from a guest."""
    return clean("" if value is None else str(value))[:_LONGEST]


def runs(trail: Iterable[str]) -> list[dict[str, Any]]:
    """The last runs of the trail, latest first, each with its end where it has one."""
    found: dict[str, dict[str, Any]] = {}
    for line in trail:
        event = _event(line)
        if event is None or event.event != "run":
            continue
        run = found.setdefault(event.run, {"run": event.run, "at": event.time, "outcome": "not ended", "seconds": None})
        if event.extras.get("playbook"):
            run["playbook"] = _text(event.extras["playbook"])
        outcome = event.extras.get("result") or event.outcome
        if event.outcome == "dry-run":
            run["dry_run"] = True
        if outcome != "started":
            counts = {
                key: event.extras[key] for key in ("hosts", "changed", "failed", "unreachable") if key in event.extras
            }
            run.update(outcome=outcome, seconds=event.seconds, **counts)
    return list(reversed(list(found.values())))[:MOST_RUNS]


def _event(line: str) -> AuditEvent | None:
    if " event=run " not in line:
        return None
    try:
        return parse_line(line)
    except ValueError:
        return None
