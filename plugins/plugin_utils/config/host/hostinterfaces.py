# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`network.interfaces` of `hypervisor_config.json` in PVE's words: what phoenix_pve_network is given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Key of the file -> key of PVE's API, for those that are taken as they are.
_SAME = {
    "gateway": "gateway",
    "address6": "cidr6",
    "gateway6": "gateway6",
    "vlan_aware": "bridge_vlan_aware",
    "vlan_ids": "bridge_vids",
    "bond_mode": "bond_mode",
    "bond_primary": "bond-primary",
    "bond_hash_policy": "bond_xmit_hash_policy",
    "vlan_device": "vlan-raw-device",
    "vlan_tag": "vlan-id",
    "mtu": "mtu",
    "autostart": "autostart",
    "comment": "comments",
    "ovs_bridge": "ovs_bridge",
    "ovs_tag": "ovs_tag",
    "ovs_options": "ovs_options",
}
_PORTS = {
    "bridge_ports": "bridge_ports",
    "bond_slaves": "slaves",
    "ovs_ports": "ovs_ports",
    "ovs_bonds": "ovs_bonds",
}
# PVE puts these into the ports of their bridge itself.
_OF_OVS_BRIDGE = ("OVSIntPort", "OVSBond")
_BRIDGE = re.compile(r"vmbr\d+\Z")


def interfaces(network: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The interfaces, in the file's order; what belongs to an Open vSwitch bridge comes after the others."""
    given = network.get("interfaces")
    items = given if isinstance(given, list) else [given] if given else []
    found = [interface(item) for item in items]
    for bridge in found:
        if bridge["type"] == "OVSBridge" and "ovs_ports" in bridge["params"]:
            own = [one["name"] for one in found if _is_port_of(one, bridge["name"])]
            ports = [*words(bridge["params"]["ovs_ports"]), *own]
            bridge["params"]["ovs_ports"] = " ".join(dict.fromkeys(ports))
    return sorted(found, key=lambda one: one["type"] in _OF_OVS_BRIDGE)


def _is_port_of(one: Mapping[str, Any], bridge: str) -> bool:
    return one["type"] in _OF_OVS_BRIDGE and one["params"].get("ovs_bridge") == bridge


def interface(item: Mapping[str, Any]) -> dict[str, Any]:
    """One interface: `name`, `type` ('' where the node must say), `dhcp`, and `params` ('' unsets one)."""
    params: dict[str, Any] = {pve: item[key] for key, pve in _SAME.items() if key in item}
    for key, pve in _PORTS.items():
        if key in item:
            ports = words(item[key])
            params[pve] = "" if ports == ["none"] else " ".join(ports)
    address = item.get("address")
    if address == "manual":
        params.update({"cidr": "", "gateway": ""})
    elif address not in (None, "dhcp"):
        params["cidr"] = address
    return {"name": item["name"], "type": kind(item), "dhcp": address == "dhcp", "params": params}


def kind(item: Mapping[str, Any]) -> str:
    """The type as far as the file tells it."""
    name = item["name"]
    if item.get("ovs_type"):
        return str(item["ovs_type"])
    for key, ovs in (("ovs_ports", "OVSBridge"), ("ovs_bonds", "OVSBond"), ("ovs_bridge", "OVSIntPort")):
        if key in item:
            return ovs
    if "bond_slaves" in item or "bond_mode" in item:
        return "bond"
    if "bridge_ports" in item or "vlan_aware" in item or _BRIDGE.match(name):
        return "bridge"
    if "vlan_device" in item or re.search(r"\.\d+\Z", name):
        return "vlan"
    return ""


def words(value: Any) -> list[str]:
    """Names: a list, or text with blanks or commas."""
    return [str(one) for one in value] if isinstance(value, list) else str(value).replace(",", " ").split()


def name_servers(network: Mapping[str, Any]) -> list[str]:
    """All name servers of the interfaces, each once."""
    given = network.get("interfaces")
    items = given if isinstance(given, list) else [given] if given else []
    found = [one for item in items for one in words(item.get("dns_nameservers", []))]
    return list(dict.fromkeys(found))
