# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network interface in both directions: the keys of the JSON file, and the sub-options of PVE's ``netN``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...pve import forms, properties
from . import addresses
from .network_keys import PARTS

_NUMBERS = frozenset({"tag", "mtu"})
_SWITCHES = frozenset({"link_down", "firewall", "host_managed"})


def first(config: Mapping[str, Any]) -> dict[str, str] | None:
    """The sub-options of net0 that a container's configuration asks for; None when it does not manage it."""
    network = config.get("network_config")
    if not network:
        return None
    own = {"name": "eth0", **network, "ip": addresses.configured(config)}
    return parts({**own, "mac_address": config.get("mac_address") or network.get("mac_address")})


def further(config: Mapping[str, Any]) -> tuple[dict[str, str], ...]:
    """The sub-options of the further interfaces, in the order of the file."""
    return tuple(parts(network) for network in config.get("networks") or () if isinstance(network, Mapping))


def parts(network: Mapping[str, Any]) -> dict[str, str]:
    """The sub-options of one interface."""
    texts = ((PARTS[key], _text(key, value)) for key, value in network.items() if key in PARTS)
    return {"type": "veth", **{part: text for part, text in texts if text}}


def read(value: str) -> dict[str, Any]:
    """A netN -> the keys that ask for it."""
    there = properties.parse(value)
    found = ((key, _value(key, there[part])) for key, part in PARTS.items() if there.get(part))
    return {key: each for key, each in found if each is not None}


def _text(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key in _SWITCHES:
        return str(int(bool(value)))
    if key == "trunks":
        return ";".join(str(each) for each in value)
    if key == "rate":
        return forms.decimal(value)
    return forms.address(value) if key in ("ip", "gw", "ip6", "gw6") else str(value)


def _value(key: str, text: str) -> Any:
    if key in _SWITCHES:
        return forms.flag(text) == "1"
    if key == "trunks":
        return [int(each) for each in text.split(";") if forms.is_number(each)]
    if key in _NUMBERS or key == "rate":
        return forms.number(text)
    return text
