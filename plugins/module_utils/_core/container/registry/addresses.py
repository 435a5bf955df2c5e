# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The container's address as its configuration gives it: everything that asks for it asks here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...pve import forms, properties


def configured(config: Mapping[str, Any]) -> str:
    """Return what the file says: an address with its prefix length, ``dhcp``, ``manual`` or ``auto``; '' for nothing.

    ``static_ip`` and ``network_config.ip`` are two keys for one value.
    """
    network = config.get("network_config")
    inside = network.get("ip") if isinstance(network, Mapping) else None
    found = next((value for value in (config.get("static_ip"), inside) if isinstance(value, str) and value), "")
    return forms.address(found)


def static(config: Mapping[str, Any]) -> str:
    """Return the static address without its prefix length, '' where only the running container knows its address."""
    return forms.host(configured(config))


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
