# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bridges of the node: the guests that use them, and the zones of those that are virtual networks of the SDN."""

from __future__ import annotations

import json
import os
import re

from ..container.conf.observe import PVE

_BRIDGE = re.compile(r"^net\d+:.*?\bbridge=([^,\s]+)", re.MULTILINE)
# Ports that PVE makes for guests: containers, virtual machines, and their firewall's bridges.
_PORT = re.compile(r"(?:veth|tap|fwpr|fwln)(\d+)")
_KINDS = (("lxc", "container"), ("qemu-server", "VM"))


def used(pve: str = PVE, net: str = "/sys/class/net") -> dict[str, list[str]]:
    """Bridge -> its guests, as people call them."""
    found: dict[str, set[str]] = {}
    for folder, what in _KINDS:
        place = os.path.join(pve, "local", folder)
        for name in os.listdir(place) if os.path.isdir(place) else ():
            if name.endswith(".conf"):
                with open(os.path.join(place, name), encoding="utf-8", errors="replace") as file:
                    for bridge in _BRIDGE.findall(file.read()):
                        found.setdefault(bridge, set()).add(f"{what} {name[:-5]}")
    for bridge in os.listdir(net):
        ports = os.path.join(net, bridge, "brif")
        for port in os.listdir(ports) if os.path.isdir(ports) else ():
            match = _PORT.match(port)
            known = found.get(bridge, set())
            if match and not any(guest.endswith(f" {match.group(1)}") for guest in known):
                found.setdefault(bridge, set()).add(f"guest {match.group(1)}")
    return {bridge: sorted(guests) for bridge, guests in found.items()}


def vnets(pve: str = PVE) -> dict[str, str]:
    """Virtual network -> zone, as they are in force; none where the cluster has no SDN."""
    try:
        with open(f"{pve}/sdn/.running-config", encoding="utf-8", errors="replace") as file:
            running = json.load(file)
        ids = running["vnets"]["ids"]
        return {str(name): str(entry["zone"]) for name, entry in ids.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}  # PVE, too, takes a file that it cannot read as one without networks
