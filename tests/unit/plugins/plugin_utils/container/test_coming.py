# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a dry run counts as there, because the host's own play makes it: in both dialects of the host's file."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.demanded import coming


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({}, set()),
        ({"storage": [{"id": "nas", "type": "dir", "path": "/srv"}]}, {"nas"}),
        (
            {
                "zfs": {
                    "datasets": [{"pool": "fast", "name": "a-b", "proxmox_storage_type": "dir"}],
                },
                "proxmox_storage_ids": {"fast_a-b": "images"},
                "mount_point_base": "/mnt/pve",
            },
            {"images", "/mnt/pve/fast/a-b"},
        ),
        (
            {
                "zfs": {
                    "datasets": [{"name": "fast/guests", "properties": {}}, {"name": "fast/data"}],
                    "dataset_storage_types": {"fast/guests": "zfspool:rootdir"},
                },
                "mount_point_base": "/mnt/pve",
            },
            {"fast-guests", "/fast/guests", "/mnt/pve/fast/data"},
        ),
        ({"network": {"interfaces": {"name": "vmbr1", "address": "manual"}}}, {"vmbr1"}),
        ({"network": {"interfaces": [{"name": "vmbr1"}, {"name": "vmbr2"}]}}, {"vmbr1", "vmbr2"}),
        ({"model_store": {"path": "/srv/models"}, "shared_volumes": {"a": {"host_path": "/srv/a"}}},
         {"/srv/models", "/srv/a"}),
    ],
)  # fmt: skip  # laid out to be read
def test_it_is_told_by_name(config: dict[str, Any], names: set[str]) -> None:
    assert set(coming(config)) == names
