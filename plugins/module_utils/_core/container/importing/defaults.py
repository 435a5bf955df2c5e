# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values that all containers share, as the defaults of the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What a container has for itself alone, or what decides what the rest means.
_OWN = frozenset(
    {"name", "mac_address", "static_ip", "clone_from_ctid", "template", "is_template", "target_state", "node"}
)
_OWN_OF_A_NETWORK = frozenset({"ip", "ip6", "mac_address"})
_FEWEST = 2


def factored(containers: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """(the defaults, the containers without them). Defaults are what every container has with the same value.

    Only those: a default that one container lacks would make a key of it that is not managed now.
    """
    rest = {ctid: dict(config) for ctid, config in containers.items()}
    if len(rest) < _FEWEST:
        return {}, rest
    return _shared(list(rest.values()), _OWN), rest


def _shared(configs: list[dict[str, Any]], own: frozenset[str]) -> dict[str, Any]:
    """What all have, taken out of each."""
    first = configs[0]
    found: dict[str, Any] = {}
    for key in [key for key in first if key not in own and all(key in config for config in configs)]:
        values = [config[key] for config in configs]
        if all(_same(value, values[0]) for value in values):
            found[key] = values[0]
            for config in configs:
                del config[key]
        elif all(isinstance(value, Mapping) for value in values) and key == "network_config":
            below = [dict(value) for value in values]
            inner = _shared(below, _OWN_OF_A_NETWORK)
            if inner:
                found[key] = inner
                for config, value in zip(configs, below):
                    config.pop(key)
                    config.update({key: value} if value else {})
    return found


def _same(left: Any, right: Any) -> bool:
    """Whether two values are one JSON value: true is not 1."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)
