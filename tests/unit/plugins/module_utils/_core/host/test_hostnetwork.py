# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's interfaces: from the current ones and those applied to the calls, and then none."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import interfaces
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.interfaces import NetworkPlan, Seen

ETH0 = {
    "iface": "eth0",
    "type": "eth",
    "method": "static",
    "cidr": "10.0.0.2/24",
    "gateway": "10.0.0.1",
    "autostart": 1,
}
ETH1 = {"iface": "eth1", "type": "eth", "method": "manual", "exists": 1}
VMBR0 = {
    "iface": "vmbr0",
    "type": "bridge",
    "method": "static",
    "cidr": "10.1.0.1/24",
    "bridge_ports": "",
    "autostart": 1,
}
BASE = "/nodes/pve/network"
APPLY = f"PUT {BASE}"


def want(name: str, kind: str = "", dhcp: bool = False, **params: Any) -> dict[str, Any]:
    """A wanted interface; __ in a key stands for a dash."""
    return {"name": name, "type": kind, "dhcp": dhcp, "params": {k.replace("__", "-"): v for k, v in params.items()}}


def plan(wanted: list[Any], there: list[Any] | None = None, applied: Any = None, **more: Any) -> NetworkPlan:
    """The comparison on a node with two ports and a bridge."""
    seen = {key: more.pop(key) for key in ("dns", "used") if key in more}
    rows = [ETH0, ETH1, VMBR0] if there is None else there
    return interfaces.plan("pve", wanted, more.get("servers", ()), Seen(rows, **seen), applied)


def texts(result: NetworkPlan) -> list[str]:
    """The calls as text."""
    assert result.refusals == []
    return [call.text() for call in result.calls]


def carried_out(rows: list[dict[str, Any]], result: NetworkPlan) -> list[dict[str, Any]]:
    """The interfaces after the calls, as PVE would have them."""
    there = {row["iface"]: dict(row) for row in rows}
    for call in result.calls[:-1]:
        name = call.params.get("iface") or call.path.rpartition("/")[2]
        if call.method == "DELETE":
            del there[name]
            continue
        row = there.setdefault(name, {"iface": name})
        for key in str(call.params.get("delete", "")).split(","):
            row.pop(key, None)
        row.update({key: value for key, value in call.params.items() if key != "delete"})
        row["method"] = "static" if call.params.get("cidr") else "manual"
    return list(there.values())


CHANGES = {
    "a new bridge comes up at boot": (
        [want("vmbr1", "bridge", cidr="10.2.0.1/24", bridge_vlan_aware=True)],
        None,
        [f"POST {BASE} autostart=1 bridge_vlan_aware=1 cidr=10.2.0.1/24 iface=vmbr1 type=bridge"],
    ),
    "a new bridge that is not to come up at boot": (
        [want("vmbr1", "bridge", autostart=False)],
        None,
        [f"POST {BASE} iface=vmbr1 type=bridge"],
    ),
    "a PUT carries what stays": (
        [want("vmbr0", "bridge", mtu=1400)],
        None,
        [f"PUT {BASE}/vmbr0 autostart=1 cidr=10.1.0.1/24 mtu=1400 type=bridge"],
    ),
    "the address moves to a bridge: who loses the gateway comes first": (
        [
            want("vmbr2", "bridge", cidr="10.0.0.2/24", gateway="10.0.0.1", bridge_ports="eth0"),
            want("eth0", cidr="", gateway=""),
        ],
        None,
        [
            f"PUT {BASE}/eth0 autostart=1 delete=cidr,gateway type=eth",
            f"POST {BASE} autostart=1 bridge_ports=eth0 cidr=10.0.0.2/24 gateway=10.0.0.1 iface=vmbr2 type=bridge",
        ],
    ),
    "what we made and is named no more goes": ([], {"vmbr0": {"made": True, "params": {}}}, [f"DELETE {BASE}/vmbr0"]),
    "what was there before us stays": ([], {"vmbr0": {"made": False, "params": {"mtu": "1400"}}}, []),
    "a key that we set and is gone is unset": (
        [want("vmbr0", "bridge")],
        {"vmbr0": {"made": False, "params": {"cidr": "10.1.0.1/24"}}},
        [f"PUT {BASE}/vmbr0 autostart=1 delete=cidr type=bridge"],
    ),
    "one that another user has changed since stays": (
        [want("vmbr0", "bridge")],
        {"vmbr0": {"made": False, "params": {"cidr": "10.9.0.1/24"}}},
        [],
    ),
    "absent keys are unmanaged": ([want("eth0"), want("vmbr0")], None, []),
    "ports are names, however they are written": (
        [want("bond0", "bond", slaves="eth1,eth0 ", bond_mode="802.3ad"), want("eth0", cidr="", gateway="")],
        None,
        [
            f"PUT {BASE}/eth0 autostart=1 delete=cidr,gateway type=eth",
            f"POST {BASE} autostart=1 bond_mode=802.3ad iface=bond0 slaves=eth1 eth0 type=bond",
        ],
    ),
}


@pytest.mark.parametrize(("wanted", "applied", "calls"), CHANGES.values(), ids=CHANGES)
def test_calls_and_then_none(wanted: list[Any], applied: Any, calls: list[str]):
    result = plan(wanted, applied=applied)
    assert texts(result) == ([*calls, APPLY] if calls else [])
    again = plan(wanted, carried_out([ETH0, ETH1, VMBR0], result), result.applied)
    assert (texts(again), again.applied) == ([], result.applied)


REFUSALS = {
    "no such interface": (
        [want("eno1", cidr="10.9.0.1/24")],
        "there is no interface eno1 on the node, which has eth0, eth1",
    ),
    "no such port": ([want("vmbr1", "bridge", bridge_ports="eno1")], "bridge_ports names eno1"),
    "no device for a VLAN": ([want("eno1.7", "vlan")], "there is no interface eno1 on the node for this VLAN"),
    "a port with an address": ([want("vmbr1", "bridge", bridge_ports="eth0")], "would lose it"),
    "a port of two": (
        [want("vmbr1", "bridge", bridge_ports="eth1"), want("vmbr2", "bridge", bridge_ports="eth1")],
        "a port of vmbr1",
    ),
    "two gateways": ([want("vmbr0", gateway="10.1.0.9")], "eth0 and vmbr0 would both have a default gateway"),
    "another type": ([want("eth1", "bridge")], "PVE changes no interface's type"),
    "DHCP can't be set": ([want("eth1", dhcp=True)], "write `iface eth1 inet dhcp`"),
}


@pytest.mark.parametrize(("wanted", "told"), REFUSALS.values(), ids=REFUSALS)
def test_refused(wanted: list[Any], told: str):
    result = plan(wanted)
    assert len(result.refusals) == 1
    assert told in result.refusals[0]


def test_an_interface_with_dhcp_is_kept_and_not_spoilt():
    rows = [{"iface": "eth1", "type": "eth", "method": "dhcp", "autostart": 1}]
    assert texts(plan([want("eth1", dhcp=True)], rows)) == []
    assert "which PVE ends with any change" in plan([want("eth1", dhcp=True, mtu=1400)], rows).refusals[0]
    assert len(plan([want("eth1", cidr="10.9.0.5/24")], rows).calls) == 2


def test_a_bridge_that_guests_use_is_kept_and_told_until_they_are_gone():
    record = {"vmbr0": {"made": True, "params": {"mtu": "1400"}}}
    kept = plan([], applied=record, used={"vmbr0": ["container 950", "VM 100"]})
    assert (kept.calls, kept.applied) == ([], record)
    assert "container 950, VM 100 use it" in kept.notes[0]
    assert texts(plan([], applied=kept.applied)) == [f"DELETE {BASE}/vmbr0", APPLY]


def test_name_servers():
    dns = {"search": "lab", "dns1": "9.9.9.9", "dns2": "1.1.1.1"}
    assert texts(plan([], servers=["9.9.9.9", "1.1.1.1"], dns=dns)) == []
    assert texts(plan([], dns=dns)) == []
    changed = plan([], servers=["1.1.1.1"], dns=dns)
    assert texts(changed) == ["PUT /nodes/pve/dns dns1=1.1.1.1 search=lab"]
    assert texts(plan([], servers=["1.1.1.1"]))[0].endswith("search=localdomain")


def test_the_diff_has_what_differs_alone():
    result = plan([want("vmbr0", mtu=1400), want("eth0")])
    assert "mtu: 1400" in interfaces.text(result.after)
    assert "mtu" not in interfaces.text(result.before)
    assert "eth0" not in interfaces.text(result.after)
