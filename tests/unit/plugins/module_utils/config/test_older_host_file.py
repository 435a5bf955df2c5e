# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The older dialect of hypervisor_config.json: pools without disks, datasets and shares by their full names."""

from __future__ import annotations

import json

from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.hostshape import host_config
from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.validation import Source, validate
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config_schemas import load_schema

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


def test_it_is_valid_and_read_like_the_newer_one() -> None:
    text = json.dumps(HOST).encode()
    lxc = Source("lxc.json", parse(b'{"lxc_configs": {}}'), load_schema("phoenix_lxc_configs"))
    outcome = validate(lxc, Source("host.json", parse(text), load_schema("hypervisor_config")), ("pve",))
    assert [f"{finding.pointer} {finding.got}" for finding in outcome.findings if finding.file == "host.json"] == []

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
