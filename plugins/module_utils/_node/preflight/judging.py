# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check of a run's plans on the node, with the result that the modules return."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ..._core.preflight import judgement, node_faults
from ..._core.preflight.candidates import Candidate, chosen
from .node_survey import Gatherer


def judged(
    gatherer: Gatherer,
    containers: Iterable[Mapping[str, Any]],
    demands: Mapping[str, Any],
    dry: bool,
    warn: Callable[[str], Any],
) -> dict[str, Any]:
    """Return the findings and the missing templates; with findings, ``report`` is all of them as one text.

    ``containers`` have the form of CANDIDATE_OPTIONS, ``demands`` that of DEMAND_OPTIONS.
    """
    candidates = [Candidate.from_options(item) for item in containers]
    mine = {item.ctid for item in candidates}
    shares = {item["ctid"]: item["share"] for item in demands["neighbors"] if item["ctid"] not in mine}
    facts = gatherer.gather(candidates, demands["coming"], demands["credential"], shares)
    verdict = judgement.judge(candidates, facts, dry)
    return as_result(verdict, gatherer.node, warn)


def as_result(verdict: judgement.Verdict, node: str, warn: Callable[[str], Any]) -> dict[str, Any]:
    """Return a verdict on the plans for a node as the modules do, and pass its warnings on."""
    for warning in verdict.warnings:
        warn(warning)
    result: dict[str, Any] = {
        "changed": False,
        "findings": [finding.as_dict() for finding in verdict.findings],
        "downloads": [dict(entry.params) for step in verdict.steps for entry in step.entries],
        "plan": verdict.plan().as_dict(),
        "journal": [],
    }
    if verdict.findings:
        result["report"] = node_faults.report(node, verdict.findings)
    return result


def of_observed(
    gatherer: Gatherer,
    observed: Mapping[str, Mapping[str, Any]],
    items: Iterable[Mapping[str, Any]],
    asked: Mapping[str, Any],
    dry: bool,
    warn: Callable[[str], Any],
) -> dict[str, Any]:
    """Return the check of the containers that were just planned for: its findings and the missing templates.

    ``observed`` is what was seen by the CTID as text, ``items`` what was asked of each, ``asked`` PREFLIGHT_OPTIONS. An
    error is ``problem``, with the CTIDs that it concerns: the observation is as good without.
    """
    configs = {str(item["ctid"]): item.get("config") or {} for item in items}
    containers = chosen(observed, configs, asked["needs"])
    if not containers:
        return {"findings": [], "downloads": []}
    try:
        found = judged(gatherer, containers, asked, dry, warn)
    except Exception as error:  # noqa: BLE001 - the containers without work on the node are not concerned
        words = " ".join(str(error).split()) or type(error).__name__
        return {"findings": [], "downloads": [], "problem": words, "ctids": [item["ctid"] for item in containers]}
    return {name: found[name] for name in ("findings", "downloads")}
