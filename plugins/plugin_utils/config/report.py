# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings as plain text: one line each, as compilers write them, so that editors and grep find the place."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding

LIMIT = 200
"""Findings that a report shows; the count at its end is of all."""


def line(finding: Finding) -> str:
    """One finding on one line."""
    place = f"{finding.file}:{finding.line}:{finding.column}" if finding.line else finding.file
    got = finding.got if finding.got.startswith(("no ", "unknown ", "neither ")) else "got " + finding.got
    near = f" (did you mean {finding.nearest}?)" if finding.nearest else ""
    parts = [place, finding.pointer, f"{got}{near}, expected {finding.expected}", "remedy: " + finding.remedy]
    text = "  ".join(part for part in parts if part)
    # Keys come from the file: a line feed or an escape sequence in one must not reach the terminal.
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def lines(findings: Sequence[Finding]) -> list[str]:
    """The first findings, one line each, and how many are left out."""
    shown = [line(finding) for finding in findings[:LIMIT]]
    if len(findings) > LIMIT:
        shown.append(f"... and {len(findings) - LIMIT} more")
    return shown


def report(findings: Sequence[Finding]) -> str:
    """The whole report, grouped by file; empty when there is nothing wrong."""
    if not findings:
        return ""
    text: list[str] = ["The configuration is faulty; nothing was touched.", ""]
    previous = None
    for finding in findings[:LIMIT]:
        if previous is not None and finding.file != previous:
            text.append("")
        previous = finding.file
        text.append(line(finding))
    if len(findings) > LIMIT:
        text.append(f"... and {len(findings) - LIMIT} more")
    files = len({finding.file for finding in findings})
    text += ["", _count(len(findings), "error") + " in " + _count(files, "file")]
    return "\n".join(text)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
