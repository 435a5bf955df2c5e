# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers that are restored from a backup: what that leaves in their config, and the call that does it.

The call names every volume, so that PVE makes those and no other: nothing of the node that the backup's container had
mounted comes back with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...pve import forms, properties
from ...pve.apicalls import Kind
from ...pve.conffile import ConfFile
from ..config import growth
from ..config.compare import Comparison
from ..desired import DEFAULT_ROOTFS_GB
from ..model import Entry, Observation, Wanted, on_container
from ..refusal import Code, Refusal
from ..wanted_places import DEFAULT_POOL, VOLUMES
from . import creation

KEY = "restore_from"
# The container of a backup stands in its name: vzdump's file, or the group of a backup server.
_OWNER = re.compile(r"[^:]+:backup/(?:vzdump-lxc-|ct/)([0-9]+)[-/]")


def owner(volume: Any) -> int | None:
    """The CTID of the container that a backup was made of."""
    found = _OWNER.match(str(volume))
    return int(found.group(1)) if found else None


def is_copy(wanted: Wanted) -> bool:
    """Whether the container is a second one beside that of the backup: it has another CTID."""
    return bool(wanted.desired.restore_from) and owner(wanted.desired.restore_from) != wanted.ctid


def restored(wanted: Wanted, backup: ConfFile | None) -> ConfFile | None:
    """The config that the restored container has; None for a container that comes from elsewhere."""
    if not wanted.desired.restore_from or backup is None:
        return None
    saved = backup.head
    disks = growth.disks(saved)
    kept = {key: value for key, value in saved.items() if key not in disks and not creation.NOT_COPIED.match(key)}
    if is_copy(wanted):
        kept = {key: creation.with_another_mac(key, value) for key, value in kept.items()}
    head = {**kept, "hostname": wanted.desired.called(wanted.ctid)}
    if wanted.desired.unprivileged is not None:
        head["unprivileged"] = str(int(wanted.desired.unprivileged))
    for key, pool, size, options in _disks(wanted, saved):
        head[key] = properties.compose({"volume": f"{pool}:new", **options, "size": size}, "volume")
    return ConfFile(head=head, raw=backup.raw)


def call(wanted: Wanted, backup: ConfFile, name: str) -> Entry:
    """The call that restores it."""
    asked = wanted.desired
    params: dict[str, Any] = {"vmid": wanted.ctid, "ostemplate": asked.restore_from, "restore": 1}
    if is_copy(wanted):
        params["unique"] = 1  # PVE draws new MAC addresses
    params["hostname"] = name
    if asked.unprivileged is not None:
        params["unprivileged"] = int(asked.unprivileged)
    if asked.resource_pool:
        params["pool"] = asked.resource_pool
    for key, pool, size, options in _disks(wanted, backup.head):
        params[key] = properties.compose({"volume": f"{pool}:{_gib(size)}", **options}, "volume")
    return on_container(Kind.CREATE, wanted.node, wanted.ctid, params)


def refusal(wanted: Wanted, seen: Observation, created: Comparison) -> Refusal | None:
    """Why the container can't be restored, or None. ``created`` is what the restore leaves."""
    volume = wanted.desired.restore_from
    if seen.backup is None or "rootfs" not in seen.backup.head:
        why = seen.backup_error or "it has no root disk"
        storage = str(volume).partition(":")[0]
        got = f"node {wanted.node} can't read the config in the backup {volume}: {why}"
        remedy = f"name an existing backup (pvesm list {storage} --content backup)"
        return Refusal(Code.BACKUP_UNREADABLE, got, remedy, KEY)
    if seen.backup.head.get("template") == "1":
        got = f"the backup {volume} is one of a template, and PVE makes what is restored from it a template at once"
        remedy = "restore it by hand under a CTID of its own, and name that in clone_from_ctid"
        return Refusal(Code.BACKUP_OF_TEMPLATE, got, remedy, KEY)
    return growth.copy_too_small(created, "the backup", "restore from another")


def _disks(wanted: Wanted, saved: Mapping[str, str]) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """(key, storage, size, other sub-options) of each volume that is made; folders and devices of the node are none."""
    asked = wanted.desired
    places = {place.path: place for place in asked.places if place.source == VOLUMES}
    for key in growth.disks(saved):
        parts = dict(properties.parse(saved[key], "volume"))
        size, volume = growth.disk_size(saved, key) or 0, parts.pop("volume", "/")
        parts.pop("size", None)
        if volume.startswith("/"):
            continue
        if key == "rootfs":
            pool, gigabytes = asked.pool, asked.size_gb
        else:
            place = places.get(forms.path(parts.get("mp", "")))
            pool, gigabytes = (place.pool or asked.pool, place.size_gb) if place else (asked.pool, None)
        size = max(size, int(gigabytes or 0) * growth.GIB) or DEFAULT_ROOTFS_GB * growth.GIB
        yield key, str(pool or DEFAULT_POOL), properties.format_size(size), parts


def _gib(size: str) -> str:
    """A size as a call for a new volume has it: in GiB, without a unit."""
    return f"{properties.parse_size(size) / growth.GIB:.9f}".rstrip("0").rstrip(".")
