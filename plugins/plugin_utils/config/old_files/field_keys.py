# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of the containers' files of the field that mean what another key here means, put in its place.

That is done before the schema judges; faults have the position in the file. Keys for other tools, which the schema
names, are taken out, so that nothing can depend on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import forms
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Deprecation, merge

UNUSED = "accepted, not acted on"
_EFFECT = "x-phoenix-effect"
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_NETWORK = re.compile(r"([0-9.]+/[0-9]{1,2}|dhcp|manual)(?:\s*,\s*([0-9.]+))?(?:\s*,\s*([0-9A-Fa-f.:]+))?\Z")
_FLAGS = re.compile(r"[a-z_]+=[^,\s]+(?:\s*,\s*[a-z_]+=[^,\s]+)*\Z")
_PROFILE = re.compile(r"[^\s\x00-\x1f\x7f]+\Z")
_PROFILE_KEY = "lxc.apparmor.profile"
_NESTING_KEY = "lxc.apparmor.allow_nesting"


@dataclass(frozen=True)
class Conflict:
    """Two keys of the file that mean the same and have different values."""

    path: Pointer
    value: Any
    other: Pointer
    other_value: Any


@dataclass
class Reading:
    """The document with every key in its place.

    Attributes:
        document: it; what was given is not changed.
        moves: where something is read -> where the file has it.
        told: the old keys that were found.
        conflicts: old keys that contradict what stands in their place.
        unused: the keys for other tools.
    """

    document: Any
    moves: dict[Pointer, Pointer] = field(default_factory=dict)
    told: list[Deprecation] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    unused: list[Pointer] = field(default_factory=list)


def read(document: Any, schema: Mapping[str, Any]) -> Reading:
    """Read the containers' file."""
    reading = Reading(document)
    if not isinstance(document, Mapping):
        return reading
    result = _without_unused(document, schema, (), reading)
    container = (schema.get("$defs") or {}).get("container") or {}
    given = result.get("lxc_defaults")
    defaults: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    if isinstance(given, Mapping):
        result["lxc_defaults"] = _Reader(reading, ("lxc_defaults",), container, {}).container(given)
    configs = result.get("lxc_configs")
    if isinstance(configs, Mapping):
        result["lxc_configs"] = {
            ctid: _Reader(reading, ("lxc_configs", ctid), container, defaults).container(one)
            if isinstance(one, Mapping)
            else one
            for ctid, one in configs.items()
        }
    reading.document = result
    return reading


def _without_unused(
    value: Mapping[str, Any], schema: Mapping[str, Any], base: Pointer, reading: Reading
) -> dict[str, Any]:
    """An object without the keys for other tools, and without empty keys that the schema refuses by name."""
    properties, refused = schema.get("properties") or {}, schema.get("x-phoenix-others") or {}
    result = {}
    for key, item in value.items():
        piece = properties.get(key)
        unused = isinstance(piece, Mapping) and piece.get(_EFFECT) == UNUSED
        if unused or (key in refused and item in _EMPTY):
            reading.unused.append((*base, key))
        else:
            result[key] = item
    return result


class _Reader:
    """Reads one container, or `lxc_defaults`; `defaults` lies under it."""

    def __init__(self, reading: Reading, base: Pointer, schema: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self._reading = reading
        self._base = base
        self._schema = schema
        self._defaults = defaults
        self._result: dict[str, Any] = {}

    def container(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return it with every key in its place."""
        self._result = _without_unused(given, self._schema, self._base, self._reading)
        self._network()
        self._interfaces()
        self._volumes()
        self._flags()
        self._raw_lines()
        self._snapshots()
        return self._result

    def _tell(self, old: Pointer, new: str) -> None:
        self._reading.told.append(Deprecation((*self._base, *old), ".".join(map(str, old)), new))

    def _move(self, new: Pointer, old: Pointer) -> None:
        where: Pointer = (*self._base, *new)
        self._reading.moves[where] = (*self._base, *old)

    def _put(
        self, holder: dict[str, Any], new: Pointer, value: Any, old: Pointer, same: Callable[[Any, Any], bool]
    ) -> None:
        """Put a value where the new key is looked for; what contradicts it there is a conflict."""
        key = str(new[-1])
        self._tell(old, ".".join(map(str, new)))
        if holder.get(key) in _EMPTY:
            holder[key] = value
            self._move(new, old)
        elif not same(holder[key], value):
            places = ((*self._base, *old), (*self._base, *new))
            self._reading.conflicts.append(Conflict(places[0], value, places[1], holder[key]))

    def _network(self) -> None:
        network = self._result.get("network_config")
        if isinstance(network, str) and (found := _NETWORK.match(network.strip())):
            parts = dict(zip(("ip", "gw", "nameservers"), found.groups(), strict=True))
            network = {key: value for key, value in parts.items() if value}
            self._result["network_config"] = network
            for key in network:
                self._move(("network_config", key), ("network_config",))
            self._tell(("network_config",), "an object with bridge, ip, gw and nameservers")
        if isinstance(network, Mapping):
            inside = self._result["network_config"] = dict(network)
            self._mac_address(inside, ("network_config", "hwaddr"))
            self._name_servers(inside, ("network_config", "nameserver"), inside)
        self._mac_address(self._result, ("hwaddr",))
        if self._result.get("nameserver") in _EMPTY:
            self._result.pop("nameserver", None)
        elif self._result.get("network_config") in _EMPTY or isinstance(self._result["network_config"], dict):
            inside = self._result["network_config"] = dict(self._result.get("network_config") or {})
            self._name_servers(self._result, ("nameserver",), inside)

    def _mac_address(self, holder: dict[str, Any], old: Pointer) -> None:
        value = holder.get(str(old[-1]), "")
        if isinstance(value, str) and holder.pop(str(old[-1]), ""):
            self._put(holder, (*old[:-1], "mac_address"), value, old, _same_mac)

    def _interfaces(self) -> None:
        """The second interface goes behind those of `networks`."""
        key = "secondary_network_config"
        if self._result.get(key, {}) in _EMPTY:
            self._result.pop(key, None)
        own, under = self._result.get(key), self._defaults.get(key)
        lists = self._result.get("networks", self._defaults.get("networks")) or []
        # A list of the container's own replaces that of lxc_defaults, in which the other key's interface is.
        one = own if own is not None else under if "networks" in self._result else None
        if isinstance(one, Mapping) and isinstance(lists, list):
            if own is not None:
                del self._result[key]
                self._tell((key,), "networks")
                one = merge(under, own) if isinstance(under, Mapping) else own
            base = self._base if own is not None else ("lxc_defaults",)
            for index in range(len(lists)) if "networks" not in self._result else ():
                self._reading.moves.update({(*self._base, "networks", index): ("lxc_defaults", "networks", index)})
            self._reading.moves.update({(*self._base, "networks", len(lists)): (*base, key)})
            self._result["networks"] = [*lists, {"name": "eth1", **one}]
        networks = self._result.get("networks")
        if isinstance(networks, list):
            self._result["networks"] = [dict(each) if isinstance(each, Mapping) else each for each in networks]
            for index, each in enumerate(self._result["networks"]):
                if isinstance(each, dict):
                    self._mac_address(each, ("networks", index, "hwaddr"))

    def _name_servers(self, holder: dict[str, Any], old: Pointer, inside: dict[str, Any]) -> None:
        value = holder.pop(str(old[-1]), None)
        if value not in _EMPTY:
            self._put(inside, ("network_config", "nameservers"), value, old, _same_servers)

    def _volumes(self) -> None:
        old = self._result.get("zfs_volumes", [])
        new = self._result.get("volumes") or []
        if not isinstance(old, list) or not isinstance(new, list) or "zfs_volumes" not in self._result:
            return
        del self._result["zfs_volumes"]
        self._tell(("zfs_volumes",), "volumes")
        self._result["volumes"] = [*new, *old]
        if not new:
            self._move(("volumes",), ("zfs_volumes",))
        for index in range(len(old)):
            self._move(("volumes", len(new) + index), ("zfs_volumes", index))

    def _flags(self) -> None:
        """`features` as text had PVE's flags of the container before it had roles."""
        text = self._result.get("features")
        if text == "":
            del self._result["features"]
        elif isinstance(text, str) and _FLAGS.match(text.strip()):
            own = self._result.get("pct_options") or []
            if not isinstance(own, list):
                return
            del self._result["features"]
            self._tell(("features",), "pct_options")
            flags = [flag for flag in (part.strip() for part in text.split(",")) if flag not in own]
            self._result["pct_options"] = [*own, *flags]
            for index in range(len(flags)):
                self._move(("pct_options", len(own) + index), ("features",))

    def _raw_lines(self) -> None:
        for key, raw, value_of in (
            ("apparmor_profile", _PROFILE_KEY, _profile),
            ("apparmor_manages_nesting", _NESTING_KEY, _nesting),
        ):
            own = key in self._result
            given = self._result.get(key, self._defaults.get(key))
            value = value_of(given)
            if value is None:
                continue  # the schema has a word on it
            if own:
                del self._result[key]
            if own and value:
                self._tell((key,), f'"{raw}: …" in lxc_options')
            # The lines of lxc_defaults are replaced by the container's own, so the line goes where they are.
            if value and (self._base != ("lxc_defaults",) or own):
                self._line(key, raw, value, own)

    def _line(self, key: str, raw: str, value: str, own: bool) -> None:
        place: Pointer = (*self._base, key) if own else ("lxc_defaults", key)
        inherits = "lxc_options" not in self._result
        lines = self._result.get("lxc_options", self._defaults.get("lxc_options")) or []
        if not isinstance(lines, list):
            return
        found = next((line for line in lines if isinstance(line, str) and _raw_key(line) == raw), None)
        if found is None:
            self._result["lxc_options"] = [*lines, f"{raw}: {value}"]
            own_lines: Pointer = (*self._base, "lxc_options")
            self._reading.moves.update({(*own_lines, len(lines)): place})
            for index in range(len(lines)) if inherits else ():
                self._reading.moves.setdefault((*own_lines, index), ("lxc_defaults", "lxc_options", index))
        elif _raw_value(found) != value and own:
            other: Pointer = (*self._base, "lxc_options", lines.index(found))
            if inherits:
                # Its own word counts, as with every other key.
                self._result["lxc_options"] = [line if line != found else f"{raw}: {value}" for line in lines]
                self._reading.moves[other] = place
            else:
                self._reading.conflicts.append(Conflict(place, value, other, found))

    def _snapshots(self) -> None:
        key = "enable_lifecycle_snapshots"
        value = self._result.get(key)
        if value is None or value in (True, False):
            if key in self._result:
                del self._result[key]
                self._tell((key,), "guard")
            if value is not None and "guard" not in self._result and (value or self._defaults):
                self._result["guard"] = "report" if value else "none"
                self._move(("guard",), (key,))


def _profile(given: Any) -> str | None:
    """The profile; an empty text for none, None for what is no profile."""
    if given in (None, ""):
        return ""
    return given if isinstance(given, str) and _PROFILE.match(given) else None


def _nesting(given: Any) -> str | None:
    """`1` where the profile allows nesting."""
    if given in (None, ""):
        return ""
    return ("1" if given else "") if given in (True, False) else None


def _raw_key(line: str) -> str:
    return re.split(r"[:=]", line, maxsplit=1)[0].strip()


def _raw_value(line: str) -> str:
    return re.split(r"[:=]", line, maxsplit=1)[-1].strip()


def _same_mac(left: Any, right: Any) -> bool:
    return isinstance(left, str) and forms.mac(left) == forms.mac(right)


def _same_servers(left: Any, right: Any) -> bool:
    return _servers(left) == _servers(right)


def _servers(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else re.split(r"[ ,;]+", str(value).strip())
