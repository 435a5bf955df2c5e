# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a container's disks and devices.

Which `mpN` and `devN` has which of them depends on the record and on the node: see mounts and hostneeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...pve import forms, properties
from .codecs import Codec, Config, Needs
from .option import HOTPLUG, NEW_ONLY, Key, Option

_PATH = r"^(?!.*(?:^|/)\.\.?(?:/|$))/dev(?:/[A-Za-z0-9_.:+@-]+)+$"
_DISRUPTS = {"x-phoenix-disrupts": "restart"}

DEVICES: dict[str, Any] = {
    "type": "array",
    "description": "Devices of the node that the container gets: device nodes, or GPUs of a vendor.",
    "x-phoenix-effect": "devN, or raw lines",
    "uniqueItems": True,
    "items": {
        "type": "object",
        "description": "One device, or the GPUs of one vendor.",
        "additionalProperties": False,
        "properties": {
            "path": {
                "type": "string",
                "description": "Path of the device node, on the node and in the container.",
                "x-phoenix-effect": "path of devN",
                **_DISRUPTS,
                "pattern": _PATH,
                "examples": ["/dev/net/tun"],
                "x-phoenix-expected": "the path of a device below /dev, such as /dev/net/tun",
            },
            "class": {
                "type": "string",
                "description": "Word of a vendor for the container's GPUs, instead of a path.",
                "x-phoenix-effect": "devN of the GPUs in gpu_assignment",
                "x-phoenix-disrupts": "hot",
                "pattern": "^[a-z][a-z0-9-]{0,40}$",
                "x-phoenix-expected": "the word of a vendor's GPUs",
            },
            "mode": {
                "type": "string",
                "description": "Access mode in the container, octal. Absent: PVE's own, 0660; of GPUs their vendor's.",
                "x-phoenix-effect": "mode of devN",
                **_DISRUPTS,
                "pattern": "^0[0-7]{3}$",
                "examples": ["0660"],
                "x-phoenix-expected": "four octal digits such as 0660",
            },
            "uid": {
                "type": "integer",
                "description": "Owner in the container, by number. Absent: its root.",
                "x-phoenix-effect": "uid of devN",
                **_DISRUPTS,
                "minimum": 0,
                "maximum": 4294967294,
            },
            "gid": {
                "type": "integer",
                "description": "Group in the container, by number, such as that of `render` there. Absent: its root's.",
                "x-phoenix-effect": "gid of devN",
                **_DISRUPTS,
                "minimum": 0,
                "maximum": 4294967294,
            },
            "deny_write": {
                "type": "boolean",
                "description": "Whether the container may only read the device. Before PVE 8.4 it goes by raw lines.",
                "x-phoenix-effect": "deny-write of devN",
                **_DISRUPTS,
            },
        },
        "x-phoenix-expected": "an object with either path or class",
        "x-phoenix-remedy": 'Write {"path": "/dev/net/tun"}.',
    },
    "x-phoenix-expected": "a list of devices",
}

DEVICE_PASSTHROUGH: dict[str, Any] = {
    "type": "string",
    "description": "How devices with a `path` are passed on: `dev` by `devN`, before PVE 8.2 by raw lines; `raw` by "
    "raw lines, without mode and owner.",
    "x-phoenix-effect": "devN, or raw lines",
    **_DISRUPTS,
    "enum": ["dev", "raw"],
    "default": "dev",
    "x-phoenix-empty": "not set",
}


ID_MAP: dict[str, Any] = {
    "type": "string",
    "description": "Users and groups of the container and those on the disk, such as `u:1000:1000:1`; `passthrough` "
    "keeps all numbers. It needs PVE 9.2.",
    "x-phoenix-effect": "idmap of the disk",
    **_DISRUPTS,
    "pattern": r"^(?:passthrough|[ug]:[0-9]{1,10}:[0-9]{1,10}:[1-9][0-9]{0,9}"
    r"(?:;[ug]:[0-9]{1,10}:[0-9]{1,10}:[1-9][0-9]{0,9})*)$",
    "examples": ["u:1000:1000:1;g:1000:1000:1"],
    "x-phoenix-expected": "passthrough, or TYPE:CONTAINER:DISK:COUNT such as u:1000:1000:1;g:1000:1000:1",
    "x-phoenix-synonyms": ["idmap"],
}

MOUNT_OPTIONS = ("discard", "lazytime", "noatime", "nodev", "noexec", "nosuid")
# Key of the file -> sub-option of a disk or mount point.
_FLAGS = {
    "acl": "acl",
    "backup": "backup",
    "keep_attributes": "keepattrs",
    "quota": "quota",
    "read_only": "ro",
    "replicate": "replicate",
    "shared": "shared",
}
OFF = frozenset({"backup", "keepattrs", "quota", "ro", "shared"})
"""The sub-options that mean the same when they are 0 and when they are not there."""

ROOTFS_OPTIONS: dict[str, Any] = {
    "type": "object",
    "description": "How the root disk is mounted and copied.",
    "x-phoenix-effect": "options of rootfs",
    "additionalProperties": False,
    "properties": {
        "acl": {
            "type": "boolean",
            "description": "Whether the file system has ACLs.",
            "x-phoenix-effect": "acl of rootfs",
            **_DISRUPTS,
        },
        "id_map": {**ID_MAP, "x-phoenix-effect": "idmap of rootfs"},
        "mount_options": {
            "type": "array",
            "description": "Options of the mount.",
            "x-phoenix-effect": "mountoptions of rootfs",
            **_DISRUPTS,
            "uniqueItems": True,
            "minItems": 1,
            "items": {"type": "string", "description": "One option.", "enum": [*MOUNT_OPTIONS]},
            "examples": [["noatime", "discard"]],
        },
        "quota": {
            "type": "boolean",
            "description": "Whether users have quotas; not in unprivileged containers.",
            "x-phoenix-effect": "quota of rootfs",
            **_DISRUPTS,
        },
        "replicate": {
            "type": "boolean",
            "description": "Whether replication jobs copy it; PVE's default is true.",
            "x-phoenix-effect": "replicate of rootfs",
            **_DISRUPTS,
        },
        "read_only": {
            "type": "boolean",
            "description": "Whether the container may only read it; features need to write.",
            "x-phoenix-effect": "ro of rootfs",
            **_DISRUPTS,
        },
        "shared": {
            "type": "boolean",
            "description": "Whether every node of the cluster has it. PVE assumes it and checks nothing.",
            "x-phoenix-effect": "shared of rootfs",
            **_DISRUPTS,
        },
    },
    "x-phoenix-expected": 'an object such as {"mount_options": ["noatime"]}',
}


def mount_parts(item: Mapping[str, Any]) -> dict[str, str]:
    """The sub-options that the keys of a disk or mount point ask for; 0 for a switch that is to be off."""
    parts = {option: str(int(bool(item[key]))) for key, option in _FLAGS.items() if item.get(key) is not None}
    if item.get("mount_options"):
        parts["mountoptions"] = ";".join(map(str, item["mount_options"]))
    if item.get("id_map"):
        parts["idmap"] = str(item["id_map"])
    return parts


def mount_keys(parts: Mapping[str, str]) -> dict[str, Any]:
    """The keys of a disk or mount point that ask for these sub-options: the other direction."""
    found: dict[str, Any] = {key: forms.flag(parts[name]) == "1" for key, name in _FLAGS.items() if name in parts}
    options = [name for name in parts.get("mountoptions", "").split(";") if name in MOUNT_OPTIONS]
    if parts.get("idmap"):
        found["id_map"] = parts["idmap"]
    return {**found, "mount_options": options} if options else found


def _rootfs_parts(config: Config, _needs: Needs) -> dict[str, str] | None:
    return mount_parts(config.get("rootfs_options") or {}) or None


def _from_rootfs(value: str) -> dict[str, Any]:
    """The options of the root disk; its volume and its size have other keys."""
    found = mount_keys(properties.parse(value, "volume"))
    for name in ("backup", "keep_attributes"):
        found.pop(name, None)
    return {"rootfs_options": found} if found else {}


def _bind_of_root(value: str) -> str | None:
    return f"the bind mount {value.partition(',')[0]}" if value.startswith("/") else None


@dataclass(frozen=True)
class WantedDevice:
    """One entry of `devices`: a device node by its path, or the GPUs of a vendor by the word of their class.

    ``index`` is its place in the list; of the rest None is what the entry does not say.
    """

    index: int
    path: str | None = None
    gpus: str | None = None
    mode: str | None = None
    uid: int | None = None
    gid: int | None = None
    deny_write: bool | None = None


def wanted_devices(config: Mapping[str, Any]) -> tuple[WantedDevice, ...]:
    """The entries of `devices`."""
    entries = config.get("devices")
    return tuple(
        WantedDevice(
            index,
            item.get("path"),
            item.get("class"),
            item.get("mode"),
            item.get("uid"),
            item.get("gid"),
            item.get("deny_write"),
        )
        for index, item in enumerate(entries if isinstance(entries, (list, tuple)) else ())
        if isinstance(item, Mapping)
    )


def _from_pve(value: str) -> dict[str, Any]:
    """The entry of `devices` that asks for a devN."""
    parts = properties.parse(value, "path")
    entry: dict[str, Any] = {name: parts[name] for name in ("path", "mode") if parts.get(name)}
    entry.update({name: int(parts[name]) for name in ("uid", "gid") if parts.get(name, "").isdigit()})
    if "deny-write" in parts:
        entry["deny_write"] = forms.flag(parts["deny-write"]) == "1"
    return {"devices": [entry]} if "path" in entry else {}


ROWS = (
    Option(
        "rootfs",
        "the root disk",
        (Key("rootfs_options", ROOTFS_OPTIONS),),
        Codec(_rootfs_parts, _from_rootfs),
        privilege="VM.Config.Disk",
        parts_since={"idmap": (9, 2)},
        structured=True,
        kept=True,
        switches=OFF,
    ),
    Option(
        "mp",
        "a bind mount (`mount_points`) or a disk (`volumes`)",
        asked_by="mount_points",
        applies=NEW_ONLY,
        privilege="VM.Config.Disk",
        root_only=_bind_of_root,
        root_words="bind mounts",
        parts_since={"idmap": (9, 2), "keepattrs": (9, 2)},
        structured=True,
        whole=True,
        switches=OFF,
    ),
    Option("unused", "a disk that is not mounted", applies=HOTPLUG, privilege="VM.Config.Disk", kept=True),
    Option(
        "dev",
        "a device (`devices`), or one that a feature needs (`gpu_assignment`)",
        (
            Key("devices", DEVICES),
            Key("device_passthrough", DEVICE_PASSTHROUGH),
        ),
        Codec(lambda _config, _needs: None, _from_pve),
        many=True,
        applies=NEW_ONLY,
        root_only=lambda value: f"the device {value.partition(',')[0]}",
        root_words="every device",
        since=(8, 2),
        structured=True,
        whole=True,
    ),
)
