# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ZFS and storages of `hypervisor_config.json` in one form; sizes in bytes, as `zfs get -p` tells them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage.storage_types import SECRETS

LEVELS = {
    "single": "stripe",
    "stripe": "stripe",
    "RAID0": "stripe",
    "mirror": "mirror",
    "RAID1": "mirror",
    "RAID10": "mirrors",
    "raidz": "raidz1",
}
LEAST_DISKS = {"stripe": 1, "mirror": 2, "mirrors": 4, "raidz1": 2, "raidz2": 3, "raidz3": 4}
# Properties that ZFS tells in bytes whatever unit they were set with.
SIZES = ("quota", "refquota", "reservation", "refreservation", "recordsize", "volsize", "volblocksize")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGTP]?)(?:i?B)?\Z", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}


def size(value: Any) -> int | None:
    """A number of bytes, or text with a unit, in bytes; None for what is no size (`none`)."""
    match = _SIZE.match(str(value).strip())
    return int(float(match[1]) * _UNITS[match[2].upper()]) if match else None


def properties(value: Any) -> dict[str, str]:
    """ZFS properties, an object or `key=value,…`, as text; booleans are on and off, sizes bytes."""
    if isinstance(value, str):
        value = dict(part.partition("=")[::2] for part in value.split(",") if part)
    result = {}
    for key, item in (value or {}).items():
        text = {True: "on", False: "off"}[item] if isinstance(item, bool) else str(item)
        found = size(text) if key in SIZES else None
        result[key] = str(found) if found is not None else ("0" if key in SIZES and text == "none" else text)
    return result


def arc_max(zfs: Mapping[str, Any]) -> int | None:
    """The ARC's largest size in bytes."""
    if "arc_max" in zfs:
        return size(zfs["arc_max"])
    return int(zfs["arc_max_gb"] * (1 << 30)) if "arc_max_gb" in zfs else None


def level(text: str) -> str:
    """stripe, mirror, mirrors (a stripe of pairs), raidz1, raidz2 or raidz3."""
    return LEVELS.get(text) or LEVELS.get(text.lower(), text.lower())


def device(name: str) -> str:
    """A disk as a path: a bare name is one of /dev/disk/by-id."""
    return name if name.startswith("/") else f"/dev/disk/by-id/{name}"


def vdevs(kind: str, disks: list[str]) -> list[dict[str, Any]]:
    """The groups of disks that ZFS makes a pool of."""
    if kind == "stripe":
        return [{"type": "stripe", "disks": disks}]
    if kind == "mirrors":
        return [{"type": "mirror", "disks": disks[at : at + 2]} for at in range(0, len(disks), 2)]
    return [{"type": kind, "disks": disks}]


# Devices besides the data, by the pool's key, as zpool(8) names them.
ROLES = ("special", "dedup", "log", "cache", "spare")


def further(pool: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The groups of a pool besides its data: a list of disks is as many, an object says how they are joined."""
    result: list[dict[str, Any]] = []
    for role in ROLES:
        given = pool.get(role) or ()
        names = given.get("disks", ()) if isinstance(given, Mapping) else given
        kind = level(given.get("raid_level", "single")) if isinstance(given, Mapping) else "stripe"
        if names:
            result += [{**vdev, "role": role} for vdev in vdevs(kind, [device(name) for name in names])]
    return result


def pools(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The pools: `vdevs`, `pool_properties` of `zpool create -o`, `properties` of the root dataset."""
    result = []
    for pool in config.get("zfs", {}).get("pools", ()):
        disks = [device(disk) for disk in pool.get("disks", ())]
        kind = level(pool.get("raid_level", "single"))
        besides = further(pool)
        ashift = {"ashift": str(pool["ashift"])} if "ashift" in pool else {}
        result.append(
            {
                "name": pool["name"],
                "level": kind,
                "vdevs": [*vdevs(kind, disks), *besides] if disks else [],
                "disks": [*disks, *(disk for vdev in besides for disk in vdev["disks"])] if disks else [],
                "force_wipe": [device(disk) for disk in pool.get("force_wipe", ())],
                "pool_properties": ashift,
                "properties": properties(pool.get("properties")),
            }
        )
    return result


def full_name(dataset: Mapping[str, Any]) -> str:
    """A dataset as pool/name, which one dialect writes in one key and the other in two."""
    return f"{dataset['pool']}/{dataset['name']}" if "pool" in dataset else str(dataset["name"])


def folder(config: Mapping[str, Any], path: str) -> str:
    """An absolute path as it is; a dataset's is where it is mounted."""
    if path.startswith("/"):
        return path
    return mount(mounts(config), path.rstrip("/"))


def mounts(config: Mapping[str, Any]) -> dict[str, str]:
    """The mountpoints that the file sets, by pool or dataset."""
    rows = [*pools(config), *datasets(config)]
    found = {row["name"]: str(row["properties"].get("mountpoint", "")) for row in rows}
    return {name: path for name, path in found.items() if path.startswith("/")}


def mount(places: Mapping[str, str], name: str) -> str:
    """Where a dataset is mounted: at its own mountpoint, else below its nearest parent that has one."""
    parts = name.split("/")
    for length in range(len(parts), 0, -1):
        found = places.get("/".join(parts[:length]))
        if found:
            return "/".join([found.rstrip("/"), *parts[length:]])
    return f"/{name}"


def datasets(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The datasets by their full names, parents first, with all properties."""
    result = []
    for item in config.get("zfs", {}).get("datasets", ()):
        found = properties(item.get("properties"))
        kind = storage_of(config, item).get("type")
        if "mountpoint" in item:
            found["mountpoint"] = item["mountpoint"]
        elif "mountpoint" not in found and config.get("mount_point_base") and kind != "zfspool":
            found["mountpoint"] = f"{config['mount_point_base'].rstrip('/')}/{full_name(item)}"
        result.append({"name": full_name(item), "properties": found})
    return sorted(result, key=lambda row: row["name"].count("/"))


def storage_of(config: Mapping[str, Any], dataset: Mapping[str, Any]) -> dict[str, Any]:
    """The type and content of the PVE storage that a dataset becomes, in whichever dialect it is said; {} for none."""
    if "proxmox_storage_type" in dataset:
        return {"type": dataset["proxmox_storage_type"], "content": dataset.get("proxmox_content_type")}
    types = config.get("zfs", {}).get("dataset_storage_types", {})
    if isinstance(types, list):
        types = {item["dataset"]: item["storage_type"] for item in types}
    found = types.get(full_name(dataset))
    if isinstance(found, str):
        kind, _colon, content = found.partition(":")
        return {"type": kind, "content": content or None}
    return dict(found or {})


def storage_ids(config: Mapping[str, Any]) -> dict[str, str]:
    """The storages' IDs that `proxmox_storage_ids` says, by dataset."""
    ids = config.get("proxmox_storage_ids", {})
    return {name: str(ids[key]) for name, key in id_keys(_names(config), ids).items()}


def id_keys(names: Iterable[str], ids: Mapping[str, Any]) -> dict[str, str]:
    """The keys of `proxmox_storage_ids` by dataset: pool_dataset as it is written, else as files in the field have it,
    hyphens not told apart from _ and capitals not from small letters.
    """
    exact = {name: name.replace("/", "_") for name in names}
    found = {name: key for name, key in exact.items() if key in ids}
    for name, key in exact.items():
        left = [other for other in ids if other not in found.values() and _folded(other) == _folded(key)]
        if name not in found and left:
            found[name] = left[0]
    return found


def _names(config: Mapping[str, Any]) -> list[str]:
    return [full_name(row) for row in config.get("zfs", {}).get("datasets", ())]


def _folded(text: str) -> str:
    return text.replace("-", "_").lower()


def storages(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The PVE storages with the keys of storage.cfg: those of `storage`, then those of datasets."""
    result = []
    for item in config.get("storage", ()):
        row = {"storage": item["id"], **{key: value for key, value in item.items() if key not in ("id", *SECRETS)}}
        result.append(row)
    taken = {row["storage"] for row in result}
    places, ids = mounts(config), storage_ids(config)
    for dataset in config.get("zfs", {}).get("datasets", ()):
        made = storage_of(config, dataset)
        if not made:
            continue
        name = full_name(dataset)
        sid = ids.get(name, name.replace("/", "-"))
        if sid in taken:
            continue
        row = {"storage": sid, "type": made["type"], "content": made.get("content")}
        place = mount(places, name)
        if made["type"] == "zfspool":
            row["pool"] = name
        elif made["type"] == "nfs":
            row.update(server=config.get("network", {}).get("nfs_server", "127.0.0.1"), export=place)
        else:
            # Without is_mountpoint PVE would fill the root file system while the dataset is not mounted.
            row.update(path=place, is_mountpoint="yes")
        result.append({key: value for key, value in row.items() if value is not None})
    return result


def folders(config: Mapping[str, Any]) -> Iterator[str]:
    """The folders that exist once storage is set up: where datasets are mounted, and those that PVE creates.

    PVE creates the folder of a storage when it is added, unless the storage says otherwise.
    """
    for row in datasets(config):
        yield folder(config, row["name"])
    for item in config.get("storage", ()):
        made = item.get("mkdir") is not False and item.get("create_base_path") is not False
        if item.get("type") == "dir" and made and not item.get("is_mountpoint") and not item.get("disable"):
            yield str(item.get("path"))


def storage_secrets(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The secrets of the storages by their IDs, or what stands for them."""
    rows = config.get("storage", ())
    found = {item["id"]: {key: item[key] for key in SECRETS if key in item} for item in rows}
    return {sid: secrets for sid, secrets in found.items() if secrets}
