# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a feature's manifest says of the server that it installs: which keys of a container speak of GPUs and models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class Settings:
    """How files of the field write a server's configuration, and the container's keys that mean the same.

    ``objects`` are keys with objects of options in them, by the server's own names. ``keys`` are (option, key) of those
    that have a key of their own, ``named`` are (key, option) of those that are keys for an option without one.
    ``others`` is the key that holds all options without a key.
    """

    objects: tuple[str, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    named: tuple[tuple[str, str], ...] = ()
    others: str = ""

    @classmethod
    def from_manifest(cls, item: Mapping[str, Any]) -> Settings:
        """Return the settings of a valid manifest's ``server``."""
        keys, named = (tuple((item.get(name) or {}).items()) for name in ("keys", "named"))
        return cls(tuple(item.get("objects") or ()), keys, named, str(item.get("others") or ""))


# A server as a module's option, in the form of Ansible's argument_spec.
SERVER_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "name": {"type": "str", "required": True},
    "memory_share": {"type": "str", "default": ""},
    "default_memory_share": {"type": "float"},
    "ranks": {"type": "str", "default": ""},
    "model": {"type": "str", "default": ""},
}


@dataclass(frozen=True)
class Server:
    """A server and its keys in a container's configuration. An empty name: it has no such key.

    ``memory_share`` is the part of each GPU's memory that it takes, from 0 to 1, ``default_memory_share`` what it
    takes when it has a model and the key is missing. ``ranks`` is the number of GPUs that it needs at the same time,
    ``model`` the model that it serves. ``settings`` are for reading the files alone.
    """

    name: str
    memory_share: str = ""
    default_memory_share: Optional[float] = None
    ranks: str = ""
    model: str = ""
    settings: Optional[Settings] = None

    @classmethod
    def from_manifest(cls, item: Mapping[str, Any]) -> Server:
        """Return the server of a valid manifest's ``server``."""
        keys, default = item.get("keys") or {}, item.get("default_memory_share")
        settings = item.get("settings")
        return cls(
            str(item["name"]),
            str(keys.get("memory_share") or ""),
            None if default is None else float(default),
            str(keys.get("ranks") or ""),
            str(keys.get("model") or ""),
            Settings.from_manifest(settings) if settings else None,
        )

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Server:
        """Return a server from SERVER_OPTIONS."""
        return cls(**{name: item[name] for name in SERVER_OPTIONS if name in item})

    def to_json(self) -> dict[str, Any]:
        """Return it as a module's option."""
        return {name: getattr(self, name) for name in SERVER_OPTIONS}

    def speaks_of_gpus(self, config: Mapping[str, Any]) -> bool:
        """Return whether a container's configuration has one of its keys."""
        return any(key and key in config for key in (self.memory_share, self.ranks, self.model))

    def share(self, config: Mapping[str, Any]) -> Optional[float]:
        """Return the share that stands in a configuration, None for none or one of another type."""
        value = config.get(self.memory_share) if self.memory_share else None
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
