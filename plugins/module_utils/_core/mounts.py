# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mount points and volumes of a configuration as PVE's ``mpN`` options.

A mount point is known by its path inside, not by its slot: what is there keeps its slot, what is new
takes the first free one. A volume that exists is never asked for again: PVE would allocate another one (PVE facts).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import properties
from .options import Desired

SLOTS = 256  # mp0 to mp255


def _slots(actual: Mapping[str, str]) -> dict[str, str]:
    """Path inside the container -> the slot that has it."""
    result = {}
    for key, value in actual.items():
        if key.rstrip("0123456789") == "mp":
            result[properties.parse(value, "volume").get("mp", "")] = key
    return result


def _free(actual: Mapping[str, str], taken: set[str]) -> Iterator[str]:
    for number in range(SLOTS):
        key = f"mp{number}"
        if key not in actual and key not in taken:
            yield key


def _wanted(config: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(path inside, source key, the sub-options of a new one)."""
    for item in config.get("mount_points") or ():
        path = str(item["container_path"])
        parts = {"volume": str(item["host_path"]), "mp": path}
        if item.get("read_only"):
            parts["ro"] = "1"
        yield path, "shared_volumes" if item.get("shared_volume") else "mount_points", parts
    for item in config.get("volumes") or ():
        path = str(item["mount_point"])
        pool = item.get("pool") or config.get("storage_pool") or "local"
        yield path, "volumes", {"volume": f"{pool}:{item['size_gb']}", "mp": path}


def desired_mounts(
    config: Mapping[str, Any], actual: Mapping[str, str], occupied: Iterable[str] = ()
) -> dict[str, Desired]:
    """The ``mpN`` options that the configuration asks for, each in its slot.

    ``occupied`` are slots whose deletion waits for a restart: a new mount point there would have to wait as well.
    """
    slots = _slots(actual)
    result: dict[str, Desired] = {}
    for path, source, parts in _wanted(config):
        key = slots.get(path) or next(_free(actual, {*result, *occupied}))
        there = source == "volumes" and path in slots
        result[key] = Desired(key, source, parts={"mp": path} if there else parts)
    return result


def volume_sizes(config: Mapping[str, Any], actual: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    """Slot -> (size in GiB, its key) of the volumes that exist."""
    slots = _slots(actual)
    return {
        slots[str(item["mount_point"])]: (int(item["size_gb"]), f"volumes/{index}/size_gb")
        for index, item in enumerate(config.get("volumes") or ())
        if str(item["mount_point"]) in slots
    }


def other_pools(config: Mapping[str, Any], actual: Mapping[str, str]) -> list[tuple[str, str]]:
    """(key, what is other) of the volumes that exist on another storage than the configuration's."""
    slots = _slots(actual)
    result = []
    for index, item in enumerate(config.get("volumes") or ()):
        slot = slots.get(str(item["mount_point"]))
        there = properties.parse(actual[slot], "volume").get("volume", "").partition(":")[0] if slot else ""
        if there and item.get("pool") and there != item["pool"]:
            what = f"{item['mount_point']} is on {there}, and {item['pool']} is asked for"
            result.append((f"volumes/{index}/pool", what))
    return result
