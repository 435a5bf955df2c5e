# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refusals as values: each code has its meaning and its place, and a result gives the same refusal back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import refusal
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.refusal import Code, Refusal

CORE = Path(refusal.__file__).resolve().parents[1]


def test_every_code_has_a_meaning_and_is_given_somewhere():
    assert set(refusal.MEANING) == set(Code)
    files = [path for path in CORE.rglob("*.py") if path.name != "refusal.py"]
    given = {name for path in files for name in re.findall(r"\bCode\.([A-Z_]+)", path.read_text(encoding="utf-8"))}
    assert given == {code.name for code in Code}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Refusal(Code.HELD, "it is held", "remove the tag"), "it is held; remove the tag"),
        (Refusal(Code.MALFORMED_LINE, "'x' is no line", key="lxc_options"), "lxc_options: 'x' is no line"),
        (Refusal(Code.PATH_OCCUPIED, "taken", "move it", "volumes/0", "data"), "volumes/0 (data): taken; move it"),
        (Refusal(Code.MOVED, "It moved", "Adopt it", joint=". "), "It moved. Adopt it"),
    ],
)
def test_its_text_and_its_way_through_a_result(value: Refusal, text: str):
    assert (value.text(), str(value)) == (text, text)
    assert Refusal.from_json(json.loads(json.dumps(value.to_json()))) == value


def test_an_unknown_code_is_an_error():
    with pytest.raises(ValueError, match="no_such"):
        Refusal.from_json({"code": "no_such"})
