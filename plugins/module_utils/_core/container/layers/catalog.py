# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layers of a node as values: the metadata of one, the deepest that fits, and those that are to go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import KnownError
from .address import is_address

FORM = 1
DAY = 86400
GIB = 1024**3
IN_USE = 3600
"""Seconds after its last use in which a layer stays: a creation may still read it."""
DEFAULTS: Mapping[str, Any] = {"storage": "local", "max_size_gb": 20, "max_age_days": 30}


class LayerError(KnownError, ValueError):
    """The metadata of a layer are not in the form that a run writes."""


@dataclass(frozen=True)
class Settings:
    """What the inventory source says of layers: their storage, and how many may stay for how long."""

    storage: str = "local"
    max_size_gb: float = 20
    max_age_days: float = 30

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Settings:
        """The option ``layers`` of a module."""
        values = {**DEFAULTS, **{key: value for key, value in given.items() if key in DEFAULTS and value is not None}}
        return cls(str(values["storage"]), float(values["max_size_gb"]), float(values["max_age_days"]))


@dataclass(frozen=True)
class FileState:
    """What tells a file apart without reading it: one that somebody wrote to or replaced has another ``changed``."""

    size: int
    modified: int
    changed: int
    inode: int


@dataclass(frozen=True)
class Layer:
    """One layer on the node. ``made`` and ``used`` are in seconds since the epoch.

    ``template``: size in bytes and time of change in nanoseconds of the template's file. ``by``: the CTID that left it.
    """

    address: str
    volume: str
    features: tuple[str, ...]
    template: tuple[int, int]
    sha256: str
    state: FileState
    made: int
    by: int
    used: int = 0

    @property
    def size(self) -> int:
        """Bytes of the archive."""
        return self.state.size

    def called(self) -> str:
        """The layer in a sentence."""
        return f"layer {self.address} ({' + '.join(self.features)}, {self.size / 1024**2:.0f} MiB)"


def dump(layer: Layer) -> str:
    """Metadata as text."""
    data = {
        "version": FORM,
        "address": layer.address,
        "volume": layer.volume,
        "features": list(layer.features),
        "template": list(layer.template),
        "sha256": layer.sha256,
        "file": vars(layer.state),
        "made": layer.made,
        "by": layer.by,
    }
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def parse(text: str, address: str, used: int = 0) -> Layer:
    """Text -> layer. Raises LayerError."""
    try:
        data = json.loads(text)
        if data["version"] != FORM or data["address"] != address or not is_address(address):
            raise LayerError("they are those of another layer")
        state = FileState(**{name: int(value) for name, value in data["file"].items()})
        names = tuple(str(name) for name in data["features"])
        size, modified = (int(number) for number in data["template"])
        numbers = int(data["made"]), int(data["by"])
        template = (size, modified)
        return Layer(address, str(data["volume"]), names, template, str(data["sha256"]), state, *numbers, used)
    except LayerError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LayerError(f"they can't be read ({type(error).__name__})") from None


def stale(layers: Iterable[Layer], settings: Settings, now: int) -> list[tuple[Layer, str]]:
    """The layers to remove, each with the reason: unused for too long, then the longest unused above the size."""
    gone: list[tuple[Layer, str]] = []
    total = 0
    for layer in sorted(layers, key=lambda one: (-_last(one), one.address)):
        idle = now - _last(layer)
        total += layer.size
        if idle < IN_USE:
            continue
        if idle > settings.max_age_days * DAY:
            gone.append((layer, f"not used for {idle // DAY} days"))
        elif total > settings.max_size_gb * GIB:
            gone.append((layer, f"all layers together take more than {settings.max_size_gb:g} GiB"))
        else:
            continue
        total -= layer.size
    return gone


def _last(layer: Layer) -> int:
    return max(layer.made, layer.used)
