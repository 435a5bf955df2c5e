# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A containers' file in the shape of the field on a node: each key is in the containers, a second run has no call."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_node import TEMPLATE, FakeNode, edges, two_storages, wanted

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import Source, validate
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.report import report

FILE = next(Path(__file__).parents[2].rglob("field/written_for_scripts.json"))


@pytest.fixture
def node(tmp_path, version, monkeypatch):
    """A node with a pool that takes snapshots and links clones."""
    node = FakeNode(tmp_path, version, 0.005, storages=two_storages)
    edges(node, monkeypatch)
    yield node
    node.close()


def fleet():
    """The containers of the file, on the storages and with the template of the node."""
    text = FILE.read_text(encoding="utf-8").replace("local-zfs", "tank").replace('"bulk"', '"tank"')
    text = text.replace("local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst", TEMPLATE)
    outcome = validate(Source("lxc.json", parse(text.encode()), load_schema("phoenix_lxc_configs")), None)
    assert report(outcome.findings) == ""
    for ctid in outcome.fleet.order():
        config = dict(outcome.fleet.containers[ctid].config)
        # What runs inside, and folders of the node, are for the lab.
        for key in ("features", "gpu_assignment", "mount_points"):
            config.pop(key, None)
        base = {"template": None, "storage_pool": None, "storage_size_gb": None}
        yield wanted(int(ctid), features=(), **{**base, **config})


def test_the_whole_file_is_made_and_a_second_run_has_no_call(node):
    containers = list(fleet())
    for one in containers:
        outcome = node.apply(one)
        assert not outcome.last.error, outcome.last.error
    serving, gateway = node.conf(910), node.conf(101)
    assert "mp=/models" in serving
    assert "lxc.apparmor.profile: unconfined" in serving
    assert "hwaddr=52:54:00:AA:00:02" in serving
    assert "nameserver: 192.0.2.3" in serving
    assert "net1: " in gateway
    assert "hwaddr=52:54:00:AA:00:03" in gateway
    assert "nameserver: 192.0.2.3 192.0.2.4" in gateway
    assert "[ready]" in node.conf(900)
    node.forget_requests()
    for one in containers:
        assert node.apply(one).last.steps == ()
    assert node.mutations() == []
