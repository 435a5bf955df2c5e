# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest's text loses before a person or a parser sees it."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core import guesttext
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import ledger


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("plain ünïcödé ✓\tand\nlines\r\n", "plain ünïcödé ✓\tand\nlines\n"),
        ("a\x1b[31;1mred\x1b[0m", "ared"),
        ("a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c", "abc"),
        ("a\x1bPq#0\x1b\\b\x1b(0c\x1b7d", "abcd"),
        ("a\x9b2Jb\x9d0;t\x9cc", "abc"),
        ("a\rb\x00c\x7fd\x85e", "a\ufffdb\ufffdc\ufffdd\ufffde"),
        ("\u202egnp.exe\u2066\u200f", "\ufffdgnp.exe\ufffd\ufffd"),
        ("a\x1b]never ended" + "x" * 9000, "a\ufffd]never ended" + "x" * 9000),
        ("a\u2028b", "a\ufffdb"),
    ],
)
def test_clean(text: str, left: str) -> None:
    assert guesttext.clean(text) == left


@given(st.text())
def test_nothing_is_left_that_a_terminal_acts_on(text: str) -> None:
    left = guesttext.clean(text)
    assert all(char in "\n\t" or not ("\x00" <= char < " " or "\x7f" <= char <= "\x9f") for char in left)
    assert guesttext.clean(left) == left


def test_a_line_is_one() -> None:
    assert guesttext.line(b"a\n\x1b[1mb\xff" + b" c" * 500, 9) == "c c c c c"


@pytest.mark.parametrize(("text", "deep"), [("[[[]]]", False), ("[[[[]]]]", True), ('["[[[[[", "\\"[[[["]', False)])
def test_depth(text: str, deep: bool) -> None:
    assert guesttext.is_deeper(text, 3) is deep


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "nested deeper than 8 levels"),
        ('{"version":1,"features":' + '{"a":' * 40_000, "nested deeper than 8 levels"),
        ("x" * (ledger.MAX_BYTES + 1), "longer than"),
        (
            '{"version": 1, "features": {"a": {"status": "applied", "run": "\\u001b[2J"}}}',
            "run of 'a' is not a short text",
        ),
    ],
)
def test_a_forged_ledger_is_refused(text: str, why: str) -> None:
    with pytest.raises(ledger.LedgerError, match=why):
        ledger.parse(text)


def test_a_forged_reason_is_clean() -> None:
    entry = {"status": "applied", "ctid": True, "components": {"variables": {"x\x1b[2J": "y"}, "under": [["\x07", {}]]}}
    found = ledger.parse(json.dumps({"version": 1, "features": {"a": entry}}))["features"]["a"]
    assert found["components"] == {"files": "", "variables": {"x": "y"}, "under": [["\ufffd", "{}"]]}
    assert "ctid" not in found


@pytest.mark.parametrize("begin", ["\x90", "\x9d\x98", "\x1b]", "\x1b]\x90", "\x9b0", "\x1b "], ids=ascii)
def test_begun_sequences_without_an_end_cost_no_more_than_other_text(begin: str) -> None:
    """A guest prints up to 64 MiB: what looked for the end at each character took a second for 40,000 of them."""
    text = begin * (400_000 // len(begin))
    started = time.process_time()
    left = guesttext.clean(text)
    assert time.process_time() - started < 3
    assert not guesttext.CONTROLS.search(left)


def test_a_string_within_a_string_is_no_text() -> None:
    assert guesttext.clean("a\x9dtitle\x9cb\x90\x98c\x9cd") == "ab\ufffdd"
