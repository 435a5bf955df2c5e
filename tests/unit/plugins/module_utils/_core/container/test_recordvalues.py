# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of a record that are of another form than ours: a file that was damaged, or a description that was forged."""

from __future__ import annotations

import json

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.known import instance
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Record
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import rawlines
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.past import creations

JUNK = (None, True, -1, 1.5, "x", "", [], [1], [None], [[]], [["a"]], {}, {"a": 1}, {"a": {"b": []}})


@pytest.mark.parametrize("junk", JUNK, ids=json.dumps)
@pytest.mark.parametrize("key", sorted(Record().to_json()))
def test_every_value_of_a_record_has_its_form_or_is_left_out(key, junk):
    record = Record.from_json({key: junk}, None, 1)
    again = Record.from_json(json.loads(json.dumps(record.to_json())), None, 1)
    assert again == record


@pytest.mark.parametrize("junk", JUNK, ids=json.dumps)
def test_the_raw_lines_on_record_are_pairs_of_texts(junk):
    applied = Record.from_json({"applied": {"lxc": junk, "memory": "512"}}).applied
    assert applied["memory"] == "512"
    assert rawlines.changes([], [("lxc.a", "1")], None if isinstance(applied.get("lxc"), str) else applied.get("lxc"))


@pytest.mark.parametrize("junk", JUNK, ids=json.dumps)
def test_what_a_container_is_recognized_by_is_text(junk):
    for key in ("id", "rootfs", "macs", "at"):
        noted = {"id": "a", "rootfs": "local:1", "macs": ["AA"], "at": 5, key: junk}
        record = Record.from_json({"ours": True, "instance": noted})
        assert isinstance(instance.since(record), int)
        assert all(isinstance(mac, str) for mac in (record.instance or {}).get("macs", ()))


@pytest.mark.parametrize("junk", [*JUNK, 1e300, float("inf")], ids=str)
def test_a_time_of_a_creation_that_is_none_finds_no_worker(junk):
    class Tasks:
        @staticmethod
        def request(method, path, params=None):
            return [{"upid": "U", "starttime": 5}]

    class Asked:
        ctid = 950

        class desired:  # noqa: N801 - the name of an attribute
            clone_from = restore_from = None

    record = Record.from_json({"creating": {"at": junk}})
    assert creations.find(Tasks(), "pve", Asked(), record) in ("U", None)


def test_what_runs_write_keeps_its_form():
    applied = {
        "memory": "512",
        "net0": {"bridge": "vmbr0", "ip": "192.0.2.5/24"},
        "firewall": {"enable": "1", "rules": ["IN ACCEPT -p tcp"]},
        "lxc": [["lxc.cap.drop", "sys_time"]],
    }
    noted = {"id": "a", "at": 5, "rootfs": "local:1", "macs": ["AA"]}
    guarding = {"stage": "open", "at": 5, "run": "r", "applied": applied, "backup": {"storage": "local"}}
    record = Record.from_json({"applied": applied, "instance": noted, "guarding": guarding})
    assert (record.applied, record.instance, record.guarding) == (applied, noted, guarding)
