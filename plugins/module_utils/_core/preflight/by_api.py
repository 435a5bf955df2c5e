# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judgement on the plans of a run by a token: the same, with what a dry run by it is not stopped by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from . import judgement
from .candidates import Candidate
from .judgement import Facts, Verdict


def judge(
    candidates: Iterable[Candidate], facts: Facts, unseen: Mapping[str, Sequence[int]], check: bool = False
) -> Verdict:
    """Return the verdict. A dry run only reports which privileges a real one needs. ``unseen`` is reported, too."""
    items = list(candidates)
    strict = judgement.judge(items, facts, check)
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
