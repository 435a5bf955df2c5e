# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The address of a layer: what its files follow from, as one hash.

Whatever makes the files of two containers differ is in it: the template, what a creation is asked for, and the digest
of each feature, which has the features under it. A name does not prove what a template holds: the metadata of a layer
have size and time of the template's file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..applied import digest, ledger
from ..applied.work import Feature
from ..model import Wanted

FORM = 1
PREFIX = "phoenix-layer-"
DIGITS = 32
_ADDRESS = re.compile(r"[0-9a-f]{32}\Z")
_MOUNT = "lxc.mount"
# Options that PVE writes into files of the container, and does not take out again where another container has none.
_WRITTEN = ("timezone", "console", "tty", "cmode")


@dataclass(frozen=True)
class Boundary:
    """A place between two features at which a layer can be left: the features under it, lowest first."""

    address: str
    features: tuple[Feature, ...]

    @property
    def last(self) -> str:
        """The feature after which it is."""
        return self.features[-1].name

    @property
    def ledger(self) -> dict[str, Any]:
        """What is applied there."""
        entries = {
            feature.name: {"status": ledger.APPLIED, "digest": feature.digest, "components": dict(feature.components)}
            for feature in self.features
        }
        return {**ledger.empty(), "features": entries}


def is_address(text: str) -> bool:
    """Whether a text has the form of an address."""
    return _ADDRESS.match(text) is not None


def file_name(address: str) -> str:
    """The name of the archive."""
    return f"{PREFIX}{address}.tar.zst"


def address_of(name: str) -> str:
    """The address in the name of an archive, with or without its storage; empty for what is none."""
    found = name.rpartition("/")[2]
    address = found[len(PREFIX) :].partition(".")[0]
    return address if is_address(address) and found == file_name(address) else ""


def takes_part(wanted: Wanted) -> bool:
    """Whether a container can start from a layer.

    One that is copied has the features of its source. What is mounted into one is not in an archive, so features may
    have written elsewhere.
    """
    asked = wanted.desired
    mounts = any(key.startswith(_MOUNT) for key, _value in asked.lines)
    copied = asked.clone_from is not None or asked.restore_from is not None
    return bool(wanted.layers) and bool(asked.template) and not copied and not asked.places and not mounts


def leaves(wanted: Wanted) -> bool:
    """Whether a container can leave a layer: nothing in it is for itself alone."""
    asked = wanted.desired
    return takes_part(wanted) and not asked.ssh_keys and not asked.has_password and not asked.hold


def is_layered(feature: Feature) -> bool:
    """Whether a layer may have the feature: its manifest allows it, and nothing of it depends on the hardware."""
    return feature.rest.get("layer") is True and not feature.facts and not feature.devices


def boundaries(wanted: Wanted) -> tuple[Boundary, ...]:
    """The places for layers of a container, the lowest first."""
    found: list[Boundary] = []
    under: list[Feature] = []
    for feature in wanted.features:
        if not is_layered(feature):
            break
        under.append(feature)
        found.append(Boundary(_address(wanted, under), tuple(under)))
    return tuple(found)


def _address(wanted: Wanted, under: list[Feature]) -> str:
    asked = wanted.desired
    flags = asked.options.get("features")
    made_of: Mapping[str, Any] = {
        "form": FORM,
        "template": str(asked.template),
        "unprivileged": asked.is_unprivileged,
        "created_with": asked.created_with,
        "flags": (flags.text or dict(flags.parts or {})) if flags else {},
        "lines": [list(line) for line in asked.lines],
        "written": {key: asked.options[key].text for key in _WRITTEN if key in asked.options},
        "interfaces": _interfaces(wanted),
        "features": [[feature.name, feature.digest] for feature in under],
    }
    return digest.sha256(digest.canonical(made_of))[:DIGITS]


def _interfaces(wanted: Wanted) -> list[str]:
    """The names of its network interfaces: PVE keeps those of others in the container's network files."""
    first = wanted.desired.options.get("net0")
    names = [
        *([(first.parts or {}).get("name", "")] if first else []),
        *(each.get("name", "") for each in wanted.desired.networks),
    ]
    return sorted(names)
