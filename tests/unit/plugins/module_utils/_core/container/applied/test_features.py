# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import features

NAMES = st.lists(st.sampled_from(list("abcdef")), max_size=6)


@pytest.mark.parametrize("name", ["a", "a_b", "a-b", "ns.coll.role", "ns.coll.sub.role", "9lives"])
def test_good_names(name):
    assert features.name_error(name) == ""


@pytest.mark.parametrize(
    "name", ["", "a.b", "../a", "/etc", "a b", "a/b", "a\n", "ns.coll.", ".a.b", "ns.coll.ro le", 7, None]
)
def test_bad_names(name):
    assert features.name_error(name)


@given(NAMES, NAMES)
def test_a_stack_keeps_what_is_inherited_and_adds_the_rest(inherited, own):
    stack = features.stack(inherited, own)
    assert len(stack) == len(set(stack))
    assert set(stack) == {*inherited, *own}
    assert stack[: len(set(inherited))] == features.stack(inherited, [])


def test_order():
    requires = {"top": ["base", "mid"], "mid": ["base"]}
    assert features.order_errors(["base", "mid", "top"], requires) == []
    assert features.order_errors(["mid", "base", "top"], requires) == [
        "feature mid requires base under it: put base before mid",
    ]
    assert features.order_errors(["base", "top"], requires) == [
        "feature top requires mid under it, which is not in the list",
    ]


def test_a_requirement_is_met_by_plain_and_by_full_name():
    assert features.order_errors(["ns.coll.base", "mid"], {"mid": ["base"]}) == []
    assert features.order_errors(["base", "mid"], {"mid": ["ns.coll.base"]}) == []


def test_duplicates_are_told_once():
    assert features.duplicate_errors(["a", "b", "a", "a"]) == ["feature a is listed more than once"]


def test_nearest():
    assert features.nearest("base_setpu", ["base_setup", "other"]) == "base_setup"
    assert features.nearest("dokcer", ["docker", "other"]) == "docker"
    assert features.nearest("xyz", ["base_setup"]) == ""
    assert features.nearest("step_ca", ["step_cli"]) == ""  # an authority is no client


def test_needs_of_the_host_side_are_joined():
    manifests = [
        {"container": {"features": {"nesting": True}, "devices": ["nvidia-gpu"]}},
        {},
        {"container": {"features": {"nesting": False, "keyctl": True}, "devices": ["nvidia-gpu", "/dev/fuse"]}},
    ]
    assert features.merge_container_needs(manifests) == {
        "features": {"nesting": True, "keyctl": True},
        "devices": ["nvidia-gpu", "/dev/fuse"],
    }


def test_optional_devices_are_joined():
    manifests = [
        {"container": {"optional_devices": ["gpu"]}},
        {"container": {"optional_devices": ["gpu", "nvidia-gpu"]}},
    ]
    assert features.merge_container_needs(manifests)["optional_devices"] == ["gpu", "nvidia-gpu"]


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [(None, ["/dev/fuse"]), ("none", ["/dev/fuse", "gpu"]), ("0", ["/dev/fuse", "gpu"])],
)
def test_optional_devices_want_an_assignment(assignment, expected):
    needs = [{"devices": ["/dev/fuse"]}, {"devices": [], "optional_devices": ["gpu"]}]
    assert features.device_classes(needs, assignment) == expected


def test_the_packages_of_a_feature_are_its_names_and_the_values_of_its_variables():
    declared = {"names": ["acme", "libacme2.0+x"], "variables": ["acme_packages", "acme_more", "acme_none"]}
    values = {"acme_packages": ["curl", "acme", "tzdata=2025*", "-y", "x; reboot", 7, "Upper"], "acme_more": "text"}
    assert features.packages(declared, values) == ["acme", "libacme2.0+x", "curl"]
    assert features.packages({}, values) == []


def test_the_packages_of_another_source_are_left_to_the_role():
    declared = {"names": ["acme"], "only_with": {"acme_source": "distribution"}}
    assert features.packages(declared, {"acme_source": "distribution"}) == ["acme"]
    assert features.packages(declared, {"acme_source": "vendor"}) == []
    assert features.packages(declared, {}) == []
