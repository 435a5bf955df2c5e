# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The explanation of a plan as lines and as a document."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.status import why_text

ROW = {
    "key": "memory",
    "source": "memory_mb",
    "configured": "1024",
    "actual": "512",
    "recorded": "512",
    "live": None,
    "by_hand": [],
    "verdict": "changes",
    "reason": "memory: 512 -> 1024 (memory_mb)",
    "at": 1793491200,
    "run": "R1",
}
FEATURE = {
    "name": "base",
    "digest": "a" * 64,
    "applied_digest": "b" * 64,
    "status": "applied",
    "differs": ["variable port changed"],
    "due": "variable port changed",
    "at": "T2",
    "run": "R2",
}
WHY = {
    "state": "created",
    "final_state": "completed",
    "error": "",
    "steps": [{"kind": "configure", "name": "", "reason": ROW["reason"]}],
    "waiting": ["features"],
    "notes": ["a note"],
    "keys": [ROW],
    "not_managed": ["ostype"],
    "features": [FEATURE],
    "left_behind": ["old"],
    "application": None,
}


def document(**more: Any) -> dict[str, Any]:
    """The document of a node with one container, and of one without a node."""
    facts = {"phoenix_observed": {"950": {"name": "web", "why": {**WHY, **more}}}, "phoenix_faults": {"951": "lost"}}
    return why_text.document("T", [facts], ["952"])


def test_each_container_has_an_explanation_or_a_fault() -> None:
    found = document()["containers"]
    assert [item["ctid"] for item in found] == [950, 951, 952]
    assert found[1]["fault"] == "lost"
    assert found[0]["keys"][0]["at"].startswith("20")
    assert json.dumps(document())


def test_the_lines_have_the_three_values_and_both_digests() -> None:
    text = "\n".join(why_text.lines(document()["containers"][0]))
    assert text.startswith("950 web: created -> completed, the next run makes 1 step\n  1. configure: memory: 512")
    row = next(line for line in text.splitlines() if line.startswith("  memory (memory_mb)"))
    assert row.split()[2:6] == ["changes", "1024", "512", "512"]
    assert row.endswith(" by run R1")
    assert f"{'a' * 12}   {'b' * 12}" in text
    assert "  base: variable port changed" in text
    for line in ("  not managed: ostype", "  waits for a restart: features", "  note: a note"):
        assert line in text.splitlines()


def test_a_settled_container_and_a_refused_one() -> None:
    settled = document(steps=[], state="completed")["containers"][0]
    assert why_text.lines(settled)[0] == "950 web: completed, the next run changes nothing"
    refused = document(error="it is foreign")["containers"][0]
    assert why_text.lines(refused)[0] == "950 web: created, refused: it is foreign"


def test_no_text_is_one_that_a_terminal_obeys() -> None:
    found = document(keys=[{**ROW, "actual": "\x1b[2Jx\x07"}], notes=["\x1b]0;t\x07n"], not_managed=["\x1bc"])
    assert "\x1b" not in json.dumps(found, ensure_ascii=False)
    assert not [line for line in why_text.lines(found["containers"][0]) if not line.isprintable()]
