# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of the field's files: read in their places, told once, and refused only where two of them contradict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import (
    Outcome,
    Source,
    read_containers,
    validate,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.report import report
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_checks import servers_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.manifests import Search

SCHEMA = load_schema("phoenix_lxc_configs")
FILE = Path(__file__).parent / "field" / "written_for_scripts.json"
DISK = {"name": "data", "pool": "fast", "size_gb": 8, "mount_point": "/data"}
BIND = [{"host_path": "/srv/a", "container_path": "/a"}]
SECOND = {"bridge": "vmbr1", "ip": "192.0.2.9/24", "hwaddr": "52:54:00:AA:00:09"}
THIRD = {"name": "eth2", "bridge": "vmbr2"}
RULE = {"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": "80"}


def judge(data: bytes, host: dict[str, Any] | None = None) -> Outcome:
    """Validate a containers' file, and a host's, as the inventory plugin does."""
    other = None if host is None else Source("host.json", parse(json.dumps(host).encode()), load_schema(HOST))
    lxc = Source("lxc.json", parse(data), SCHEMA)
    return validate(lxc, other, ("pve",), servers_of=lambda fleet: servers_of(fleet, Search()))


HOST = "hypervisor_config"


def with_keys(keys: dict[str, Any], defaults: dict[str, Any] | None = None, **more: Any) -> Outcome:
    """One container with these keys."""
    base = {"name": "web", "template": "local:vztmpl/a.tar.zst", "network_config": {"bridge": "vmbr0", "ip": "dhcp"}}
    document = {"lxc_defaults": defaults or {}, "lxc_configs": {"950": {**base, **keys}, **more}}
    return judge(json.dumps(document, indent=1).encode())


def config_of(outcome: Outcome) -> dict[str, Any]:
    """The container as everything else reads it; nothing may be wrong with it."""
    assert report(outcome.findings) == ""
    return outcome.fleet.containers["950"].config


def test_a_whole_file_is_read() -> None:
    outcome = judge(FILE.read_bytes())
    assert report(outcome.findings) == ""
    containers = {ctid: one.config for ctid, one in outcome.fleet.containers.items()}
    base, serving, gateway, flags = (containers[ctid] for ctid in ("900", "910", "101", "902"))
    assert base["network_config"]["nameservers"] == ["192.0.2.3"]
    assert base["network_config"]["mac_address"] == "52:54:00:AA:00:01"
    assert base["guard"] == "report"
    assert base["lxc_options"] == ["lxc.apparmor.profile=unconfined", "lxc.apparmor.allow_nesting: 1"]
    assert serving["volumes"] == [{"name": "models", "pool": "bulk", "size_gb": 50, "mount_point": "/models"}]
    assert serving["network_config"] == {
        "bridge": "vmbr0",
        "gw": "192.0.2.1",
        "ip": "192.0.2.110/24",
        "nameservers": ["192.0.2.3"],
    }
    assert serving["vllm_options"] == {"dtype": "auto", "trust-remote-code": True}
    assert {key: value for key, value in serving.items() if key.startswith("vllm_") and key != "vllm_options"} == {
        "vllm_model": "acme/chat",
        "vllm_max_model_len": 4096,
        "vllm_quantization": "awq",
        "vllm_gpu_memory_utilization": 0.5,
        "vllm_tensor_parallel_size": 2,
        "vllm_listen": "0.0.0.0",
        "vllm_port": 8000,
        "vllm_served_model_name": "chat",
    }
    assert serving["lxc_options"] == ["lxc.apparmor.profile: unconfined"]
    assert gateway["lxc_options"] == ["lxc.mount.auto:sys:rw", "lxc.apparmor.profile: unconfined"]
    assert gateway["network_config"]["nameservers"] == ["192.0.2.3", "192.0.2.4"]
    assert "guard" not in gateway
    assert "template_snapshot_name" not in gateway
    assert len(gateway["firewall"]["rules"]) == 1
    assert flags["pct_options"] == ["nesting=1", "keyctl=1"]
    assert "template_snapshot_name" not in flags
    assert "template" not in serving
    # What reads secrets of the file finds them at the same places.
    assert read_containers(parse(FILE.read_bytes()), SCHEMA)["lxc_configs"]["101"]["bootstrap_ca_url"]


def test_each_is_told_once() -> None:
    warnings = judge(FILE.read_bytes()).warnings
    (line,) = [line for line in warnings if "not acted on" in line]
    names = "lxc_templates, template_file, tests, traefik_service, trigger_sync_on_completion, version, vllm_model_type"
    assert line == f"lxc.json  accepted and not acted on: {names}"
    for words in (
        "/lxc_configs/910/zfs_volumes: zfs_volumes is an old spelling, write volumes",
        "/lxc_configs/910/network_config: network_config is an old spelling, write an object with",
        "enable_lifecycle_snapshots is an old spelling, write guard (and 1 more of it)",
        "/lxc_configs/902/features: features is an old spelling, write pct_options",
        "/lxc_configs/910/template: no effect beside clone_from_ctid",
        "/lxc_configs/902/template_snapshot_name: no effect beside is_template",
        "/lxc_configs/101/template_snapshot_name: no snapshot is taken",
        "/lxc_configs/101/enable_lifecycle_snapshots: no snapshot is taken",
        "/lxc_configs/101/firewall/rules/1: the same rule as rules/0",
    ):
        assert len([line for line in warnings if words in line]) == 1, words
    assert not [line for line in warnings if "1002" in line]


@pytest.mark.parametrize(
    ("keys", "pointer"),
    [
        ({"hwaddr": "52:54:00:AA:00:01", "mac_address": "52:54:00:AA:00:02"}, "/hwaddr"),
        ({"nameserver": "192.0.2.1", "network_config": {"bridge": "a", "nameservers": ["192.0.2.2"]}}, "/nameserver"),
        ({"apparmor_profile": "a", "lxc_options": ["lxc.apparmor.profile: b"]}, "/apparmor_profile"),
        ({"vllm_model": "a", "vllm_engine_config": {"ModelConfig": {"model": "b"}}}, "/vllm_engine_config"),
        ({"vllm_engine_config": {"ModelConfig": {"seed": 1}, "CacheConfig": {"seed": 2}}}, "/vllm_engine_config"),
    ],
)
def test_two_keys_that_contradict_are_one_error(keys: dict[str, Any], pointer: str) -> None:
    (found,) = with_keys(keys).findings
    assert found.pointer.startswith("/lxc_configs/950" + pointer)
    assert "which means the same" in found.expected
    assert found.remedy == "Remove one of the two."


@pytest.mark.parametrize(
    ("keys", "read"),
    [
        ({"hwaddr": "52:54:00:aa:00:01", "mac_address": "52:54:00:AA:00:01"}, {"mac_address": "52:54:00:AA:00:01"}),
        ({"hwaddr": ""}, {"mac_address": None}),
        ({"volumes": [DISK], "zfs_volumes": []}, {"volumes": [DISK]}),
        ({"vllm_model": "a/b", "vllm_parameters": {"model": "a/b", "port": None}}, {"vllm_model": "a/b"}),
        ({"apparmor_profile": None, "lxc_options": []}, {"lxc_options": []}),
        ({"features": ""}, {"features": None}),
        ({"enable_lifecycle_snapshots": False}, {"guard": None}),
        ({"enable_lifecycle_snapshots": True, "guard": "rollback"}, {"guard": "rollback"}),
        ({"id_maps": []}, {"id_maps": None}),
    ],
)
def test_two_that_agree_are_one(keys: dict[str, Any], read: dict[str, Any]) -> None:
    config = config_of(with_keys(keys))
    assert {key: config.get(key) for key in read} == read


def test_the_containers_own_word_counts() -> None:
    defaults = {
        "apparmor_profile": "one",
        "enable_lifecycle_snapshots": True,
        "lxc_options": ["lxc.a: b"],
        "vllm_engine_config": {"ModelConfig": {"model": "a", "seed": 1}},
    }
    config = config_of(with_keys({}, defaults))
    assert config["lxc_options"] == ["lxc.a: b", "lxc.apparmor.profile: one"]
    assert config["guard"] == "report"
    own = {
        "apparmor_profile": "two",
        "enable_lifecycle_snapshots": False,
        "vllm_parameters": {"seed": 2},
        "vllm_model": "b",
    }
    config = config_of(with_keys(own, defaults))
    assert config["lxc_options"] == ["lxc.a: b", "lxc.apparmor.profile: two"]
    assert config["guard"] == "none"
    assert config["vllm_options"] == {"seed": 2}
    assert config["vllm_model"] == "b"
    assert config_of(with_keys({"lxc_options": ["lxc.c: d"]}, defaults))["lxc_options"] == [
        "lxc.c: d",
        "lxc.apparmor.profile: one",
    ]


@pytest.mark.parametrize(
    ("keys", "pointer", "line"),
    [
        ({"zfs_volumes": [DISK, {**DISK, "size_gb": "8G"}]}, "/lxc_configs/950/zfs_volumes/1/size_gb", '"8G"'),
        ({"volumes": [DISK], "zfs_volumes": [DISK]}, "/lxc_configs/950/zfs_volumes/0/name", '"data"'),
        ({"network_config": "192.0.2.300/24"}, "/lxc_configs/950/network_config", "192.0.2.300"),
        ({"hwaddr": "01:23:45:67:89:AB"}, "/lxc_configs/950/hwaddr", "01:23"),
        (
            {"vllm_engine_config": {"ServerConfig": {"port": 99999}}},
            "/lxc_configs/950/vllm_engine_config/ServerConfig/port",
            "99999",
        ),
        (
            {"vllm_engine_config": {"ServerConfig": {"api_key": "sk-0123456789"}}},
            "/lxc_configs/950/vllm_engine_config/ServerConfig/api_key",
            "vllm_api_key",
        ),
        (
            {"secondary_network_config": {"bridge": "a", "ip": "1"}},
            "/lxc_configs/950/secondary_network_config/ip",
            '"1"',
        ),
        ({"networks": [{**THIRD, "hwaddr": "01:00"}]}, "/lxc_configs/950/networks/0/hwaddr", "01:00"),
        ({"apparmor_profile": "a b"}, "/lxc_configs/950/apparmor_profile", "a b"),
        ({"zfs_volumes": "data"}, "/lxc_configs/950/zfs_volumes", "data"),
        ({"guard": "report", "mount_points": BIND}, "/lxc_configs/950/mount_points", "guard"),
        ({"firewall": {"rules": [RULE, {**RULE, "enable": False}]}}, "/lxc_configs/950/firewall/rules/1", "on and one"),
    ],
)
def test_a_fault_is_where_the_file_has_it(keys: dict[str, Any], pointer: str, line: str) -> None:
    found = with_keys(keys).findings
    assert pointer in [one.pointer for one in found], report(found)
    assert line in report(found)
    assert all(one.line for one in found)


def test_a_second_interface_is_one_more() -> None:
    read = {"name": "eth1", "bridge": "vmbr1", "ip": "192.0.2.9/24", "mac_address": "52:54:00:AA:00:09"}
    assert config_of(with_keys({"secondary_network_config": SECOND}))["networks"] == [read]
    both = {"secondary_network_config": SECOND, "networks": [THIRD]}
    assert config_of(with_keys(both))["networks"] == [THIRD, read]
    assert config_of(with_keys({}, both))["networks"] == [THIRD, read]
    assert config_of(with_keys({"networks": [THIRD]}, {"secondary_network_config": SECOND}))["networks"] == [
        THIRD,
        read,
    ]
    own = {"secondary_network_config": {"ip": "dhcp", "hwaddr": ""}}
    assert config_of(with_keys(own, both))["networks"] == [
        THIRD,
        {"name": "eth1", "bridge": "vmbr1", "ip": "dhcp"},
    ]
    assert "networks" not in config_of(with_keys({"secondary_network_config": {}}))


def test_a_snapshot_that_clones_need_stays_an_error_beside_a_bind_mount() -> None:
    clone = {"name": "b", "clone_from_ctid": "950", "network_config": {"ip": "dhcp"}}
    outcome = with_keys({"mount_points": BIND, "template_snapshot_name": "ready"}, **{"951": clone})
    assert [one.pointer for one in outcome.findings] == ["/lxc_configs/950/mount_points"]
    assert outcome.warnings == ()


def test_a_mount_of_the_hosts_file_counts_too() -> None:
    one = {
        "name": "a",
        "template": "local:vztmpl/a.tar.zst",
        "template_snapshot_name": "ready",
        "enable_lifecycle_snapshots": True,
    }
    host = {"shared_volumes": {"logs": {"host_path": "/srv/logs", "mounts": {"950": "/logs"}}}, "firewall": {}}
    outcome = judge(json.dumps({"lxc_configs": {"950": one}}).encode(), host)
    assert report(outcome.findings) == ""
    assert {"template_snapshot_name", "guard"}.isdisjoint(outcome.fleet.containers["950"].config)


def test_a_rule_of_the_host_that_is_there_twice_is_one() -> None:
    host = {"firewall": {"enabled": True, "rules": [RULE, RULE], "groups": {"web": [RULE, RULE]}}}
    outcome = judge(b'{"lxc_configs": {}}', host)
    assert report(outcome.findings) == ""
    assert outcome.hypervisor["firewall"]["rules"] == [RULE]
    assert outcome.hypervisor["firewall"]["groups"] == {"web": [RULE]}
    assert len([line for line in outcome.warnings if "the same rule" in line]) == 2
