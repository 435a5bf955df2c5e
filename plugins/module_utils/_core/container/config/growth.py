# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The disks of a container: their sizes, which of them grow, and why one can't."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...pve import forms, properties
from ..model import Wanted
from ..refusal import Code, Refusal
from .compare import Comparison

GIB = 1024**3


def disk_size(actual: Mapping[str, str], disk: str) -> int | None:
    """A disk's size in bytes, or None when the storage doesn't report it (a plain directory)."""
    text = properties.parse(actual.get(disk, ""), "volume").get("size")
    try:
        return properties.parse_size(text) or None if text else None
    except ValueError:
        return None


def _sizes(compared: Comparison) -> dict[str, tuple[Any, str]]:
    """{disk: (size in GiB, the key that asks for it)}."""
    size = compared.wanted.desired.size_gb
    own = {} if size is None else {"rootfs": (size, "storage_size_gb")}
    return {**own, **compared.places.sizes()}


def disk_growth(compared: Comparison) -> tuple[dict[str, str], Refusal | None]:
    """({disk: new size for ``PUT resize``}, refusal).

    PVE can't shrink a disk, and it makes the files of a template read-only.
    """
    growth: dict[str, str] = {}
    wanted, conf = compared.wanted, compared.conf
    actual = {**conf.head, **conf.merged()}
    for disk, (size_gb, source) in _sizes(compared).items():
        there = disk_size(actual, disk)
        if there is None or int(size_gb) * GIB == there:
            continue
        if int(size_gb) * GIB < there:
            return {}, _too_small(source, size_gb, disk, there, recreation(wanted, actual))
        volume = properties.parse(actual[disk], "volume").get("volume", "")
        live = properties.parse(conf.head.get(disk, ""), "volume").get("volume")
        # What waits has the size of before, and would put it over the new one at the start.
        if volume != live or disk in conf.pending:
            got = f"{disk} of container {wanted.ctid} ({actual[disk]}) waits for a restart, and PVE grows no such disk"
            remedy = f"restart the container (pct reboot {wanted.ctid}), or put {-(-there // GIB)} back"
            return {}, Refusal(Code.DISK_WAITS, got, remedy, source)
        if actual.get("template") == "1" and "/base-" in volume:  # a volume in a file, whatever the storage
            got = f"container {wanted.ctid} is a template, whose disks in files ({volume}) PVE can't grow"
            remedy = f"put {-(-there // GIB)} back and write the larger size at its clones"
            return {}, Refusal(Code.TEMPLATE_DISK_GROWS, got, f"{remedy}, or {recreation(wanted, actual)}", source)
        growth[disk] = f"{size_gb}G"
    return growth, None


def _too_small(source: str, size_gb: Any, disk: str, there: int, otherwise: str) -> Refusal:
    """Says which key asks for less than a disk has, in bytes."""
    return Refusal(
        Code.DISK_SHRINKS,
        f"{size_gb} is less than the {properties.format_size(there)} that {disk} has, and PVE can't shrink a disk "
        "(impossible without recreating it)",
        f"set it to {-(-there // GIB)}, or {otherwise}",
        source,
    )


def copy_too_small(created: Comparison, origin: str, otherwise: str) -> Refusal | None:
    """Why the disks can't be as the file says: those that they are copied from are larger. None when they can."""
    copied = created.conf.head
    for disk, (size_gb, key) in _sizes(created).items():
        there = disk_size(copied, disk)
        if there is not None and int(size_gb) * GIB < there:
            return _too_small(key, size_gb, f"{disk} of {origin}", there, otherwise)
    return None


def recreation(wanted: Wanted, actual: Mapping[str, str]) -> str:
    """What recreates a container, and what that destroys, as a remedy."""
    gone = ", ".join(volumes(actual)) or "none"
    return f"name {wanted.ctid} in phoenix_recreate_ctids: that destroys its volumes ({gone}) and recreates it"


def disks(head: Mapping[str, str]) -> list[str]:
    """The keys of the root disk and of the mount points."""
    return [key for key in sorted(head) if key == "rootfs" or key.rstrip("0123456789") == "mp"]


def volumes(config: Mapping[str, str]) -> list[str]:
    """The volumes that PVE destroys with the container; bind and device mounts stay."""
    result = []
    for key in sorted(config):
        if key == "rootfs" or key.rstrip("0123456789") in ("mp", "unused"):
            volume = properties.parse(config[key], "volume").get("volume", "")
            if volume and not volume.startswith("/"):
                result.append(volume)
    return result


def unsaved(config: Mapping[str, str]) -> list[str]:
    """The mounted volumes that no backup contains, by their paths: of mount points, vzdump takes those with backup=1.

    The root disk is always in it, a bind or device mount never.
    """
    result = []
    for key in sorted((key for key in config if re.match(r"mp\d+\Z", key)), key=lambda key: int(key[2:])):
        parts = properties.parse(config[key], "volume")
        if not parts.get("volume", "/").startswith("/") and forms.flag(parts.get("backup", "0")) != "1":
            result.append(parts.get("mp", key))
    return result
