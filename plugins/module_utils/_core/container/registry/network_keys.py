# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schema of the keys of a container's network interfaces."""

from __future__ import annotations

from typing import Any

_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
_ADDRESS = rf"^(?:dhcp|manual|{_IPV4}/(?:3[0-2]|[12]?[0-9]))$"
_IPV6 = "[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40}"
_ADDRESS_6 = rf"^(?:auto|dhcp|manual|{_IPV6}/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))$"
_EXPECTED = "an IPv4 address with prefix length such as 10.0.0.50/24, dhcp or manual"
_REMEDY = "Write an address and its prefix length, for example 10.0.0.50/24, or dhcp."
_NOT_SET = "not set"

_MAC = "^(?!(?:00:){5}00$)[0-9A-Fa-f][02468ACEace](?::[0-9A-Fa-f]{2}){5}$"
_MAC_WORDS: dict[str, Any] = {
    "pattern": _MAC,
    "examples": ["BC:24:11:00:09:50"],
    "x-phoenix-expected": "a unicast MAC address such as BC:24:11:00:09:50",
    "x-phoenix-remedy": "Write six pairs of hexadecimal digits with colons; the second digit must be even (an odd one "
    "is a multicast address), and they must not all be 0.",
    "x-phoenix-empty": _NOT_SET,
}

# Sub-key: (PVE's sub-option, type and description, the rest of its schema).
_SUB_KEYS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "name": (
        "name",
        {"type": "string", "description": "Name of the interface inside the container."},
        {
            "x-phoenix-synonyms": ["interface", "iface"],
            "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$",
            "x-phoenix-expected": "the name of an interface, such as eth0",
            "x-phoenix-empty": _NOT_SET,
        },
    ),
    "bridge": (
        "bridge",
        {"type": "string", "description": "Bridge of the node, or a virtual network of its SDN."},
        {
            "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$",
            "examples": ["vmbr0"],
            "x-phoenix-expected": "the name of a bridge, such as vmbr0",
            "x-phoenix-empty": _NOT_SET,
        },
    ),
    "ip": (
        "ip",
        {"type": "string", "description": "IPv4 address with prefix length, `dhcp` or `manual`."},
        {
            "x-phoenix-synonyms": ["address", "ip_address", "ipv4", "ip4", "cidr"],
            "pattern": _ADDRESS,
            "examples": ["192.0.2.50/24"],
            "x-phoenix-expected": _EXPECTED,
            "x-phoenix-remedy": _REMEDY,
            "x-phoenix-empty": _NOT_SET,
        },
    ),
    "gw": (
        "gw",
        {
            "type": "string",
            "description": "IPv4 gateway: in the subnet of the address, or, with the prefix length 32, any that the "
            "bridge leads to.",
        },
        {
            "x-phoenix-synonyms": ["gateway", "gateway_ip"],
            "pattern": f"^{_IPV4}$",
            "examples": ["192.0.2.1"],
            "x-phoenix-expected": "an IPv4 address without prefix length",
            "x-phoenix-empty": _NOT_SET,
        },
    ),
    "ip6": (
        "ip6",
        {
            "type": "string",
            "description": "IPv6 address with prefix length, `auto` (router advertisements), `dhcp` or `manual`.",
        },
        {
            "x-phoenix-synonyms": ["ipv6", "address6"],
            "pattern": _ADDRESS_6,
            "examples": ["2001:db8::50/64"],
            "x-phoenix-expected": "an IPv6 address with prefix length such as 2001:db8::50/64, auto, dhcp or manual",
            "x-phoenix-remedy": "Write an address and its prefix length, for example 2001:db8::50/64, or auto.",
            "x-phoenix-empty": _NOT_SET,
        },
    ),
    "gw6": (
        "gw6",
        {
            "type": "string",
            "description": "IPv6 gateway: link-local, in the subnet of the address, or, with the prefix length 128, "
            "any that the bridge leads to.",
        },
        {
            "x-phoenix-synonyms": ["gateway6"],
            "pattern": f"^{_IPV6}$",
            "examples": ["2001:db8::1"],
            "x-phoenix-expected": "an IPv6 address without prefix length",
            "x-phoenix-empty": _NOT_SET,
        },
    ),
    "tag": (
        "tag",
        {"type": "integer", "description": "VLAN of the interface, untagged inside the container."},
        {
            "x-phoenix-synonyms": ["vlan", "vlan_tag", "vlan_id"],
            "minimum": 1,
            "maximum": 4094,
            "examples": [30],
            "x-phoenix-expected": "an integer from 1 to 4094",
        },
    ),
    "trunks": (
        "trunks",
        {"type": "array", "description": "VLANs that the interface carries tagged."},
        {
            "uniqueItems": True,
            "minItems": 1,
            "items": {"type": "integer", "minimum": 1, "maximum": 4094},
            "examples": [[40, 41]],
            "x-phoenix-expected": "a list of integers from 1 to 4094",
        },
    ),
    "mtu": (
        "mtu",
        {"type": "integer", "description": "Largest packet, at most that of the bridge. Absent: the bridge's."},
        {
            "minimum": 64,
            "maximum": 65535,
            "x-phoenix-unit": "bytes",
            "x-phoenix-expected": "an integer from 64 to 65535",
        },
    ),
    "rate": (
        "rate",
        {"type": "number", "description": "Limit of the traffic out of the container."},
        {
            "minimum": 0.01,
            "maximum": 1000000,
            "examples": [12.5],
            "x-phoenix-unit": "MB/s",
            "x-phoenix-expected": "a number of megabytes a second, at least 0.01",
        },
    ),
    "link_down": ("link_down", {"type": "boolean", "description": "Whether the interface is unplugged."}, {}),
    "firewall": (
        "firewall",
        {
            "type": "boolean",
            "description": "Whether PVE's firewall filters the interface. Absent: as `firewall.enabled` of the "
            "container says.",
        },
        {},
    ),
    "host_managed": (
        "host-managed",
        {
            "type": "boolean",
            "description": "Whether the node sets the addresses of the interface, for containers without a network "
            "configuration of their own. Needs Proxmox VE 9.1 or later.",
        },
        {},
    ),
    "mac_address": (
        "hwaddr",
        {"type": "string", "description": "MAC address of the interface. Absent: PVE's choice, kept."},
        {"x-phoenix-synonyms": ["mac", "macaddr"], **_MAC_WORDS},
    ),
}
PARTS = {key: part for key, (part, _first, _rest) in _SUB_KEYS.items()}
"""Key of an interface -> PVE's sub-option."""


def _sub_keys(which: str) -> dict[str, dict[str, Any]]:
    return {
        key: {**first, "x-phoenix-effect": f"{part} of {which}", "x-phoenix-disrupts": "hot", **rest}
        for key, (part, first, rest) in _SUB_KEYS.items()
    }


def _first_keys() -> dict[str, dict[str, Any]]:
    keys = _sub_keys("net0")
    keys["name"]["default"] = "eth0"
    keys["mac_address"]["description"] = "MAC address of net0; the same as `mac_address` of the container."
    return keys


NETWORK_CONFIG: dict[str, Any] = {
    "type": "object",
    "description": "The first network interface (net0).",
    "additionalProperties": False,
    "properties": {
        **_first_keys(),
        "nameservers": {
            "x-phoenix-synonyms": ["dns", "dns_servers", "dns_nameservers"],
            "description": "Name servers of the container: a list of addresses, or text with blanks or commas. "
            "Absent: the node's.",
            "x-phoenix-effect": "nameserver",
            "x-phoenix-disrupts": "restart",
            "anyOf": [
                {"type": "string", "pattern": "^[0-9A-Fa-f:.]+(?:[ ,;]+[0-9A-Fa-f:.]+)*$"},
                {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "^[0-9A-Fa-f:.]+$"}},
            ],
            "x-phoenix-expected": 'addresses such as "10.0.0.1 10.0.0.2", or a list of them',
            "x-phoenix-remedy": "Write addresses, not names.",
            "x-phoenix-empty": _NOT_SET,
        },
    },
    "x-phoenix-expected": "an object with name, bridge, ip and gw",
    "x-phoenix-empty": _NOT_SET,
    "x-phoenix-remedy": 'Write {"bridge": "vmbr0", "ip": "10.0.0.50/24", "gw": "10.0.0.1"}, or "ip": "dhcp".',
}

NETWORKS: dict[str, Any] = {
    "type": "array",
    "description": "Further network interfaces (net1 to net31), each known by its name. `network_config` is the first "
    "one.",
    "x-phoenix-effect": "net1 to net31",
    "x-phoenix-disrupts": "hot",
    "maxItems": 31,
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "bridge"],
        "properties": _sub_keys("its netN"),
        "x-phoenix-expected": "an object with name, bridge, ip and gw",
        "x-phoenix-remedy": 'Write {"name": "eth1", "bridge": "vmbr1", "ip": "dhcp"}.',
    },
    "examples": [[{"name": "eth1", "bridge": "vmbr1", "ip": "10.1.0.50/24"}]],
    "x-phoenix-expected": "a list of interfaces",
    "x-phoenix-remedy": 'Write [{"name": "eth1", "bridge": "vmbr1", "ip": "dhcp"}].',
}

MAC_ADDRESS: dict[str, Any] = {
    "type": "string",
    "description": "MAC address of net0. Absent: PVE's choice, kept.",
    "x-phoenix-effect": "hwaddr of net0",
    **_MAC_WORDS,
}

STATIC_IP: dict[str, Any] = {
    "type": "string",
    "description": "Address of net0; the same as `network_config.ip`.",
    "x-phoenix-effect": "ip of net0",
    "pattern": _ADDRESS,
    "examples": ["192.0.2.50/24"],
    "x-phoenix-expected": _EXPECTED,
    "x-phoenix-remedy": _REMEDY,
    "x-phoenix-empty": _NOT_SET,
}
