# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a container's network."""

from __future__ import annotations

from ...pve import forms
from . import codecs, network_keys
from .option import HOTPLUG, Key, Option

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"

ROWS = (
    Option(
        "net",
        "a network interface",
        (
            Key("network_config", network_keys.NETWORK_CONFIG, synonyms=("net0", "network", "net")),
            Key("mac_address", network_keys.MAC_ADDRESS, synonyms=("mac", "macaddr")),
            Key("static_ip", network_keys.STATIC_IP),
            Key("networks", network_keys.NETWORKS),
        ),
        codecs.NETWORK,
        number="0",
        applies=HOTPLUG,
        privilege="VM.Config.Network",
        parts_since={"host-managed": (9, 1)},
        structured=True,
        whole=True,
    ),
    Option(
        "nameserver",
        "name servers",
        (Key("network_config", network_keys.NETWORK_CONFIG),),
        codecs.NAME_SERVERS,
        privilege="VM.Config.Network",
        same=lambda left, right: forms.addresses(left) == forms.addresses(right),
    ),
    Option(
        "searchdomain",
        "domains in which names without a dot are looked up",
        (
            Key(
                "searchdomain",
                {
                    "description": "Domains in which the container looks names up: a list, or text with blanks or "
                    "commas. Absent: the node's.",
                    "anyOf": [
                        {"type": "string", "pattern": f"^{_DOMAIN}(?:[ ,;]+{_DOMAIN})*$"},
                        {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": f"^{_DOMAIN}$"}},
                    ],
                    "examples": [["example.com"]],
                    "x-phoenix-expected": 'domains such as "example.com corp.example.com", or a list of them',
                    "x-phoenix-remedy": "Write domain names of letters, digits and hyphens.",
                    "x-phoenix-empty": "not set",
                },
                synonyms=("search_domain", "dns_search"),
            ),
        ),
        codecs.words("searchdomain"),
        privilege="VM.Config.Network",
    ),
)
