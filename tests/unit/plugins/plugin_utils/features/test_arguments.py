# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A wrong variable of a feature is found before its container is touched; its role judges what is not known by then."""

from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import arguments, manifests

SPEC = {
    "acme_port": {"type": "int"},
    "acme_mode": {"type": "str", "choices": ["a", "b"]},
    "acme_users": {"type": "list", "elements": "dict", "options": {"name": {"type": "str", "required": True}}},
}


@pytest.fixture(autouse=True)
def forget():
    manifests.forget()
    yield
    manifests.forget()


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"acme_port": "many"}, "acme_port"),
        ({"acme_mode": "c"}, "acme_mode must be one of: a, b"),
        ({"acme_users": [{}]}, "name found in acme_users"),
    ],
)
def test_a_value_that_the_role_does_not_take(values, word):
    for _again in range(2):  # what was found wrong is not remembered as right
        with pytest.raises(manifests.FeatureError, match=word):
            arguments.judge("acme", SPEC, values)


def test_right_values_need_no_task_in_the_role():
    assert arguments.judge("acme", SPEC, {"acme_port": "80", "acme_mode": "a", "acme_users": [{"name": "x"}]}) is True
    assert arguments.judge("acme", SPEC, {}) is True
    assert arguments.judge("acme", {}, {"undeclared": 1}) is True


@pytest.mark.parametrize(
    ("spec", "later"),
    [
        ({**SPEC, "acme_key": {"required": True}}, ()),
        (SPEC, ["acme_port"]),
        ({**SPEC, "acme_mode": {"choices": "{{ modes }}"}}, ()),
    ],
)
def test_what_is_known_later_is_left_to_the_role(spec, later):
    assert arguments.judge("acme", spec, {"acme_mode": "c"}, later=later) is False


def test_no_secret_is_shown():
    spec = {"acme_key": {"type": "int"}, "acme_keys": {"type": "dict", "options": {"one": {"type": "int"}}}}
    values = {"acme_key": "hunter2", "acme_keys": {"one": "swordfish"}}
    with pytest.raises(manifests.FeatureError) as caught:
        arguments.judge("acme", spec, values, secrets=spec)
    assert "acme_key" in str(caught.value)
    assert "one" in str(caught.value)
    assert not {"hunter2", "swordfish"}.intersection(str(caught.value).replace("'", " ").split())


def test_our_own_features_are_judged_whole_unless_the_node_puts_something_in(tmp_path):
    variables = {"phoenix_config": {}, "phoenix_config_dir": str(tmp_path)}
    template = Templar(DataLoader(), variables=variables).template
    names = ["base_setup", "docker", "trusted_ca", "step_cli", "nvidia", "ollama", "vllm"]
    found = manifests.feature_set(names, variables, template)
    assert {one["name"] for one in found if not one["judged"]} == {"nvidia"}


def test_a_variable_is_judged_by_its_value():
    template = Templar(DataLoader(), variables={"wanted": "c"}).template
    variables = {"base_setup_apt_retries": trust_as_template("{{ wanted }}")}
    with pytest.raises(manifests.FeatureError, match="base_setup_apt_retries"):
        manifests.feature_set(["base_setup"], variables, template)
    assert manifests.feature_set(["base_setup"], variables)[0]["judged"] is False
