# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A device node of the node that a container gets: as the option ``devN``, or as raw lines."""

from __future__ import annotations

from dataclasses import dataclass

from .rawlines import Line

DENY_WRITE = "deny-write"
# The first Proxmox VE whose devN has it, as far as recorded: the schema of 8.4 has, and 8.2 began without.
DENY_WRITE_SINCE = (8, 4)
OPEN = 0o666  # everybody may read and write it


@dataclass(frozen=True)
class Device:
    """One device node of the node.

    Attributes:
        path: the path on the node, and in the container.
        mode: the mode in the container, as octal digits; empty for PVE's own (0660).
        number: (major, minor); None where nobody has looked.
        uid: the owner as the container sees it; None for its root.
        gid: the group as the container sees it; None for its root's.
        deny_write: whether the container may only read it.
        block: whether it is a block device.
        rights: the permission bits that it has on the node.
        key: the key of the configuration that asks for it.
        gpus: the word of the vendor whose GPUs it belongs to; empty for none.
    """

    path: str
    mode: str = ""
    number: tuple[int, int] | None = None
    uid: int | None = None
    gid: int | None = None
    deny_write: bool = False
    block: bool = False
    rights: int = OPEN
    key: str = "gpu_assignment"
    gpus: str = ""


def parts(device: Device) -> dict[str, str]:
    """Return the parts of the ``devN`` value that passes a device node on (PVE 8.2 and later)."""
    found = {"path": device.path}
    if device.mode:
        found["mode"] = device.mode
    if device.uid is not None:
        found["uid"] = str(device.uid)
    if device.gid is not None:
        found["gid"] = str(device.gid)
    if device.deny_write:
        found[DENY_WRITE] = "1"
    return found


def is_open(device: Device) -> bool:
    """Whether an unprivileged container can open a device that raw lines pass on: its root is no user of the node's."""
    needed = 0o4 if device.deny_write else 0o6
    return device.rights & needed == needed


def lines(device: Device) -> list[Line]:
    """Return the raw lines that pass a device node on without ``devN``: the cgroup's permission, and the node itself.

    Not ``optional``: as with devN, a container whose device is missing doesn't start. Owner and mode are the node's.
    """
    if device.number is None:
        return []
    major, minor = device.number
    kind, access = "b" if device.block else "c", "r" if device.deny_write else "rw"
    return [
        ("lxc.cgroup2.devices.allow", f"{kind} {major}:{minor} {access}"),
        ("lxc.mount.entry", f"{device.path} {device.path[1:]} none bind,create=file 0 0"),
    ]
