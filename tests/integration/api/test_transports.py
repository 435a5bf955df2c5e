# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cases that a token can't do are those of the table in docs/token-access.md, and the other way round."""

from __future__ import annotations

import re
from pathlib import Path

import transports

DOCS = Path(transports.__file__).resolve().parents[2] / "docs" / "token-access.md"
# Rows whose refusal another test shows, since no case of the state machine has it: row -> (module, test).
ELSEWHERE = {
    "features, applications": (
        "test_token_changes",
        "test_what_a_token_can_not_do_is_refused_before_anything_is_touched",
    ),
    "`hypervisor_config.json`": ("test_token_plays", "test_status_and_a_dry_run_with_a_token_that_only_looks"),
    "`update`": ("test_token_plays", "test_containers_are_made_and_destroyed_by_a_token"),
    "`guard`": ("test_token_changes", "test_a_guard_is_refused_before_anything_is_touched"),
}


def rows():
    """{work: what a token can do of it}."""
    text = DOCS.read_text(encoding="utf-8").partition("## Transports")[2].partition("\n### ")[0]
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {cell[0]: cell[2] for cell in cells[1:] if not cell[0].startswith("---")}


def limited():
    return {work for work, token in rows().items() if re.search(r"\brefused\b|\bno\b|up to", token)}


def test_each_refusal_is_a_row():
    refused = {why.row for why in transports.REFUSED.values()} | set(ELSEWHERE)
    known = rows()
    assert known
    assert {row for row in refused if not any(work.startswith(row) for work in known)} == set()


def test_each_row_with_a_refusal_has_a_case():
    refused = {why.row for why in transports.REFUSED.values()} | set(ELSEWHERE)
    assert {work for work in limited() if not any(work.startswith(row) for row in refused)} == set()


def names_in(name):
    """The names of the tests of a module, here or among the proofs."""
    (path,) = Path(transports.__file__).parent.glob(f"*/{name}.py")
    return re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_each_name_is_that_of_a_test():
    known = {test for name in transports.BOTH for test in names_in(name)}
    named = {key.partition(" ")[0] for key in transports.REFUSED}
    named |= set(transports.ONLY_SSH) | transports.FAULTS | transports.ONLY_LONG
    assert named - known == set()
    for module, name in ELSEWHERE.values():
        assert name in names_in(module)
