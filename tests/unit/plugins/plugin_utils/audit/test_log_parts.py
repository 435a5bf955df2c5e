# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of a container: what of an answer is taken, under which names, and what the screen shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.auditline import (
    AuditEvent,
    format_line,
    of_container,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit import log_parts
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit.audit_reading import latest_lines

HOSTILE = {"application": "\x1b[2J" + "x" * 3 * log_parts.MOST, "../../etc/passwd": "x", "audit": None}


def test_only_known_parts_are_taken_bounded_and_clean() -> None:
    parts = log_parts.safe(HOSTILE)
    assert list(parts) == list(log_parts.PARTS)
    assert len(parts["application"]) == log_parts.MOST
    assert "\x1b" not in parts["application"]
    assert list(log_parts.files(parts)) == ["application.log"]


def test_the_screen_has_the_last_lines_of_each_part() -> None:
    parts = log_parts.safe({"audit": "".join(f"line {n}\n" for n in range(100))})
    lines = log_parts.lines(parts, ["a note"], [])
    assert "audit trail of the node (40 lines, 60 earlier lines with phoenix_logs_to)" in lines
    assert "  line 99" in lines
    assert "  line 59" not in lines
    assert lines[-1] == "a note"
    assert log_parts.lines(parts, ["a note"], ["/f/node.log"]) == ["/f/node.log", "a note"]


def test_the_lines_of_one_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forged = 'x ctid=950 event=run'
    events = [
        AuditEvent("2026-11-28T00:00:00+00:00", "INFO", "r", ctid, forged, str(n)) for n, ctid in enumerate((950, 95))
    ]
    text = "".join(f"{format_line(event)}\n" for event in events) + "not a line ctid=950 at all\n"
    (tmp_path / "orchestrator_20261128.log").write_text(text, encoding="ascii")
    monkeypatch.setenv("PHOENIX_LOG_DIR", str(tmp_path))
    (line,) = of_container(latest_lines(), 950, 1000)
    assert "outcome=0" in line


def test_of_too_many_lines_the_latest_are_kept() -> None:
    lines = [
        format_line(AuditEvent("2026-11-28T00:00:00+00:00", "INFO", "r", 950, "run", f"{n:03}")) for n in range(100)
    ]
    kept = of_container(lines, 950, 10 * (len(lines[0]) + 1))
    assert kept == lines[-10:]
