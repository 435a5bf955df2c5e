# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host files of the field's ages: pools without disks and datasets by their full names, and keys of other tools."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import (
    Outcome,
    Source,
    validate,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import host_config
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.report import report

HOST = {
    "network": {"nfs_server": "192.0.2.13", "default_subnet": "192.0.2.0/24"},
    "zfs": {
        "arc_max": "34359738368",
        "pools": [{"name": "quick"}, {"name": "bulk"}],
        "datasets": [
            {"name": "quick/guests", "properties": {"recordsize": "16K", "quota": "600G"}},
            {"name": "bulk/shared", "properties": {"recordsize": "1M", "quota": "1.4T"}},
        ],
        "dataset_storage_types": [
            {"dataset": "quick/guests", "storage_type": "zfspool:rootdir"},
            {"dataset": "bulk/shared", "storage_type": "dir:iso,vztmpl"},
        ],
    },
    "nfs": {"shares": [{"path": "bulk/shared", "options": "rw,async,no_subtree_check"}]},
    "samba": {"user": "share", "shares": [{"path": "bulk/shared", "options": "browseable=yes writable=yes"}]},
    "proxmox_storage_ids": {"quick_guests": "quick-lxc"},
    "mount_point_base": "/mnt/pve",
}


def judge(config: Any) -> Outcome:
    """The verdict on this host's file beside one without containers."""
    lxc = Source("lxc.json", parse(b'{"lxc_configs": {}}'), load_schema("phoenix_lxc_configs"))
    host = Source("host.json", parse(json.dumps(config, indent=1).encode()), load_schema("hypervisor_config"))
    return validate(lxc, host, ("pve",))


def findings(outcome: Outcome) -> list[str]:
    """Pointer, value and remedy of each finding of the host's file."""
    return [f"{one.pointer} {one.got} {one.remedy}" for one in outcome.findings if one.file == "host.json"]


def test_it_is_valid_and_read_like_the_newer_one() -> None:
    outcome = judge(HOST)
    assert findings(outcome) == []

    host = host_config(outcome.hypervisor)
    assert host["arc_max"] == 34359738368
    assert [(pool["name"], pool["disks"]) for pool in host["pools"]] == [("quick", []), ("bulk", [])]
    datasets = {row["name"]: row["properties"] for row in host["datasets"]}
    assert datasets["quick/guests"] == {"recordsize": "16384", "quota": str(600 << 30)}
    assert datasets["bulk/shared"]["mountpoint"] == "/mnt/pve/bulk/shared"
    storages = {row["storage"]: row for row in host["storages"]}
    assert storages["quick-lxc"]["pool"] == "quick/guests"
    assert storages["bulk-shared"]["path"] == "/mnt/pve/bulk/shared"
    assert host["exports"] == [
        {
            "path": "/mnt/pve/bulk/shared",
            "clients": ["192.0.2.0/24"],
            "options": ["rw", "async", "no_subtree_check"],
        }
    ]
    (share,) = host["shares"]
    assert (share["name"], share["path"]) == ("shared", "/mnt/pve/bulk/shared")
    assert share["options"] == {"browseable": "yes", "valid users": "share", "writable": "yes"}


@pytest.mark.parametrize(
    ("key", "storage"),
    [
        ("quick_lxc-disks", "lxc"),
        ("quick_lxc_disks", "lxc"),
        ("Quick_LXC_disks", "lxc"),
        ("quick_lxc", "quick-lxc-disks"),
    ],
)
def test_the_id_of_a_storage_is_found_as_files_in_the_field_write_it(key: str, storage: str) -> None:
    host = {
        "zfs": {"datasets": [{"pool": "quick", "name": "lxc-disks", "proxmox_storage_type": "zfspool"}]},
        "proxmox_storage_ids": {key: "lxc"},
    }
    outcome = judge(host)
    assert [row["storage"] for row in host_config(outcome.hypervisor)["storages"]] == [storage]
    told = [] if storage == "lxc" else ["no storage gets its ID; write it like quick_lxc-disks"]
    assert len(outcome.warnings) == len(told)
    assert all(words in line for words, line in zip(told, outcome.warnings, strict=True))


def test_an_id_that_means_one_dataset_is_not_given_to_another() -> None:
    rows = [{"pool": "q", "name": name, "proxmox_storage_type": "dir"} for name in ("a_b", "a-b")]
    host = {"zfs": {"datasets": rows}, "proxmox_storage_ids": {"q_a_b": "one"}}
    found = [row["storage"] for row in host_config(judge(host).hypervisor)["storages"]]
    assert found == ["one", "q-a-b"]


NEWER = {
    "version": "1.0.0",
    "author": "somebody",
    "timezone": "Europe/Berlin",
    "users": {"username": "ops", "password_hash": "NOT_SET", "sudo_access": True, "ssh_public_key": ""},
    "core_paths": {"lxc_config_file": "/etc/x.json", "hf_token_file": "/root/token"},
    "network": {
        "external_registry_url": "registry.example.org",
        "portainer_server_ip": "192.0.2.7",
        "portainer_server_port": 9443,
        "portainer_agent_port": 9001,
        "hostname": "fire",
        "workgroup": "HOME",
        "fallback_dns": "192.0.2.1",
        "interfaces": {
            "name": "vmbr0",
            "address": "192.0.2.13/24",
            "gateway": "192.0.2.1",
            "dns_nameservers": "192.0.2.1",
        },
    },
    "docker": {"portainer_server_image": "example/portainer:1"},
    "samba": {
        "user": "ops",
        "shares": [{"name": "models", "path": "srv/models", "browsable": True, "guest_ok": False, "read_only": False}],
    },
    "proxmox_defaults": {"zfs_lxc_pool": "quick-lxc", "lxc": {"cores": 2}},
    "vm_defaults": {"cores": 2},
    "vms": [{"name": "x"}],
    "behavior": {"debug_mode": False},
    "zfs": {"settings": {"allow_destructive_operations": True}, "datasets": []},
    "nvidia_driver": {"install": True, "version": "580.76.05", "cuda_version": "13.0", "install_vllm_libs": False},
    "shared_volumes": {"certs": {"host_path": "/srv/certs", "owner": "container_root", "mounts": {}}},
}


def test_a_newer_file_is_valid_and_its_keys_are_where_the_roles_read_them() -> None:
    outcome = judge(NEWER)
    assert findings(outcome) == []
    config = outcome.hypervisor
    assert (config["hostname"], config["samba"]["workgroup"]) == ("fire", "HOME")
    assert config["nvidia"]["driver_version"] == "580.76.05"
    host = host_config(config)
    assert [row["username"] for row in host["users"]] == ["ops"]
    assert host["interfaces"][0]["params"] == {"gateway": "192.0.2.1", "cidr": "192.0.2.13/24"}
    # A path without a slash before it that is no dataset of the file is one of the root.
    assert host["shares"][0]["path"] == "/srv/models"
    told = [line.split("  ", 1)[1].split(":", 1)[0] for line in outcome.warnings]
    assert told == [
        "/nvidia_driver",
        "/nvidia_driver/version",
        "/network/hostname",
        "/network/workgroup",
        "/network/fallback_dns",
        "/proxmox_defaults",
        "/vms",
        "/zfs/settings/allow_destructive_operations",
        "accepted and not acted on",
    ]
    assert all(line.startswith("host.json:") for line in outcome.warnings[:-1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shared_volumes": {"a": {"host_path": "/a", "owner": "ops"}}}, "owner_uid and owner_gid"),
        ({"zfs": {"pools": [{"name": "a", "raid_level": "raid5"}]}}, "/zfs/pools/0/raid_level"),
        ({"network": {"hostname": "Fire"}}, "/network/hostname"),
        ({"corepaths": {}}, "core_paths"),
    ],
)
def test_it_is_one_clear_error(change: dict[str, Any], words: str) -> None:
    (found,) = findings(judge({**NEWER, **change}))
    assert words in found


def test_what_is_empty_is_not_set() -> None:
    """As files that a program made have it; a password and a name are never empty."""
    empty = {
        "timezone": "",
        "repositories": None,
        "zfs": {
            "pools": [{"name": "quick", "raid_level": ""}],
            "datasets": [
                {"pool": "quick", "name": "a", "properties": None, "mountpoint": None, "proxmox_storage_type": ""}
            ],
            "dataset_storage_types": None,
        },
        "nvidia": {"driver_version": "", "runfile_url": ""},
        "samba": {"shares": [{"path": "/a", "options": "", "valid_users": None}]},
        "shared_volumes": {"x": {"host_path": "/x", "mounts": None}},
    }
    outcome = judge(empty)
    assert findings(outcome) == []
    assert outcome.hypervisor == {
        "zfs": {"pools": [{"name": "quick"}], "datasets": [{"pool": "quick", "name": "a"}]},
        "samba": {"shares": [{"path": "/a"}]},
        "shared_volumes": {"x": {"host_path": "/x"}},
    }
    host_config(outcome.hypervisor)
    refused = judge({"samba": {"users": [{"name": "a", "password": ""}], "shares": [{"path": ""}]}})
    assert [one.split()[0] for one in findings(refused)] == ["/samba/users/0/password", "/samba/shares/0/path"]


@pytest.mark.parametrize("document", [[], "x", 5, {"zfs": []}, {"network": "x"}, {"proxmox_storage_ids": {"a": 1}}])
def test_what_has_another_shape_is_no_traceback(document: Any) -> None:
    judge(document)


JUNK = (
    None,
    "",
    0,
    1.5,
    True,
    [],
    {},
    "x",
    "/a/b",
    ["x"],
    [[]],
    {"x": {}},
    {"host_path": 5},
    {"950": None},
    {"firewall": {}},
)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to everything in a document."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, item in pairs:
        yield (*path, key)
        yield from places(item, (*path, key))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_stands_there_is_no_traceback(seed: int) -> None:
    """One or two values of a good file are something else; what is still right can be read by the roles."""
    choose = random.Random(seed)
    for _number in range(25):
        document = copy.deepcopy(NEWER)
        for path in choose.sample(list(places(document)), 2):
            holder: Any = document
            for key in path[:-1]:
                holder = holder[key] if isinstance(holder, dict) and key in holder else {}
            if isinstance(holder, dict):
                holder[path[-1]] = choose.choice(JUNK)
        outcome = judge(document)
        report(outcome.findings)
        if not findings(outcome):
            host_config(outcome.hypervisor)
