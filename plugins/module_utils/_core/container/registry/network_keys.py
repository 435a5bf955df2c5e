# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schema of the keys of a container's first network interface."""

from __future__ import annotations

from typing import Any

_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
_ADDRESS = rf"^(?:dhcp|manual|{_IPV4}/(?:3[0-2]|[12]?[0-9]))$"
_EXPECTED = "an IPv4 address with prefix length such as 10.0.0.50/24, dhcp or manual"
_REMEDY = "Add the prefix length, for example 10.0.0.50/24, or write dhcp."

NETWORK_CONFIG: dict[str, Any] = {
    "type": "object",
    "description": "The first network interface (net0).",
    "additionalProperties": False,
    "properties": {
        "name": {
            "type": "string",
            "description": "Name of the interface inside the container.",
            "x-phoenix-effect": "name of net0",
            "x-phoenix-disrupts": "hot",
            "pattern": "^[A-Za-z][A-Za-z0-9_.-]{1,14}$",
            "default": "eth0",
            "x-phoenix-expected": "the name of an interface, such as eth0",
            "x-phoenix-empty": "not set",
        },
        "bridge": {
            "type": "string",
            "description": "Bridge of the node.",
            "x-phoenix-effect": "bridge of net0",
            "x-phoenix-disrupts": "hot",
            "pattern": "^[A-Za-z][A-Za-z0-9_.]{0,14}$",
            "examples": ["vmbr0"],
            "x-phoenix-expected": "the name of a bridge, such as vmbr0",
            "x-phoenix-empty": "not set",
        },
        "ip": {
            "type": "string",
            "description": "IPv4 address with prefix length, `dhcp` or `manual`.",
            "x-phoenix-effect": "ip of net0",
            "x-phoenix-disrupts": "hot",
            "pattern": _ADDRESS,
            "examples": ["192.0.2.50/24"],
            "x-phoenix-expected": _EXPECTED,
            "x-phoenix-remedy": _REMEDY,
            "x-phoenix-empty": "not set",
        },
        "gw": {
            "type": "string",
            "description": "IPv4 gateway.",
            "x-phoenix-effect": "gw of net0",
            "x-phoenix-disrupts": "hot",
            "pattern": f"^{_IPV4}$",
            "examples": ["192.0.2.1"],
            "x-phoenix-expected": "an IPv4 address without prefix length",
            "x-phoenix-empty": "not set",
        },
        "nameservers": {
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
            "x-phoenix-empty": "not set",
        },
    },
    "x-phoenix-expected": "an object with name, bridge, ip and gw",
    "x-phoenix-empty": "not set",
    "x-phoenix-remedy": 'Write {"bridge": "vmbr0", "ip": "10.0.0.50/24", "gw": "10.0.0.1"}, or "ip": "dhcp".',
}

MAC_ADDRESS: dict[str, Any] = {
    "type": "string",
    "description": "MAC address of net0. Absent: PVE's choice, kept.",
    "x-phoenix-effect": "hwaddr of net0",
    "pattern": "^[0-9A-Fa-f][02468ACEace](?::[0-9A-Fa-f]{2}){5}$",
    "examples": ["BC:24:11:00:09:50"],
    "x-phoenix-expected": "a unicast MAC address such as BC:24:11:00:09:50",
    "x-phoenix-remedy": "Write six pairs of hexadecimal digits with colons; the second digit must be even (an odd one "
    "is a multicast address).",
    "x-phoenix-empty": "not set",
}

STATIC_IP: dict[str, Any] = {
    "type": "string",
    "description": "Address of net0; the same as `network_config.ip`.",
    "x-phoenix-effect": "ip of net0",
    "pattern": _ADDRESS,
    "examples": ["192.0.2.50/24"],
    "x-phoenix-expected": _EXPECTED,
    "x-phoenix-remedy": _REMEDY,
    "x-phoenix-empty": "not set",
}
