# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers in a virtual network of the SDN: which privilege PVE checks, and that the preflight names the same."""

from __future__ import annotations

import json

import pytest
from fake_node import predicted, pve_calls, wanted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import judgement
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import local_client
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.client import PveError

LXC = "/nodes/pve/lxc"
USER = "automation@pve"
ROLES = (("/vms", "PVEVMAdmin"), ("/storage", "PVEDatastoreUser"), ("/sdn/zones/localnetwork", "PVESDNUser"))


@pytest.fixture
def office(node):
    """A virtual network in a zone of the cluster, and a user who may use the node's own bridges."""
    (node.directory / "net" / "office" / "bridge").mkdir(parents=True, exist_ok=True)
    folder = node.pve_dir / "sdn"
    folder.mkdir(exist_ok=True)
    running = {"version": 3, "vnets": {"ids": {"office": {"type": "vnet", "zone": "campus", "tag": 7}}}}
    (folder / ".running-config").write_text(json.dumps(running))
    node.backend.known_bridges.add("office")
    before, node.pve.acl = node.pve.acl, {}
    for path, role in ROLES:
        node.pve.grant_role(USER, path, role)
    yield node
    node.pve.acl = before
    (folder / ".running-config").unlink()


def card(vlans):
    """The interface as PVE has it."""
    parts = {**vlans, "trunks": ";".join(map(str, vlans.get("trunks", ())))}
    return "name=eth0,bridge=office" + "".join(f",{key}={value}" for key, value in parts.items() if value)


def lacking(node, asked):
    """What the preflight says that the user lacks: (where, the command that grants it)."""
    plan = node.apply(asked, check=True).first.as_dict()
    items = [Candidate.from_options({"ctid": 950, "config": asked.config, "plan": plan})]
    found = judgement.judge(items, node.gatherer().gather(items, credential=USER)).findings
    return [(each.got.rpartition(" ")[2], each.remedy) for each in found if "SDN.Use" in each.got]


@pytest.mark.parametrize(
    ("vlans", "places"),
    [
        ({}, ["/sdn/zones/campus/office"]),
        ({"tag": 40}, ["/sdn/zones/campus/office/40"]),
        ({"tag": 40, "trunks": [50, 60]}, [f"/sdn/zones/campus/office/{vlan}" for vlan in (40, 50, 60)]),
    ],
)
def test_the_zone_of_a_virtual_network_is_what_needs_the_privilege(office, monkeypatch, vlans, places):
    asked = wanted(network_config={"name": "eth0", "bridge": "office", "ip": "dhcp", **vlans})
    found = lacking(office, asked)
    assert [where for where, _remedy in found] == places
    assert all(
        f"pveum acl modify /sdn/zones/campus --users {USER} --roles PVESDNUser" in each for _where, each in found
    )
    (made,) = [
        params for _method, path, params in pve_calls(predicted(office.apply(asked, check=True).first)) if path == LXC
    ]
    with monkeypatch.context() as patch:
        patch.setattr(local_client, "mint_ticket", lambda **_how: office.pve.mint_ticket(USER))
        for where in places:
            with pytest.raises(PveError, match=rf"Permission check failed \({where}, SDN.Use\)"):
                office.call("POST", LXC, {**made, "net0": card(vlans)})
            office.pve.grant_role(USER, where, "PVESDNUser")
        assert lacking(office, asked) == []
        office.call("POST", LXC, {**made, "net0": card(vlans), "vmid": 951})
    office.forget_requests()
    assert office.apply(asked).last.error is None
    office.forget_requests()
    assert office.apply(asked).first.steps == ()
    assert office.mutations() == []


def test_a_bridge_of_the_node_is_in_the_zone_of_the_node(office):
    asked = wanted(network_config={"name": "eth0", "bridge": "vmbr0", "ip": "dhcp", "tag": 40})
    assert lacking(office, asked) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"vnets": {"ids": {"office": null}}}'])
def test_a_running_configuration_that_nobody_can_read_has_no_networks(office, text):
    (office.pve_dir / "sdn" / ".running-config").write_text(text)
    asked = wanted(network_config={"name": "eth0", "bridge": "office", "ip": "dhcp"})
    assert lacking(office, asked) == []
