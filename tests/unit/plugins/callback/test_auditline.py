# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line format: whatever goes in, one line comes out that says the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.auditline import (
    LEVELS,
    AuditEvent,
    format_line,
    parse_line,
)

TIME = "2026-11-23T20:15:04.120+00:00"
TEXT = st.text(st.characters(), max_size=60)


def test_a_line_as_documented() -> None:
    event = AuditEvent(
        TIME, "INFO", "20261123T201500-3f9c1a00", 950, "created->configured", "ok", 0.0614, {"calls": "2"}
    )
    assert format_line(event) == (
        f"{TIME} INFO run=20261123T201500-3f9c1a00 ctid=950 event=created->configured outcome=ok seconds=0.061 calls=2"
    )


def test_what_is_absent_is_a_dash() -> None:
    line = format_line(AuditEvent(TIME, "INFO", "r", None, "run", "started"))
    assert " ctid=- " in line
    assert line.endswith(" seconds=-")


@given(event=TEXT, outcome=TEXT, extra=TEXT, run=TEXT, level=st.sampled_from(LEVELS))
def test_round_trip_on_one_line(event: str, outcome: str, extra: str, run: str, level: str) -> None:
    audit = AuditEvent(TIME, level, run, 950, event, outcome, 1.5, {"msg": extra, "x_1": extra})
    line = format_line(audit)
    assert line.splitlines() == [line]
    assert line.isascii()
    assert line.isprintable()
    assert parse_line(line) == audit
    assert parse_line(line + "\n") == audit


@given(text=TEXT)
def test_a_value_cannot_imitate_a_field(text: str) -> None:
    forged = f'x" ctid=999 outcome=ok seconds=0 {text}'
    parsed = parse_line(format_line(AuditEvent(TIME, "INFO", "r", 950, forged, "failed", None, {"msg": forged})))
    assert (parsed.ctid, parsed.outcome, parsed.event, parsed.extras["msg"]) == (950, "failed", forged, forged)


@pytest.mark.parametrize(
    "changes",
    [
        {"time": "2026-11-23T20:15:04"},
        {"time": f"{TIME}\n"},
        {"level": "info"},
        {"extras": {"run": "x"}},
        {"extras": {"two words": "x"}},
        {"extras": {"": "x"}},
    ],
)
def test_our_own_mistakes_are_refused(changes: dict) -> None:
    values = {"time": TIME, "level": "INFO", "run": "r", "ctid": 1, "event": "e", "outcome": "ok", **changes}
    with pytest.raises(ValueError, match=r"audit|ISO"):
        format_line(AuditEvent(**values))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "free text",
        f"{TIME} INFO",
        f"{TIME} INFO run=r ctid=1 event=e outcome=ok",
        f"{TIME} INFO ctid=1 run=r event=e outcome=ok seconds=-",
        f"{TIME} INFO run=r ctid=1 event=e outcome=ok seconds=- run=r",
        f'{TIME} INFO run=r ctid=1 event="e outcome=ok seconds=-',
        f"{TIME} INFO run=r ctid=x event=e outcome=ok seconds=-",
        f"{TIME} INFO run=r ctid=1 event=e outcome=ok seconds=- trailing",
    ],
)
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_line(line)
