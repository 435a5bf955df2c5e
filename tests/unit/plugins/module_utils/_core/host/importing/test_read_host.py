# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The storages of a node as the host's file has them: a run with that file calls nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.importing.read_host import read_host
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage import pve_storage
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage.storage_types import (
    FLAGS,
    TYPES,
    option,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.storagecfg import parse_storages
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import hoststorage

RECORDED = """dir: local
\tpath /var/lib/vz
\tcontent vztmpl,iso,backup
\tprune-backups keep-all=1

zfspool: local-zfs
\tpool rpool/data
\tsparse
\tcontent images,rootdir

pbs: backups
\tdatastore main
\tserver 10.0.0.9
\tcontent backup
\tport 8007
\tusername me@pbs

future: odd
\tpath /x
"""


def test_a_recorded_file():
    host, notes = read_host(parse_storages(RECORDED).values(), "Europe/Berlin")
    assert host["timezone"] == "Europe/Berlin"
    assert host["storage"] == [
        {
            "id": "local",
            "type": "dir",
            "content": ["vztmpl", "iso", "backup"],
            "path": "/var/lib/vz",
            "prune_backups": "keep-all=1",
        },
        {"id": "local-zfs", "type": "zfspool", "content": ["images", "rootdir"], "pool": "rpool/data", "sparse": True},
        {
            "id": "backups",
            "type": "pbs",
            "content": ["backup"],
            "server": "10.0.0.9",
            "datastore": "main",
            "port": 8007,
            "username": "me@pbs",
        },
    ]
    assert notes == ["storage odd: its type future is not known; it is not managed"]


def test_a_zone_that_is_none_is_left_out():
    assert read_host([], "../../etc/passwd")[0] == {}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_storages_a_node_has_nothing_is_called(data: Any) -> None:
    text = ""
    for index, kind in enumerate(data.draw(st.lists(st.sampled_from(sorted(TYPES)), max_size=4))):
        text += f"{kind}: store{index}\n"
        keys = [*TYPES[kind].required, *sorted(TYPES[kind].optional), "content", "nodes", "disable"]
        for key in data.draw(st.lists(st.sampled_from(keys), unique=True)):
            value = "1" if key in FLAGS else "7" if key in ("port", "max_protected_backups") else "keep-last=3"
            text += f"\t{option(key)} {value}\n"
    storages = parse_storages(text)
    host, _notes = read_host(storages.values(), "")
    rows = [{"storage": name, "type": each.kind, **each.options} for name, each in storages.items()]
    desired = hoststorage.storages(host)
    calls = pve_storage.plan(desired, rows)
    assert (calls.calls, calls.notes) == ([], []), text
