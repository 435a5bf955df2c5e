# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of a container's keys in both directions: from the JSON file to PVE's option, and back.

To PVE a value is a text, or the sub-options of a property string; None when the file does not manage the option.
From PVE it is the piece of the JSON file that asks for it; empty for what no key can say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ...pve import forms, properties, tags
from . import netcards

Config = Mapping[str, Any]
Needs = Mapping[str, str]
"""What the features demand of the container's option ``features``."""

_SEPARATOR = re.compile(r"[\s,;]+")


@dataclass(frozen=True)
class Codec:
    """Both directions of one option."""

    to_pve: Callable[[Config, Needs], str | dict[str, str] | None]
    from_pve: Callable[[str], dict[str, Any]]


def text(name: str) -> Codec:
    """A text that PVE keeps as it is sent."""
    return Codec(lambda config, _needs: _text(config.get(name)), lambda value: {name: value})


def integer(name: str) -> Codec:
    """A whole number."""
    return Codec(lambda config, _needs: _text(config.get(name)), lambda value: _number(name, value))


def flag(name: str) -> Codec:
    """A switch: true or false, 1 or 0 for PVE."""

    def to_pve(config: Config, _needs: Needs) -> str | None:
        value = config.get(name)
        return None if value is None else str(int(bool(value)))

    return Codec(to_pve, lambda value: {name: forms.flag(value) == "1"})


def number(name: str) -> Codec:
    """A number, whole or not. PVE keeps the text as it is sent."""

    def to_pve(config: Config, _needs: Needs) -> str | None:
        value = config.get(name)
        return None if value is None else forms.decimal(value)

    def from_pve(value: str) -> dict[str, Any]:
        found = forms.number(value)
        return {} if found is None else {name: found}

    return Codec(to_pve, from_pve)


def same_number(left: str, right: str) -> bool:
    """Whether two texts are the same number."""
    return forms.decimal(left.strip()) == forms.decimal(right.strip())


def words(name: str) -> Codec:
    """A list of words, with blanks between them, as PVE keeps it whatever it is sent."""

    def from_pve(value: str) -> dict[str, Any]:
        found = _separated(value)
        return {name: found} if found else {}

    return Codec(lambda config, _needs: " ".join(config.get(name) or ()) or None, from_pve)


def pairs(name: str) -> Codec:
    """Names with values: to PVE one text, NUL between the pairs (PVE facts, 'Differences between 8.4 and 9.2')."""

    def to_pve(config: Config, _needs: Needs) -> str | None:
        return "\0".join(f"{key}={value}" for key, value in sorted((config.get(name) or {}).items())) or None

    def from_pve(value: str) -> dict[str, Any]:
        found = dict(pair.partition("=")[::2] for pair in value.split("\0") if "=" in pair[1:])
        return {name: found} if found else {}

    return Codec(to_pve, from_pve)


def same_pairs(left: str, right: str) -> bool:
    """Whether two texts have the same pairs, in any order."""
    return sorted(left.split("\0")) == sorted(right.split("\0"))


def lines(name: str) -> Codec:
    """Text of several lines: PVE drops the empty ones at its end, and answers with one newline there."""

    def to_pve(config: Config, _needs: Needs) -> str | None:
        return closed(str(config.get(name) or "")) or None

    return Codec(to_pve, lambda value: {name: closed(value)} if closed(value) else {})


def closed(value: str) -> str:
    """Text of several lines without the newlines at its end."""
    return value.rstrip("\n")


def flags(items: Any) -> dict[str, str]:
    """``["nesting=1", "keyctl=1"]`` -> dict."""
    result = {}
    for item in items or ():
        key, _separator, value = str(item).partition("=")
        result[key.strip()] = value.strip() or "1"
    return result


def _features(config: Config, needs: Needs) -> dict[str, str] | None:
    wanted = {**needs, **flags(config.get("pct_options"))}
    wanted.pop(tags.KEY, None)  # no flag, see tags
    return wanted or None


FEATURES = Codec(
    _features,
    lambda value: {"pct_options": [f"{key}={each}" for key, each in sorted(properties.parse(value).items())]},
)


def _from_network(value: str) -> dict[str, Any]:
    network = netcards.read(value)
    mac = {"mac_address": network.pop("mac_address")} if "mac_address" in network else {}
    return {"network_config": network, **mac} if network else mac


NETWORK = Codec(lambda config, _needs: netcards.first(config), _from_network)


def _name_servers(config: Config, _needs: Needs) -> str | None:
    """With blanks between them, as PVE keeps them whatever it is sent (PVE facts, 'How PVE rewrites')."""
    return " ".join((config.get("network_config") or {}).get("nameservers") or ()) or None


def _from_name_servers(value: str) -> dict[str, Any]:
    found = _separated(value)
    return {"network_config": {"nameservers": found}} if found else {}


NAME_SERVERS = Codec(_name_servers, _from_name_servers)


_STARTUP_KEYS = {"order": "boot_order", "up": "boot_delay", "down": "shutdown_timeout"}


def _startup(config: Config, _needs: Needs) -> dict[str, str] | None:
    return {part: str(config[key]) for part, key in _STARTUP_KEYS.items() if config.get(key) is not None} or None


def _from_startup(value: str) -> dict[str, Any]:
    parts = properties.parse(value, properties.default_key("startup"))
    found: dict[str, Any] = {}
    for part, key in _STARTUP_KEYS.items():
        found.update(_number(key, parts.get(part, "")))
    return found


STARTUP = Codec(_startup, _from_startup)


def _from_tags(value: str) -> dict[str, Any]:
    found = sorted(tags.split(value))
    return {tags.KEY: found} if found else {}


TAGS = Codec(lambda config, _needs: tags.wanted_tags(config) or None, _from_tags)


def _separated(value: str) -> list[str]:
    return [item for item in _SEPARATOR.split(value) if item]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(name: str, value: str) -> dict[str, Any]:
    plain = value.strip()
    return {name: int(plain)} if plain.isascii() and plain.isdigit() else {}
