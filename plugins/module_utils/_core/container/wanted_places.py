# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mount points and volumes of a configuration, each with the place that a container has it in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..pve import forms
from .refusal import Code, Refusal
from .registry.device_rows import OFF, mount_parts
from .registry.wanted_options import WantedOption, switched

VOLUMES = "volumes"
SHARED = "shared_volumes"
DEFAULT_POOL = "local"  # PVE's own


@dataclass(frozen=True)
class Place:
    """One mount point of the configuration, and where the container has it.

    ``key`` is its place in the file, ``slot`` the ``mpN`` that it has or gets. ``exists``: the slot has it already;
    ``detached`` is the volume of an ``unusedN`` that is attached again, ``size`` its size. ``to_come``: PVE allocates
    it with the next start. ``live``: only the running container has it, and a pending change would take it away.
    ``owner`` is the user and the group, as the container sees them, that a missing folder of the node is made for.
    """

    key: str
    source: str
    path: str
    parts: Mapping[str, str]
    name: str = ""
    size_gb: int = 0
    pool: str = ""
    without: frozenset[str] = frozenset()
    slot: str = ""
    exists: bool = False
    detached: str = ""
    size: str = ""
    to_come: bool = False
    live: bool = False
    owner: tuple[int, int] | None = None

    @property
    def keys(self) -> tuple[str, int]:
        """The same place in the file, as keys."""
        name, _separator, index = self.key.partition("/")
        return name, int(index)

    def desired(self) -> WantedOption:
        """The option that it asks for."""
        if self.source == VOLUMES and self.exists and not self.to_come:
            own = {name: value for name, value in self.parts.items() if name != "volume"}
            return WantedOption(self.slot, self.source, parts=own, without=self.without)
        if self.detached:
            size = {"size": self.size} if self.size else {}
            parts = {**self.parts, "volume": self.detached, **size}
            return WantedOption(self.slot, self.source, parts=parts, without=self.without)
        return WantedOption(self.slot, self.source, parts=self.parts, without=self.without)

    def refusal(self, code: Code, got: str, remedy: str, joint: str = "; ") -> Refusal:
        """Why it can't be had."""
        return Refusal(code, got, remedy, self.key, self.name, joint)


def wanted_places(config: Mapping[str, Any]) -> Iterator[Place]:
    """The mount points and the volumes that a configuration asks for, before anything is known of the container."""
    for index, item in enumerate(config.get("mount_points") or ()):
        path = forms.path(item["container_path"])
        options, off = switched(mount_parts(item), OFF)
        parts = {"volume": str(item["host_path"]), "mp": path, **options}
        source = SHARED if item.get("shared_volume") else "mount_points"
        yield Place(f"mount_points/{index}", source, path, parts, without=off, owner=_owner(item))
    for index, item in enumerate(config.get(VOLUMES) or ()):
        path = forms.path(item["mount_point"])
        pool = str(item.get("pool") or config.get("storage_pool") or DEFAULT_POOL)
        options, off = switched(mount_parts(item), OFF)
        parts = {"volume": f"{pool}:{item['size_gb']}", "mp": path, **options}
        size, own = int(item["size_gb"]), str(item.get("pool") or "")
        yield Place(
            f"{VOLUMES}/{index}", VOLUMES, path, parts, name=str(item["name"]), size_gb=size, pool=own, without=off
        )


def _owner(item: Mapping[str, Any]) -> tuple[int, int] | None:
    if item.get("owner_uid") is None and item.get("owner_gid") is None:
        return None
    return int(item.get("owner_uid") or 0), int(item.get("owner_gid") or 0)
