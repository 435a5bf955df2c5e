# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The slots of a container's network interfaces besides the first, and the switch without which PVE filters none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ...pve import properties
from ..registry.wanted_options import WantedOption

SOURCE = "networks"
FIRST = "net0"
_NET = re.compile(r"net(\d+)\Z")


def is_network(key: str) -> bool:
    """Whether an option is a network interface."""
    return _NET.match(key) is not None


def placed(wanted: Iterable[Mapping[str, str]], actual: Mapping[str, str]) -> dict[str, WantedOption]:
    """The interfaces in their slots: each in the one that has an interface of its name, else in the first free one."""
    numbers = sorted(int(found.group(1)) for found in map(_NET.match, actual) if found)
    taken = {0, *numbers}
    by_name = {name_of(actual[f"net{number}"]): number for number in reversed(numbers) if number}
    result = {}
    for parts in wanted:
        number = by_name.get(parts.get("name", ""))
        if number is None:
            number = next(free for free in range(1, len(taken) + 1) if free not in taken)
            taken.add(number)
        result[f"net{number}"] = WantedOption(f"net{number}", SOURCE, parts=parts)
    return result


def filtered(options: Mapping[str, WantedOption], actual: Mapping[str, str]) -> dict[str, WantedOption]:
    """The interfaces with the switch that PVE's firewall needs on each; one that says it itself stays as it is."""
    result = {}
    for key, option in options.items():
        parts = dict(option.parts or {})
        if is_network(key) and "firewall" not in parts:
            result[key] = WantedOption(key, option.source, parts={**parts, "firewall": "1"})
    if FIRST in actual and FIRST not in options:
        result[FIRST] = WantedOption(FIRST, "firewall/enabled", parts={"firewall": "1"})
    return result


def name_of(value: str) -> str:
    """The name of an interface inside the container."""
    return properties.parse(value).get("name", "")
