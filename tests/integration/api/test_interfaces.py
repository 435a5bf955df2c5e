# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's interfaces against the control plane, which stages them in a file: what others wrote into it stays.

Open vSwitch itself is not there: the file is what PVE would apply.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_node import FakeNode

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import interfaces
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostinterfaces import interfaces as read

FILE = """auto lo
iface lo inet loopback

iface eno9 inet manual
\tpost-up ethtool -K eno9 tso off

auto vmbr0
iface vmbr0 inet static
\taddress 10.0.0.2/24
\tgateway 10.0.0.1
\tbridge-ports none
\tbridge-stp off
\tbridge-fd 0
\tup ip route add 10.20.0.0/16 via 10.0.0.254
\tpost-up iptables -t nat -A POSTROUTING -o vmbr0 -j MASQUERADE

source /etc/network/interfaces.d/*
"""
BY_HAND = [line for line in FILE.splitlines() if "post-up" in line or "ip route" in line or "source" in line]
BASE = "/nodes/pve/network"
VLAN = {"name": "mgmt", "ovs_bridge": "vmbr5", "ovs_tag": 10, "address": "10.10.0.1/24"}
SWITCH = [VLAN, {"name": "vmbr5", "ovs_ports": "eno9"}]


class Network:
    """The file of a node, and what a configuration makes of it."""

    def __init__(self, node: FakeNode, folder: Path) -> None:
        self.node, self.file = node, folder / "interfaces"
        self.file.write_text(FILE, encoding="utf-8")
        node.pve.network_file = self.file
        self.applied: Any = {}

    def run(self, *items: dict[str, Any]) -> list[str]:
        """The calls for these interfaces, carried out. Returns them as text, without the last, which applies them."""
        seen = interfaces.Seen(self.node.client().request("GET", BASE))
        plan = interfaces.plan("pve", read({"interfaces": list(items)}), (), seen, self.applied)
        assert plan.refusals == []
        for call in plan.calls[:-1]:
            self.node.client().request(call.method, call.path, call.params)
        self.applied = plan.applied
        staged = self.file.with_name("interfaces.new")
        if staged.exists():
            staged.replace(self.file)
        return [call.text() for call in plan.calls[:-1]]

    def has(self, line: str) -> bool:
        """Whether the file has a line."""
        return line.strip() in [one.strip() for one in self.file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def network(node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setattr(node.pve, "network_file", None, raising=False)
    return Network(node, tmp_path)


def test_lines_of_others_stay(network: Network):
    changed = {"name": "vmbr0", "address": "10.0.0.2/24", "gateway": "10.0.0.1", "bridge_ports": "none", "mtu": 1400}
    assert len(network.run(changed)) == 1
    assert network.has("mtu 1400")
    assert all(map(network.has, BY_HAND))
    assert network.run(changed) == []
    network.run({"name": "vmbr7", "bridge_ports": "none"})
    assert all(map(network.has, BY_HAND))


def test_an_open_vswitch_bridge_with_a_port_of_its_own(network: Network):
    made = network.run(*SWITCH)
    assert [text.split()[0] for text in made] == ["POST", "POST"]
    assert network.has("ovs_type OVSBridge")
    assert network.has("ovs_ports eno9 mgmt")
    assert network.run(*SWITCH) == []
    assert all(map(network.has, BY_HAND))
    assert network.run(SWITCH[1]) != []
    assert network.has("ovs_ports eno9")
    assert network.run(SWITCH[1]) == []


def test_a_bridge_of_another_kind_is_refused_by_name(network: Network):
    network.run(*SWITCH)
    seen = interfaces.Seen(network.node.client().request("GET", BASE))
    plan = interfaces.plan("pve", read({"interfaces": [{"name": "vmbr5", "bridge_ports": "none"}]}), (), seen, {})
    assert "vmbr5 is of type OVSBridge on the node, not bridge" in plan.refusals[0]
