# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The container's address as its configuration gives it: everything that asks for it asks here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...pve import forms, properties

IPV4, IPV6 = "IPv4", "IPv6"
_NONE = frozenset({"", "manual"})


def configured(config: Mapping[str, Any]) -> str:
    """Return the first interface's IPv4 address with its prefix length, ``dhcp`` or ``manual``; '' for nothing.

    ``static_ip`` and ``network_config.ip`` are two keys for one value.
    """
    inside = _first(config).get("ip")
    found = next((value for value in (config.get("static_ip"), inside) if isinstance(value, str) and value), "")
    return forms.address(found)


def configured_6(config: Mapping[str, Any]) -> str:
    """Return the same for IPv6: an address, ``auto``, ``dhcp`` or ``manual``; '' for nothing."""
    found = _first(config).get("ip6")
    return forms.address(found) if isinstance(found, str) else ""


def static(config: Mapping[str, Any]) -> str:
    """Return the first interface's static address without prefix length: that of IPv6 where it has none of IPv4.

    Returns '' where only the running container knows its address.
    """
    address = configured(config)
    return forms.host(configured_6(config) if address in _NONE else address)


def awaited(config: Mapping[str, Any]) -> str:
    """Return the kind of address that a started container must have: IPV4 where any interface has one, or IPV6, or ''.

    A container with both is ready with the first: not every network has router advertisements.
    """
    further = [network for network in config.get("networks") or () if isinstance(network, Mapping)]
    plugged = [network for network in (_first(config), *further) if network.get("link_down") is not True]
    own = {} if _first(config).get("link_down") is True else {"ip": configured(config)}
    if any(str(network.get("ip") or "") not in _NONE for network in (*plugged, own)):
        return IPV4
    return IPV6 if any(str(network.get("ip6") or "") not in _NONE for network in plugged) else ""


def _first(config: Mapping[str, Any]) -> Mapping[str, Any]:
    network = config.get("network_config")
    return network if isinstance(network, Mapping) else {}


def without_client(changed: Mapping[str, str], live: Mapping[str, str]) -> list[str]:
    """Return the interfaces of a running container that get no address by DHCP before its next start.

    PVE starts no client on an interface that it adds, replaces or sets to DHCP (PVE facts, 'Pending changes').
    """
    asking = (key for key, value in changed.items() if _is_net(key) and _asks(value))
    return sorted(key for key in asking if _is_other(changed[key], live.get(key)))


def is_by_dhcp(key: str, config: Mapping[str, str]) -> bool:
    """Whether an interface of a config has its address by DHCP."""
    return _is_net(key) and _asks(config.get(key, ""))


def _is_net(key: str) -> bool:
    return key.rstrip("0123456789") == "net"


def _asks(value: str) -> bool:
    parts = properties.parse(value)
    return "dhcp" in (parts.get("ip"), parts.get("ip6"))


def _is_other(value: str, live: str | None) -> bool:
    before, after = properties.parse(live or ""), properties.parse(value)
    keys = ("name", "hwaddr", "ip", "ip6")
    return live is None or any(not properties.same_value(key, before.get(key, ""), after.get(key, "")) for key in keys)
