# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The six traps that community.proxmox's module falls into, each by name: the exact calls, then nothing more to do.

Each container is there already, was changed by another user, and carries what PVE makes of values.
"""

from __future__ import annotations

from typing import Any

import pytest
from fake_node import TEMPLATE, FakeNode
from proof_counts import COUNTS

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted

CONFIG = "/nodes/pve/lxc/950/config"
DISK = "rootfs: local:950/vm-950-disk-0.raw,size=8G\n"
BASE = f"hostname: web\nmemory: 512\n{DISK}"


def apply(node: FakeNode, text: str, config: dict[str, Any], applied: Any = None) -> list[Any]:
    """One apply to this config file, then a second one, which must find nothing. Returns the calls of the first."""
    node.wipe()
    COUNTS["named traps"] += 1
    node.place(950, text)
    node.store.update_record(950, ours=True, applied=applied or {})
    wanted = Wanted(950, "pve", {"template": TEMPLATE, **config}, target="configured")
    node.drive(wanted)
    calls = node.mutations()
    node.pve.asked.clear()
    journal, outcome = node.drive(wanted)
    assert (journal, outcome.first.steps, node.mutations()) == ([], (), [])
    assert len(node.backend.volumes) == text.count(".raw")
    return calls


@pytest.mark.parametrize("note", ["#by hand\n", "#two\n#lines\n", "#Gr%C3%BC%C3%9Fe%0A\n", "description: old style\n"])
def test_the_newline_at_a_descriptions_end_is_no_difference(node, note):
    """PVE facts, 'How PVE rewrites what you send': a description comes back with a trailing newline."""
    assert apply(node, note + BASE, {"memory_mb": 1024}) == [("PUT", CONFIG, {"memory": "1024"})]
    assert node.conf(950).startswith("#")


def test_a_key_that_somebody_deleted_is_not_deleted_again(node):
    applied = {"swap": "256", "startup": {"order": "3"}, "features": {"fuse": "1"}, "onboot": "1"}
    assert apply(node, BASE, {}, applied) == []


@pytest.mark.parametrize(
    ("head", "config", "applied", "sent"),
    [
        (
            "startup: order=3,up=20,down=9\n",
            {"boot_order": 3},
            {"startup": {"order": "3", "up": "20"}},
            {"startup": "3,down=9"},
        ),
        (
            "features: fuse=1,keyctl=1,nesting=1\n",
            {"pct_options": ["nesting=1"]},
            {"features": {"nesting": "1", "keyctl": "1"}},
            {"features": "fuse=1,nesting=1"},
        ),
        (
            "net0: name=eth0,bridge=vmbr0,gw=10.0.0.1,hwaddr=BC:24:11:00:00:01,ip=10.0.0.5/24,tag=4,type=veth\n",
            {"network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}},
            {"net0": {"name": "eth0", "bridge": "vmbr0", "gw": "10.0.0.1", "ip": "10.0.0.5/24", "type": "veth"}},
            {"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,tag=4,type=veth"},
        ),
    ],
    ids=["startup", "features", "net0"],
)
def test_a_sub_option_that_is_gone_from_the_file_goes_and_foreign_ones_stay(node, head, config, applied, sent):
    assert apply(node, BASE + head, config, applied) == [("PUT", CONFIG, sent)]


def test_a_size_goes_through_resize_and_allocates_nothing(node):
    """PVE facts: sizes change through PUT resize, never through config; a volume sent again is another disk."""
    head = BASE + "mp0: local:950/vm-950-disk-1.raw,mp=/data,size=1024M\n"
    volume = {"name": "data", "pool": "local", "size_gb": 3, "mount_point": "/data"}
    calls = apply(node, head, {"storage_size_gb": 10, "volumes": [volume]})
    resize = "/nodes/pve/lxc/950/resize"
    assert sorted(calls, key=lambda call: call[2]["disk"]) == [
        ("PUT", resize, {"disk": "mp0", "size": "3G"}),
        ("PUT", resize, {"disk": "rootfs", "size": "10G"}),
    ]


@pytest.mark.parametrize("size", ["8G", "8192M", "8388608K"])
def test_the_same_size_in_another_unit_is_no_difference(node, size):
    assert apply(node, BASE.replace("8G", size), {"storage_size_gb": 8}) == []


def test_a_partial_net0_keeps_the_mac_and_what_others_set(node):
    """PVE facts: a net0 without hwaddr gets a new MAC on every PUT, and a running container a new card."""
    there = "net0: name=eth0,bridge=vmbr0,firewall=1,hwaddr=BC:24:11:AA:BB:CC,ip=dhcp,mtu=1400,tag=4,type=veth\n"
    config = {"network_config": {"name": "eth0", "bridge": "vmbr1", "ip": "dhcp"}}
    sent = "name=eth0,bridge=vmbr1,firewall=1,hwaddr=BC:24:11:AA:BB:CC,ip=dhcp,mtu=1400,tag=4,type=veth"
    assert apply(node, BASE + there, config) == [("PUT", CONFIG, {"net0": sent})]
    assert sent in node.conf(950)


def test_a_mac_in_lower_case_is_the_same_mac(node):
    there = "net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:AA:BB:CC,ip=dhcp,type=veth\n"
    network = {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}
    assert apply(node, BASE + there, {"network_config": network, "mac_address": "bc:24:11:aa:bb:cc"}) == []


@pytest.mark.parametrize("limit", ["0", "1.5"])
def test_cores_are_cores_and_never_a_cpu_limit(node, limit):
    calls = apply(node, f"{BASE}cores: 4\ncpulimit: {limit}\n", {"cores": 2})
    assert calls == [("PUT", CONFIG, {"cores": "2"})]
    assert f"cpulimit: {limit}" in node.conf(950)
