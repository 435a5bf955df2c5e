# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a container's JSON configuration to the PVE options that it asks for. One table, nothing else decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ...pve import forms, properties, tags
from .. import addresses

Config = Mapping[str, Any]
Needs = Mapping[str, str]


@dataclass(frozen=True)
class Desired:
    """One PVE option: a plain value, or the sub-options that we set of a property string.

    Sub-options that are not named here are foreign and kept; ``without`` are switches that must be off.
    """

    key: str
    source: str
    text: str | None = None
    parts: Mapping[str, str] | None = None
    without: frozenset[str] = frozenset()

    def remembered(self) -> Any:
        """What the last-applied record keeps of it: of a volume only its place, since PVE names and sizes it."""
        if self.source == "volumes" and self.parts is not None:
            return {"mp": self.parts["mp"]}
        return dict(self.parts) if self.parts is not None else self.text


@dataclass(frozen=True)
class Option:
    """How one PVE option follows from the configuration. ``read`` returns None when the file does not manage it."""

    key: str
    source: str
    read: Callable[[Config, Needs], str | dict[str, str] | None]


def _plain(name: str) -> Callable[[Config, Needs], str | None]:
    def read(config: Config, _needs: Needs) -> str | None:
        value = config.get(name)
        return None if value is None else str(value)

    return read


def _flag(name: str) -> Callable[[Config, Needs], str | None]:
    def read(config: Config, _needs: Needs) -> str | None:
        value = config.get(name)
        return None if value is None else str(int(bool(value)))

    return read


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


def _network(config: Config, _needs: Needs) -> dict[str, str] | None:
    network = config.get("network_config")
    if not network:
        return None
    parts = {"name": str(network.get("name", "eth0")), "type": "veth"}
    address = addresses.configured(config)
    for key, value in (
        ("bridge", network.get("bridge")),
        ("ip", address),
        ("gw", network.get("gw")),
        ("hwaddr", config.get("mac_address")),
    ):
        if value:
            parts[key] = str(value)
    return parts


def _name_servers(config: Config, _needs: Needs) -> str | None:
    """With blanks between them, as PVE keeps them whatever it is sent (PVE facts, 'How PVE rewrites')."""
    return " ".join((config.get("network_config") or {}).get("nameservers") or ()) or None


def _startup(config: Config, _needs: Needs) -> dict[str, str] | None:
    parts = {}
    if config.get("boot_order") is not None:
        parts["order"] = str(config["boot_order"])
    if config.get("boot_delay") is not None:
        parts["up"] = str(config["boot_delay"])
    return parts or None


NAME_SERVERS = "nameserver"

TABLE = (
    Option("hostname", "name", _plain("name")),
    Option("memory", "memory_mb", _plain("memory_mb")),
    Option("swap", "swap_mb", _plain("swap_mb")),
    Option("cores", "cores", _plain("cores")),
    Option("features", "pct_options", _features),
    Option("net0", "network_config", _network),
    Option(NAME_SERVERS, "network_config", _name_servers),
    Option("onboot", "start_at_boot", _flag("start_at_boot")),
    Option("startup", "boot_order", _startup),
    Option(tags.KEY, "tags", lambda config, _needs: tags.wanted_tags(config) or None),
)
SOURCES = {option.key: option.source for option in TABLE}

# What an option falls back to when we set it earlier and the key is gone, for those that PVE will not delete
# (PVE facts, 'Pending changes': memory can't be deleted). The hostname stays as it is.
RESET = {"memory": "512"}
KEPT = frozenset({"hostname"})
WHOLE = frozenset({"net", "mp", "dev"})
# What PVE adds to a property string by itself.
_ADDED = frozenset({"type", "hwaddr", "volume", "size", "mp", "path", "name"})
# A switch on a NIC that is not ours: when it goes, the NIC stays.
SWITCHES = frozenset({"firewall"})

# PVE facts, 'Pending changes': applied at once, or hotplugged. Everything else waits for a restart.
AT_ONCE = frozenset({"description", "onboot", "startup", "protection", "hostname", "hookscript", "cores", "tags"})
HOTPLUG = frozenset({"memory", "swap", "cpulimit", "cpuunits"})


def desired_options(config: Config, needs: Needs) -> dict[str, Desired]:
    """Every PVE option that the configuration manages. ``needs`` are the features' demands on ``features``."""
    result = {}
    for option in TABLE:
        value = option.read(config, needs)
        if isinstance(value, dict):
            result[option.key] = Desired(option.key, option.source, parts=value)
        elif value is not None:
            result[option.key] = Desired(option.key, option.source, text=value)
    return result


def is_hot(key: str, actual: Mapping[str, str], deleted: bool = False) -> bool:
    """Whether PVE applies a change of this option to a running container without a restart.

    A new mount point or device is plugged in; a changed or deleted one waits.
    """
    if key.rstrip("0123456789") in ("mp", "dev"):
        return key not in actual and not deleted
    return key in AT_ONCE or key in HOTPLUG or key.startswith("net")


def new_value(desired: Desired, actual: str | None, applied: Any) -> str | None:
    """The text to send for this option, or None when the current text already means the same.

    Three-way: sub-options that we applied earlier and no longer want go, foreign ones stay.
    """
    if desired.key == tags.KEY:
        return tags.changed(actual, (desired.parts or {}).values(), applied)
    if desired.parts is None:
        same = actual is not None and same_text(desired.key, actual, str(desired.text))
        return None if same else desired.text
    first = properties.default_key(desired.key)
    there = properties.parse(actual or "", first)
    earlier = applied if isinstance(applied, Mapping) else {}
    merged = {key: value for key, value in there.items() if key not in earlier or key in desired.parts}
    # A MAC that we set earlier stays with its NIC: sending none would draw a new one on every PUT.
    if "hwaddr" in there:
        merged["hwaddr"] = there["hwaddr"]
    for key, value in desired.parts.items():
        if not properties.same_value(key, merged.get(key, ""), value):
            merged[key] = value
    for key in desired.without:
        if forms.flag(merged.get(key, "0")) == "1":
            del merged[key]
    if actual is not None and properties.same(merged, there):
        return None
    return properties.compose(merged, first)


def undone_value(key: str, actual: str | None, applied: Any) -> tuple[str, str | None] | None:
    """How to undo an option that we applied earlier and the file no longer has.

    Returns ``("set", text)``, ``("delete", None)``, or None when nothing of ours is left there.
    """
    if actual is None or key in KEPT:
        return None
    if key == tags.KEY:
        left = tags.changed(actual, (), applied)
        return None if left is None else ("set", left) if left else _deletion(key)
    if key.rstrip("0123456789") == "mp" and isinstance(applied, Mapping):
        # Somebody may have put another mount point into the slot since.
        same = forms.path(properties.parse(actual, "volume").get("mp", "")) == forms.path(applied.get("mp", ""))
        return _deletion(key) if same else None
    if key.rstrip("0123456789") == "dev" and isinstance(applied, Mapping):
        # Somebody may have put another device into the slot since.
        return _deletion(key) if properties.parse(actual, "path").get("path") == applied.get("path") else None
    if not isinstance(applied, Mapping):
        if not same_text(key, actual, str(applied)):
            return None  # somebody changed it since: it is theirs now
        return ("set", RESET[key]) if key in RESET and actual.strip() != RESET[key] else _deletion(key)
    first = properties.default_key(key)
    there = properties.parse(actual, first)
    rest = {name: value for name, value in there.items() if name not in applied}
    # A NIC or a mount point without what we gave it is none: it goes as a whole. PVE keeps the volume as unusedN.
    if rest and (key.rstrip("0123456789") not in WHOLE or set(applied) <= SWITCHES):
        return None if len(rest) == len(there) else ("set", properties.compose(rest, first))
    return _deletion(key) if set(there) & set(applied) else None


def by_hand(desired: Desired, actual: str | None, applied: Any) -> list[str]:
    """The sub-options that somebody set beside ours, as ``key=value``; what PVE adds by itself is not among them."""
    if desired.parts is None or desired.key == tags.KEY or actual is None:
        return []
    there = properties.parse(actual, properties.default_key(desired.key))
    ours = {*desired.parts, *(applied if isinstance(applied, Mapping) else ()), *_ADDED}
    return [f"{key}={value}" for key, value in sorted(there.items()) if key not in ours]


def claimed(key: str, value: str) -> Any:
    """What the record has of an option that is ours as it is."""
    if key == tags.KEY:
        return tags.split(value)
    first = properties.default_key(key)
    return properties.parse(value, first) if first or _is_structured(key) else value


def same_text(key: str, left: str, right: str) -> bool:
    """Whether two values of a plain option mean the same to PVE."""
    if left.strip() == right.strip():
        return True
    return key == NAME_SERVERS and forms.addresses(left) == forms.addresses(right)


def same_option(key: str, left: str, right: str) -> bool:
    """Whether two values of any option mean the same to PVE."""
    if key == tags.KEY:
        return tags.split(left).keys() == tags.split(right).keys()
    if same_text(key, left, right):
        return True
    first = properties.default_key(key)
    structured = first is not None or _is_structured(key)
    return structured and properties.same(properties.parse(left, first), properties.parse(right, first))


def _is_structured(key: str) -> bool:
    return key == "features" or key.rstrip("0123456789") == "net"


def _deletion(key: str) -> tuple[str, None] | None:
    return None if key in RESET else ("delete", None)
