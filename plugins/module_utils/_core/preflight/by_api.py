# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judgement on the plans of a run by a token: the same, with what a dry run by it is not stopped by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from . import judgement, privileges
from .candidates import Candidate
from .judgement import Facts, Verdict
from .node_faults import Finding

_NOTES = "VM.Config.Options"  # of the description, in which a run by a token keeps its record and its lease


def judge(
    candidates: Iterable[Candidate], facts: Facts, unseen: Mapping[str, Sequence[int]], check: bool = False
) -> Verdict:
    """Return the verdict. A dry run only reports which privileges a real one needs. ``unseen`` is reported, too."""
    items = list(candidates)
    strict = _with_notes(judgement.judge(items, facts, check), items, facts)
    warnings = [
        f"by its API node {facts.node} does not show {what}; containers that need it: "
        f"{', '.join(str(ctid) for ctid in dict.fromkeys(ctids))}"
        for what, ctids in unseen.items()
    ]
    if not check:
        return replace(strict, warnings=(*strict.warnings, *warnings))
    lenient = judgement.judge(items, replace(facts, permissions=None), check)
    lacking = [finding for finding in strict.findings if finding not in lenient.findings]
    warnings += [f"a real run by this token fails: {finding.line()}" for finding in lacking]
    return replace(lenient, warnings=(*lenient.warnings, *warnings))


def _with_notes(verdict: Verdict, items: Iterable[Candidate], facts: Facts) -> Verdict:
    """The verdict, with what a change of any container needs: its description."""
    found = []
    for item in items:
        where = f"/vms/{item.ctid}"
        if facts.permissions is None or not item.mutations or item.refusal:
            continue
        if _NOTES not in privileges.held(facts.permissions, where):
            got = f"{facts.credential} has no {_NOTES} on {where}, where a run keeps its record in the description"
            remedy = f"On the node: {privileges.grant(facts.credential, where, [_NOTES])}"
            found.append(Finding(item.place(), got, "a credential that may do what this run does", remedy))
    return replace(verdict, findings=(*verdict.findings, *found))
