# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import digest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
VARIABLES = st.dictionaries(st.text(min_size=1), JSON, max_size=5)


def parts(**changes):
    given_ = {
        "files": "f",
        "variables": {"a": 1, "s": "pw"},
        "secrets": ["s"],
        "key": b"k",
        "under": [("base", "0" * 64)],
    }
    return digest.components(**{**given_, **changes})


@given(VARIABLES)
def test_order_of_variables_has_no_say(variables):
    turned = dict(reversed(list(variables.items())))
    assert digest.digest(digest.components("f", variables)) == digest.digest(digest.components("f", turned))


@given(VARIABLES, st.text(min_size=1), JSON, JSON)
def test_a_changed_value_is_named(variables, name, old, new):
    before = digest.components("f", {**variables, name: old})
    after = digest.components("f", {**variables, name: new})
    same = digest.canonical(old) == digest.canonical(new)
    assert (digest.digest(before) == digest.digest(after)) is same
    assert digest.explain(before, after) == ("" if same else f"variable {name} changed")


def test_true_is_not_one():
    assert digest.value_hash("a", True) != digest.value_hash("a", 1)


def test_secrets_need_the_key_and_depend_on_it():
    assert parts()["variables"]["s"] != parts(key=b"other")["variables"]["s"]
    assert parts()["variables"]["a"] == parts(key=b"other")["variables"]["a"]
    assert parts()["variables"]["s"] != digest.value_hash("s", "pw")
    with pytest.raises(ValueError, match="variable s is secret"):
        parts(key=b"")


def test_equal_secrets_look_different():
    assert digest.value_hash("a", "pw", b"k") != digest.value_hash("b", "pw", b"k")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, ""),
        ({"files": "g"}, "files changed"),
        ({"variables": {"a": 2, "s": "pw"}}, "variable a changed"),
        ({"variables": {"a": 1}, "secrets": []}, "variable s removed"),
        ({"variables": {"a": 1, "s": "pw", "z": 1}}, "variable z added"),
        ({"under": [("base", "1" * 64)]}, "base under it changed"),
        ({"under": []}, "on top of nothing instead of base"),
        ({"under": [("base", "0" * 64), ("gpu", "0" * 64)]}, "on top of base, gpu instead of base"),
        ({"files": "g", "variables": {"a": 2, "s": "new"}}, "files changed, variable a changed, variable s changed"),
    ],
)
def test_explanations(changes, text):
    assert digest.explain(parts(), parts(**changes)) == text
    assert (digest.digest(parts()) == digest.digest(parts(**changes))) is (text == "")


def test_only_the_lowest_change_beneath_is_named():
    old = parts(under=[("base", "0" * 64), ("gpu", "0" * 64)])
    new = parts(under=[("base", "1" * 64), ("gpu", "1" * 64)])
    assert digest.explain(old, new) == "base under it changed"


@given(st.none() | st.dictionaries(st.sampled_from(["files", "variables", "under", "x"]), JSON))
def test_a_forged_record_is_explained_too(old):
    assert isinstance(digest.explain(old, parts()), str)


def test_file_names_modes_and_contents_count_but_not_their_order():
    files = [("a", False, "1"), ("b", True, "2")]
    known = digest.files_hash(files)
    assert digest.files_hash(reversed(files)) == known
    for changed in (
        [("a", True, "1"), files[1]],
        [("c", False, "1"), files[1]],
        [("a", False, "3"), files[1]],
        files[:1],
    ):
        assert digest.files_hash(changed) != known


def test_only_variables_that_a_script_names_count():
    environment = {"PHOENIX_MEMORY_MB": "1", "PHOENIX_NAME": "web", "PHOENIX_NAMES": "x"}
    assert digest.script_variables(b'echo "$PHOENIX_NAME" ${PHOENIX_NODE}', environment) == {"PHOENIX_NAME": "web"}
