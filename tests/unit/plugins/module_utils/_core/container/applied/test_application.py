# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import environment
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.registry import addresses


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (0, "0"), (0.9, "0.9"), ("a b", "a b"), ([1, "a b"], "1 'a b'"), ([], "")],
)
def test_plain_values(value, text):
    assert environment.as_text(value) == text


@pytest.mark.parametrize("value", [None, {}, [{}], [None], [["a"]]])
def test_other_values_have_no_text(value):
    assert environment.as_text(value) is None


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_a_list_survives_the_shell(values):
    assert shlex.split(environment.as_text(values)) == values


@given(st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text())))
def test_any_configuration_gives_names_that_a_shell_can_use(config):
    result = environment.environment(config, 950, "web", "pve", ["a", "b"])
    assert all(re.fullmatch("[A-Z0-9_]+", name) and isinstance(value, str) for name, value in result.items())
    assert (result["PHOENIX_CTID"], result["PHOENIX_NAME"], result["PHOENIX_FEATURES"]) == ("950", "web", "a b")


def test_a_key_of_the_configuration_can_not_pose_as_a_documented_name():
    result = environment.environment({"ctid": 1, "NODE": "x", "ip": "y"}, 950, "web", "pve", [])
    assert (result["PHOENIX_CTID"], result["PHOENIX_NODE"], result["PHOENIX_IP"]) == ("950", "pve", "")


@pytest.mark.parametrize(
    ("address", "found"), [("10.0.0.5/24", "10.0.0.5"), ("dhcp", ""), ("10.0.0.5", "10.0.0.5"), (7, "")]
)
def test_address(address, found):
    assert addresses.static({"network_config": {"ip": address}}) == found


@pytest.mark.parametrize("given_", [{"A B": 1}, {"A": {}}, {"A": "x\0"}, {"": "x"}, {"1A": "x"}])
def test_bad_variables_of_the_owner(given_):
    with pytest.raises(ValueError, match="environment"):
        environment.user_environment(given_)


def test_good_variables_of_the_owner():
    assert environment.user_environment({"A": None, "b": 1, "C_1": ["x y"]}) == {"A": "", "b": "1", "C_1": "'x y'"}
