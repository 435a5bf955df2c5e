# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet: defaults, lineage, order, groups."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import (
    MOVED_HYPERVISOR_KEYS,
    cycles,
    groups,
    guess_ctids,
    load_fleet,
    load_hypervisor,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files.spellings import (
    old_container_keys,
    old_spellings,
)

HOST = old_spellings(load_schema("hypervisor_config"))


def test_defaults_are_merged_deeply_and_lists_replaced():
    fleet = load_fleet(
        {
            "lxc_defaults": {
                "cores": 2,
                "network_config": {"bridge": "vmbr0", "gw": "192.0.2.1"},
                "pct_options": ["nesting=1"],
            },
            "lxc_configs": {
                "950": {"network_config": {"ip": "dhcp", "gw": "192.0.2.2"}, "pct_options": ["keyctl=1"]},
                "951": {"cores": 4},
            },
        }
    )
    assert fleet.containers["950"].config == {
        "cores": 2,
        "network_config": {"bridge": "vmbr0", "gw": "192.0.2.2", "ip": "dhcp"},
        "pct_options": ["keyctl=1"],
    }
    assert fleet.containers["951"].config["cores"] == 4
    place = fleet.containers["950"].place
    assert place("cores") == ("lxc_defaults", "cores")
    assert place("network_config", "bridge") == ("lxc_defaults", "network_config", "bridge")
    assert place("network_config", "gw") == ("lxc_configs", "950", "network_config", "gw")
    assert place("pct_options", 0) == ("lxc_configs", "950", "pct_options", 0)


def test_a_clone_does_not_inherit_the_template_of_the_defaults():
    fleet = load_fleet(
        {
            "lxc_defaults": {"template": "local:vztmpl/a"},
            "lxc_configs": {"900": {}, "950": {"clone_from_ctid": 900}},
        }
    )
    assert fleet.containers["900"].config == {"template": "local:vztmpl/a"}
    assert fleet.containers["950"].config == {"clone_from_ctid": "900"}


def test_merging_does_not_change_the_document():
    document = {
        "lxc_defaults": {"network_config": {"gw": "a"}},
        "lxc_configs": {"950": {"network_config": {"ip": "b"}}},
    }
    load_fleet(document)
    assert document["lxc_defaults"] == {"network_config": {"gw": "a"}}
    assert document["lxc_configs"] == {"950": {"network_config": {"ip": "b"}}}


def test_lineage_and_order():
    sources = {"950": "920", "920": "900", "951": "920", "101": "777", "900": None}
    configs = {ctid: {"clone_from_ctid": source} if source else {} for ctid, source in sources.items()}
    fleet = load_fleet({"lxc_configs": configs})
    assert fleet.lineage("950") == ("900", "920", "950")
    assert fleet.lineage("101") == ("101",)
    assert fleet.order() == ("101", "900", "920", "950", "951")
    members = groups(fleet)
    assert members["lineage_950"] == ["900", "920", "950"]
    assert members["lineage_900"] == ["900"]


@given(st.integers(1, 40), st.randoms(use_true_random=False))
def test_order_puts_every_source_before_its_clones(size: int, source_of: random.Random):
    ctids = [str(100 + number) for number in range(size)]
    source_of.shuffle(ctids)
    configs = {
        ctid: {"clone_from_ctid": source_of.choice(ctids[:index])} if index else {} for index, ctid in enumerate(ctids)
    }
    keys = list(configs)
    source_of.shuffle(keys)
    fleet = load_fleet({"lxc_configs": {key: configs[key] for key in keys}})
    order = fleet.order()
    assert sorted(order) == sorted(ctids)
    assert fleet.clone_cycles() == ()
    for ctid, container in fleet.containers.items():
        if container.source:
            assert order.index(container.source) < order.index(ctid)
            assert fleet.lineage(ctid)[-2] == container.source


def test_cycles_end_and_come_last():
    configs = {"102": {"clone_from_ctid": "101"}, "101": {"clone_from_ctid": "103"}, "103": {"clone_from_ctid": "102"}}
    fleet = load_fleet({"lxc_configs": {**configs, "104": {"clone_from_ctid": "103"}, "105": {}}})
    assert fleet.clone_cycles() == (("101", "103", "102"),)
    assert fleet.order()[0] == "105"
    assert set(fleet.lineage("104")) == {"101", "102", "103", "104"}


def test_cycles_of_a_graph():
    assert cycles({"1": ["1"], "2": ["3"], "3": ["2", "4"], "4": []}) == (("1",), ("2", "3"))


def test_groups_of_features_and_templates():
    configs: dict[str, Any] = {
        "900": {"features": ["base_setup", "my.own.role"], "is_template": True},
        "950": {"features": ["base_setup"]},
    }
    members = groups(load_fleet({"lxc_configs": configs}))
    assert members["feature_base_setup"] == ["900", "950"]
    assert members["feature_my_own_role"] == ["900"]
    assert members["templates"] == ["900"]


@pytest.mark.parametrize(
    "document", [None, [], "x", {"lxc_configs": []}, {"lxc_configs": {"950": 1, "x": {}}}, {"lxc_defaults": 1}]
)
def test_loading_never_fails(document: Any):
    assert load_fleet(document).containers == {}
    assert load_hypervisor(document)[1] == ()


def test_old_spellings_of_the_hypervisor_configuration():
    config, deprecations = load_hypervisor(
        {"$schema": "x", "nvidia_driver": {"version": "580.1"}, "timezone": "UTC"}, HOST
    )
    assert config == {"nvidia": {"driver_version": "580.1"}, "timezone": "UTC"}
    assert [item.new for item in deprecations] == ["nvidia", "driver_version"]


@pytest.mark.parametrize("text", ["192.0.2.1 192.0.2.2", "192.0.2.1,192.0.2.2", "192.0.2.1; 192.0.2.2"])
def test_name_servers_have_one_form(text: str):
    fleet = load_fleet({"lxc_configs": {"950": {"name": "a", "network_config": {"nameservers": text}}}})
    assert fleet.containers["950"].config["network_config"]["nameservers"] == ["192.0.2.1", "192.0.2.2"]


def test_what_stands_elsewhere_in_the_field_is_moved():
    old = {"network": {"hostname": "fire", "workgroup": "HOME", "default_subnet": "192.0.2.0/24"}}
    config, told = load_hypervisor({**old, "samba": {"user": "a"}})
    assert config == {
        "network": {"default_subnet": "192.0.2.0/24"},
        "hostname": "fire",
        "samba": {"workgroup": "HOME", "user": "a"},
    }
    assert [str(item) for item in told] == [
        "/network/hostname: network.hostname is an old spelling, write hostname",
        "/network/workgroup: network.workgroup is an old spelling, write samba.workgroup",
    ]
    config, _told = load_hypervisor({**old, "hostname": "new", "samba": {"workgroup": "NEW"}})
    assert (config["hostname"], config["samba"]) == ("new", {"workgroup": "NEW"})
    assert "samba" not in load_hypervisor(old)[0]


def test_an_old_spelling_in_an_old_one_is_told_where_it_stands():
    _config, told = load_hypervisor({"nvidia_driver": {"version": "580.1"}}, HOST)
    assert [item.path for item in told] == [("nvidia_driver",), ("nvidia_driver", "version")]


def test_old_spellings_are_those_of_the_schemas():
    assert old_container_keys(load_schema("phoenix_lxc_configs")) == {
        "clone_from_template_ctid": "clone_from_ctid",
        "vllm_api_port": "vllm_port",
    }
    assert list(HOST.items()) == [(("nvidia_driver",), "nvidia"), (("nvidia", "version"), "driver_version")]
    network = load_schema("hypervisor_config")["properties"]["network"]["properties"]
    moved = {
        ("network", key): piece["x-phoenix-moved-to"] for key, piece in network.items() if "x-phoenix-moved-to" in piece
    }
    assert moved == {source: ".".join(target) for source, target in MOVED_HYPERVISOR_KEYS.items()}


def test_guessed_ctids_of_a_broken_text():
    text = '{"lxc_configs": {"950": {"ports": {"80": 1}}, "0951": {}, "951" : {, "952": "x", "950": {'
    assert guess_ctids(text) == ("950", "951")
