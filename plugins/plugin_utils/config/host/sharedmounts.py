# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`shared_volumes.NAME.mounts` of the host's file: the containers that mount a shared folder, and where.

They become mount points of these containers, beside those of their own entries: planned, compared and undone alike.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import forms
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Notice, Pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container, Fleet

MARK = "shared_volume"
"""The key of such a mount point that names its shared volume; no file can have it."""


@dataclass(frozen=True)
class Mount:
    """One entry: the volume's name and folder on the node, the container, and the folder in it."""

    volume: str
    host_path: str
    ctid: str
    folder: str

    @property
    def path(self) -> Pointer:
        """Where it stands in the host's file."""
        return ("shared_volumes", self.volume, "mounts", self.ctid)

    def point(self) -> dict[str, str]:
        """The container's mount point."""
        return {"host_path": self.host_path, "container_path": self.folder, MARK: self.volume}


def mounts(hypervisor: Mapping[str, Any]) -> Iterator[Mount]:
    """The entries that have the right shape."""
    volumes = hypervisor.get("shared_volumes")
    for name, volume in volumes.items() if isinstance(volumes, Mapping) else ():
        host_path = volume.get("host_path") if isinstance(volume, Mapping) else None
        places = volume.get("mounts") if isinstance(volume, Mapping) else None
        if not isinstance(host_path, str) or not isinstance(places, Mapping):
            continue
        for ctid, folder in places.items():
            if isinstance(folder, str) and folder.startswith("/"):
                yield Mount(str(name), host_path, str(ctid), folder)


def plain(path: Any) -> str:
    """A path without what doesn't tell it from others: slashes that are doubled or at its end."""
    return forms.path(path)


def points(container: Container) -> list[Any]:
    """The mount points of the container's own entry."""
    value = container.config.get("mount_points")
    return value if isinstance(value, list) else []


def its_own(container: Container, mount: Mount) -> bool:
    """Whether the container's own entry mounts the same folder at the same place: then it is mounted once."""
    return any(
        isinstance(item, Mapping)
        and plain(item.get("container_path")) == plain(mount.folder)
        and plain(item.get("host_path")) == plain(mount.host_path)
        for item in points(container)
    )


def completed(fleet: Fleet, hypervisor: Mapping[str, Any]) -> Fleet:
    """The fleet with these mount points."""
    containers = dict(fleet.containers)
    for mount in mounts(hypervisor):
        container = containers.get(mount.ctid)
        if container is not None and not container.absent and not its_own(container, mount):
            config = {**container.config, "mount_points": [*points(container), mount.point()]}
            containers[mount.ctid] = dataclasses.replace(container, config=config)
    return dataclasses.replace(fleet, containers=containers)


def strangers(fleet: Fleet, hypervisor: Mapping[str, Any], file: str) -> Iterator[Notice]:
    """Containers that the containers' file hasn't. No faults: another inventory may have them, or they are VMs."""
    for mount in mounts(hypervisor):
        if mount.ctid not in fleet.containers:
            near = difflib.get_close_matches(mount.ctid, fleet.containers, 1, 0.6)
            meant = f" (did you mean {near[0]}?)" if near else ""
            yield Notice(
                mount.path,
                f"{mount.ctid} is not a container of {file}{meant}; nothing is mounted there  "
                "remedy: Name one of its containers, or remove the entry.",
            )
