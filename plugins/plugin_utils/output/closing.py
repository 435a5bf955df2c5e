# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run: its failures, each once, and the table of what became of containers and nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.output import wording
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.output.progress import Failure, Progress

HEAD = ("", "changed", "settled", "waiting for a restart", "held", "failed", "unreachable", "seconds")


def failure_lines(failures: Iterable[Failure], log: str, resume: Mapping[str, str]) -> list[str]:
    """What failed, where, why, where the log is, and the command that resumes."""
    lines: list[str] = []
    for failure in failures:
        word = "UNREACHABLE" if failure.unreachable else "FAILED"
        place = f"{failure.step}, {failure.task}" if failure.step else failure.task
        lines += ["", f"{word}: {failure.who}, in the task '{place}'"]
        for message in failure.message:
            lines += wording.block(message)
        if log:
            lines.append(f"  Log: {log}")
        command = resume.get(failure.host)
        if command:
            lines.append(f"  Resume: {command}")
    if lines:
        lines.append("")
    return lines


def table(progress: Progress, failed: Iterable[str], unreachable: Iterable[str], seconds: float) -> list[str]:
    """The closing table: a row of containers and a row of other hosts, where the run had any."""
    counts = progress.counts
    lost, broken = set(unreachable), set(failed)
    containers = {*counts.observed, *counts.lost, *progress.order}
    broken |= {ctid for ctid in counts.lost if ctid not in lost}
    rows = []
    if containers:
        mine = (broken | lost) & containers
        changed = counts.changed - mine if not progress.check else _would_change(progress) - mine
        settled = containers - changed - mine
        rows.append(
            (
                "containers",
                len(changed),
                len(settled),
                len(counts.waiting & containers),
                len(counts.held & containers),
                len(broken & containers),
                len(lost & containers),
                wording.took(seconds),
            )
        )
    others = progress.hosts | ((broken | lost) - containers)
    if others:
        mine = (broken | lost) & others
        changed = progress.changed_hosts - mine
        left = len(others - changed - mine)
        end = "" if rows else wording.took(seconds)
        rows.append(("hosts", len(changed), left, 0, 0, len(broken & others), len(lost & others), end))
    if not rows:
        return [wording.took(seconds)]
    head = list(HEAD)
    if progress.check:
        head[1] = "would change"
    cells = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD))]
    return [
        "  ".join(
            cell.ljust(width) if not at else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]


def _would_change(progress: Progress) -> set[str]:
    if not progress.counts.observed:
        return set(progress.counts.changed)  # a playbook that plans in its tasks alone
    return {
        ctid for ctid, seen in progress.counts.observed.items() if ctid in progress.counts.due and not seen.get("error")
    }
