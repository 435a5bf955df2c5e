# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Storages of each type against the control plane, which takes the options that PVE's plugins have."""

from __future__ import annotations

from typing import Any

import pytest
from fake_node import FakeNode
from fakepve.storage import TYPES as PLUGINS

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage import pve_storage
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage.storage_types import (
    FLAGS,
    LISTS,
    TYPES,
    option,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.direct import make

ROWS: dict[str, dict[str, Any]] = {
    "dir": {"path": "/srv/one", "prune_backups": {"keep_last": 2, "keep_weekly": 4}, "content": ["backup", "iso"]},
    "btrfs": {"path": "/srv/two", "is_mountpoint": "yes", "nocow": True},
    "nfs": {"server": "192.0.2.1", "export": "/a", "options": "vers=4.2", "path": "/mnt/pve/nfs"},
    "cifs": {"server": "192.0.2.1", "share": "b", "username": "me", "password": "secret", "path": "/mnt/pve/cifs"},
    "cephfs": {"monhost": ["192.0.2.1", "192.0.2.2"], "fs_name": "fs", "path": "/mnt/pve/cephfs"},
    "zfspool": {"pool": "tank/a", "sparse": True, "blocksize": "16k"},
    "lvm": {"vgname": "data", "saferemove": True},
    "lvmthin": {"vgname": "pve", "thinpool": "data"},
    "rbd": {"pool": "rbd", "data_pool": "ec", "krbd": True, "namespace": "n"},
    "iscsi": {"portal": "192.0.2.3", "target": "iqn.2026-01.org.example:a", "content": "images"},
    "iscsidirect": {"portal": "192.0.2.3", "target": "iqn.2026-01.org.example:b"},
    "pbs": {"server": "192.0.2.9", "datastore": "main", "port": 8008, "prune_backups": "keep-all=1"},
}


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_a_storage_is_made_once(node: FakeNode, kind: str):
    client, row = node.client(), {"storage": f"my-{kind}", "type": kind, **ROWS[kind]}
    plan = pve_storage.plan([row], client.request("GET", "/storage"))
    assert [call.method for call in plan.calls] == ["POST"]
    make(client, plan.calls)
    again = pve_storage.plan([row], client.request("GET", "/storage"))
    assert (list(again.calls), again.notes) == ([], [])
    limited = pve_storage.plan([{**row, "disable": True}], client.request("GET", "/storage"))
    assert [call.text() for call in limited.calls] == [f"PUT /storage/my-{kind} disable=1"]
    make(client, limited.calls)
    assert not pve_storage.plan([{**row, "disable": True}], client.request("GET", "/storage")).calls


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_a_type_has_the_options_of_the_plugin(kind: str):
    own, plugin = TYPES[kind], PLUGINS[kind]["options"]
    keys = {*own.required, *own.optional}
    assert {option(key) for key in keys} - set(plugin) == set()
    needed = {name for name, (optional, _fixed) in plugin.items() if not optional}
    # PVE makes up the path of what it mounts itself.
    assert needed - {"path"} <= {option(key) for key in own.required}
    fixed = {name for name, (_optional, fixed) in plugin.items() if fixed}
    assert {option(key) for key in keys if own.is_fixed(key)} == fixed & {option(key) for key in keys}


def test_each_form_is_one_of_an_option():
    every = {key for kind in TYPES.values() for key in (*kind.required, *kind.optional)} | LISTS
    assert every | {"disable"} >= FLAGS
