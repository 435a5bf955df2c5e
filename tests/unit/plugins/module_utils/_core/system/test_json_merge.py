# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that are merged into an object of others."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import json_merge


@pytest.mark.parametrize(
    ("present", "wanted", "merged"),
    [
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1, "o": {"x": 1, "y": 2}}, {"o": {"y": 3}}, {"a": 1, "o": {"x": 1, "y": 3}}),
        ({"a": 1, "o": {"x": 1, "y": 2}}, {"a": None, "o": {"x": None}}, {"o": {"y": 2}}),
        ({"l": [1], "o": 1}, {"l": [2], "o": {"x": 1}}, {"l": [2], "o": {"x": 1}}),
        ({}, {"gone": None, "o": {"x": None}}, {"o": {}}),
    ],
)
def test_objects_merge_null_removes_the_rest_replaces(present: dict, wanted: dict, merged: dict) -> None:
    kept = json_merge.text(present)
    assert json_merge.merged(present, wanted) == merged
    assert json_merge.text(present) == kept, "the object of others is never changed in place"
    assert json_merge.merged(merged, wanted) == merged
    assert json_merge.parse(json_merge.text(merged)) == merged


@pytest.mark.parametrize("text", ["broken", "[1]", "null", "{", "[" * 100000])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(json_merge.NoObjectError):
        json_merge.parse(text)


def test_an_empty_file_is_an_empty_object() -> None:
    assert json_merge.parse(" \n") == {}
