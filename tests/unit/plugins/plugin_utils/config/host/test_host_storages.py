# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part `storage` of the host's file: each type with its own options, and what is wrong in them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage.storage_types import TYPES
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import Source, validate
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import host_config
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse

PBS = {"id": "vault", "type": "pbs", "server": "192.0.2.9", "datastore": "main", "username": "a@pbs"}
ITEM = load_schema("hypervisor_config")["properties"]["storage"]["items"]["properties"]


def findings(*rows: dict[str, Any]) -> list[str]:
    """Pointer, expectation and remedy of each finding of a file with these storages."""
    lxc = Source("lxc.json", parse(b'{"lxc_configs": {}}'), load_schema("phoenix_lxc_configs"))
    text = parse(json.dumps({"storage": list(rows)}).encode())
    source = Source("host.json", text, load_schema("hypervisor_config"), False)
    found = validate(lxc, source, ("pve",)).findings
    return [f"{one.pointer} {one.got} {one.expected} {one.remedy}" for one in found if one.file == "host.json"]


@pytest.mark.parametrize(
    "row",
    [
        PBS,
        {**PBS, "namespace": "a/b", "port": 8007, "prune_backups": {"keep_all": True}, "encryption_key": "autogen"},
        {"id": "ceph", "type": "rbd", "pool": "rbd", "monhost": "192.0.2.1,192.0.2.2", "krbd": True, "keyring": "[a]"},
        {
            "id": "cephfs",
            "type": "cephfs",
            "fs_name": "cephfs",
            "content": "backup,vztmpl",
            "prune_backups": "keep-last=1",
        },
        {
            "id": "san",
            "type": "iscsi",
            "portal": "192.0.2.3:3260",
            "target": "iqn.2026-01.org.example:a",
            "content": "none",
        },
        {"id": "thin", "type": "lvmthin", "vgname": "pve", "thinpool": "data"},
    ],
)
def test_a_storage_with_its_own_options(row: dict[str, Any]):
    assert findings(row) == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{**PBS, "export": "/a"}], ["/storage/0/export", "which nfs has"]),
        ([{"id": "a", "type": "nfs", "server": "h"}], ["/storage/0", "Add export"]),
        ([{"id": "a", "type": "iscsi"}], ["/storage/0", "Add portal"]),
        ([PBS, PBS], ["/storage/1/id", "Describe each storage once"]),
        ([{**PBS, "prune_backups": "keep-all=1,keep-last=2"}], ["Remove keep_all"]),
        ([{**PBS, "prune_backups": {"keep_last": 0}}], ["a number above 0"]),
        ([{**PBS, "keyring": "hidden-one"}], ["/storage/0/keyring", "which cephfs, rbd has"]),
    ],
)
def test_what_pve_would_refuse_is_an_error_of_the_file(rows: list[dict[str, Any]], words: list[str]):
    found = findings(*rows)
    assert found
    for word in words:
        assert word in found[0]
    assert "hidden-one" not in "".join(found)


def test_secrets_are_no_part_of_the_storages():
    row = {**PBS, "password": "hidden-one", "encryption_key": "hidden-key"}
    shape = host_config({"storage": [row]})
    assert shape["storages"] == [{"storage": "vault", **{key: PBS[key] for key in PBS if key != "id"}}]
    assert shape["storage_secrets"] == {"vault": {"password": "hidden-one", "encryption_key": "hidden-key"}}


def test_each_option_of_a_type_has_a_key():
    wanted = {key for kind in TYPES.values() for key in (*kind.required, *kind.optional)}
    assert wanted - set(ITEM) == set()
    assert set(ITEM["type"]["enum"]) == set(TYPES)
    assert {key for key in ITEM if not any(kind.has(key) for kind in TYPES.values())} == {"id"}


def pool_findings(**pool: Any) -> list[str]:
    """Pointer and remedy of each finding of a file with this pool."""
    lxc = Source("lxc.json", parse(b'{"lxc_configs": {}}'), load_schema("phoenix_lxc_configs"))
    text = parse(json.dumps({"zfs": {"pools": [{"name": "tank", **pool}]}}).encode())
    source = Source("host.json", text, load_schema("hypervisor_config"), False)
    found = validate(lxc, source, ("pve",)).findings
    return [f"{one.pointer} {one.expected} {one.remedy}" for one in found if one.file == "host.json"]


def test_a_pool_with_devices_besides_its_data():
    pool = {
        "name": "tank",
        "raid_level": "mirror",
        "disks": ["a", "b"],
        "special": {"raid_level": "mirror", "disks": ["c", "d"]},
        "cache": ["e"],
    }
    assert pool_findings(**pool) == []
    shape = host_config({"zfs": {"pools": [pool]}})["pools"][0]
    by_id = "/dev/disk/by-id/"
    assert shape["vdevs"] == [
        {"type": "mirror", "disks": [f"{by_id}a", f"{by_id}b"]},
        {"type": "mirror", "disks": [f"{by_id}c", f"{by_id}d"], "role": "special"},
        {"type": "stripe", "disks": [f"{by_id}e"], "role": "cache"},
    ]
    assert shape["disks"] == [by_id + name for name in "abcde"]


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        ({"raid_level": "mirror", "disks": ["a"]}, "/zfs/pools/0/disks at least 2 disks"),
        ({"raid_level": "raidz3", "disks": ["a", "b", "c"]}, "/zfs/pools/0/disks at least 4 disks"),
        ({"raid_level": "RAID10", "disks": ["a", "b", "c", "d", "e"]}, "pairs of disks"),
        ({"disks": ["a", "b"], "log": {"raid_level": "mirror", "disks": ["c"]}}, "/zfs/pools/0/log at least 2"),
        ({"disks": ["a"], "cache": ["/dev/disk/by-id/a"]}, "a disk that disks doesn't have"),
        ({"raid_level": "draid1", "disks": ["a", "b"]}, "/zfs/pools/0/raid_level"),
    ],
)
def test_what_zpool_would_refuse_is_an_error_of_the_file(pool: dict[str, Any], words: str):
    assert any(words in found for found in pool_findings(**pool))
