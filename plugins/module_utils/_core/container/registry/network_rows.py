# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a container's network."""

from __future__ import annotations

from ...pve import forms
from . import codecs, network_keys
from .option import HOTPLUG, Key, Option

ROWS = (
    Option(
        "net",
        "a network interface",
        (
            Key("network_config", network_keys.NETWORK_CONFIG),
            Key("mac_address", network_keys.MAC_ADDRESS),
            Key("static_ip", network_keys.STATIC_IP),
        ),
        codecs.NETWORK,
        number="0",
        applies=HOTPLUG,
        privilege="VM.Config.Network",
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
)
