# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices of a container on a node that has no devN yet, and after its upgrade."""

from __future__ import annotations

import pytest
from fake_node import normal, predicted, pve_calls, wanted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import hostneeds
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import judgement
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate

pytestmark = pytest.mark.parametrize("version", [8], indirect=True)
TUN = {"path": "/dev/net/tun"}
LINES = (
    "lxc.cgroup2.devices.allow: c 10:200 rw",
    "lxc.mount.entry: /dev/net/tun dev/net/tun none bind,create=file 0 0",
)


@pytest.fixture(autouse=True)
def upgraded(node):
    """What each test makes of the node's version ends with it."""
    before = node.pve.version
    yield
    node.pve.version = before


def asked(node, *devices, **more):
    """The container as its node completes it."""
    there = {TUN["path"]: hostneeds.Node((10, 200))}
    found = wanted(devices=list(devices), restart_policy="if_needed", features=(), **more)
    return hostneeds.complete(found, there=there, version=node.pve.version)


def settled(node, want):
    """Check mode predicts what a run does, and the run after it does nothing. Returns the notes."""
    node.forget_requests()
    check = node.apply(want, check=True).first
    assert node.mutations() == []
    outcome = node.apply(want)
    assert outcome.last.error is None
    assert normal(node.mutations()) == normal(pve_calls(predicted(check)))
    assert [entry["what"] for entry in outcome.journal] == [entry["what"] for entry in predicted(check)]
    node.forget_requests()
    again = node.apply(want).first
    assert again.steps == ()
    assert node.pve.asked == []
    return check.notes


def findings(node, want):
    """What the preflight says of its devices."""
    plan = node.apply(want, check=True).first.as_dict()
    items = [Candidate.from_options({"ctid": 950, "config": want.config, "plan": plan})]
    found = judgement.judge(items, node.gatherer().gather(items)).findings
    return [(finding.path[2:], finding.got) for finding in found if "devN" in finding.got]


@pytest.mark.parametrize("old", ["8.0.3", "8.1.10"])
def test_an_old_node_passes_devices_on_by_raw_lines_until_its_upgrade(node, old):
    node.pve.version = old
    want = asked(node, TUN)
    assert findings(node, want) == []
    notes = settled(node, want)
    assert [note for note in notes if f"Proxmox VE {old} has no devN for /dev/net/tun" in note]
    lines = node.conf(950).splitlines()
    assert [line for line in lines if line in LINES] == list(LINES)
    assert not any(line.startswith("dev0") for line in lines)
    node.pve.version = "8.2.4"
    notes = settled(node, asked(node, TUN))
    assert not [note for note in notes if "devN" in note]
    lines = node.conf(950).splitlines()
    assert "dev0: /dev/net/tun" in lines
    assert not set(LINES) & set(lines)


def test_what_raw_lines_cant_say_is_refused_on_an_old_node(node):
    node.pve.version = "8.0.3"
    ((path, got),) = findings(node, asked(node, {**TUN, "uid": 1000}))
    assert path == ("devices", 0, "uid")
    assert got == "node pve has Proxmox VE 8.0.3, which can't pass devices on as devN, and raw lines can't set uid"
    assert node.mutations() == []
