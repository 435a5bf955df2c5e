# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PVE tags, three-way: current ones, what we want, what we set earlier."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import options
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.desired import understand
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import tags


@pytest.mark.parametrize(
    ("there", "wanted", "applied", "sent"),
    [
        (None, ["web", "llm"], None, "llm;web"),
        ("llm;web", ["web", "llm"], None, None),
        ("web,llm mine", ["llm"], ["llm", "web"], "llm;mine"),
        ("mine", ["LLM"], None, "LLM;mine"),
        ("llm;mine", ["LLM"], ["llm"], None),
        ("llm;mine", [], ["llm"], "mine"),
        ("llm", [], ["llm"], ""),
        ("mine", [], ["llm"], None),
        ("mine", [], None, None),
    ],
)
def test_ours_come_and_go_and_those_of_others_stay(there, wanted, applied, sent):
    assert tags.changed(there, wanted, applied) == sent


def test_both_spellings_mean_the_same():
    config = {"tags": ["c"], "pct_options": ["nesting=1", "tags=a;b"]}
    found = understand(config).options
    assert set(found["tags"].parts) == {"a", "b", "c"}
    assert found["features"].parts == {"nesting": "1"}


def test_a_blank_line_of_tags_is_never_asked_for():
    """PVE facts, 'How PVE rewrites what you send': an empty text leaves a blank line, so the option is deleted."""
    assert options.undone_value("tags", "llm", {"llm": "llm"}) == ("delete", None)
    assert options.undone_value("tags", "llm;mine", {"llm": "llm"}) == ("set", "mine")
    assert options.undone_value("tags", "mine", {"llm": "llm"}) is None
