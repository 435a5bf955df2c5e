# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why the planner refuses a container: a value with a stable code. Its text is made at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Code(Enum):
    """The kinds of refusals. Results have the value; ``MEANING`` has what the troubleshooting page says of each."""

    UNFIT_TEXT = "unfit_text"
    RESERVED_LINE = "reserved_line"
    MALFORMED_LINE = "malformed_line"
    DEVICE_MISSING = "device_missing"
    BEING_CREATED = "being_created"
    INTERRUPTED_CREATION = "interrupted_creation"
    CTID_TAKEN = "ctid_taken"
    MOVED = "moved"
    FOREIGN_CONTAINER = "foreign_container"
    TEMPLATE_UNMANAGED = "template_unmanaged"
    TEMPLATE_INCOMPLETE = "template_incomplete"
    NO_ORIGIN = "no_origin"
    PRIVILEGE_FIXED = "privilege_fixed"
    DISK_SHRINKS = "disk_shrinks"
    DISK_WAITS = "disk_waits"
    TEMPLATE_DISK_GROWS = "template_disk_grows"
    VOLUME_UNKNOWN = "volume_unknown"
    PATH_OCCUPIED = "path_occupied"
    PATH_IN_USE = "path_in_use"
    PROTECTED = "protected"
    SOURCE_REPLACED = "source_replaced"
    SOURCE_MISSING = "source_missing"
    SOURCE_INCOMPLETE = "source_incomplete"
    SOURCE_BIND_MOUNT = "source_bind_mount"
    SOURCE_RUNS = "source_runs"
    BACKUP_UNREADABLE = "backup_unreadable"
    BACKUP_OF_TEMPLATE = "backup_of_template"
    GUARD_SNAPSHOT_FOREIGN = "guard_snapshot_foreign"
    GUARD_BIND_MOUNT = "guard_bind_mount"
    GUARD_STORAGE = "guard_storage"
    GUARD_BACKUP = "guard_backup"
    HELD = "held"
    RECREATE_TARGET = "recreate_target"
    DESTROY_UNCONFIRMED = "destroy_unconfirmed"
    LINKED_CLONES = "linked_clones"
    HA_CONFLICT = "ha_conflict"
    HA_FOREIGN = "ha_foreign"
    POWER = "power"
    FORGET = "forget"
    UPDATE = "update"


# Code -> (what it means, what to do), for the troubleshooting page.
MEANING: dict[Code, tuple[str, str]] = {
    Code.UNFIT_TEXT: ("a text has a character that no value of PVE's config can hold", "remove the character"),
    Code.RESERVED_LINE: ("a raw line sets what this collection writes itself", "remove the line"),
    Code.MALFORMED_LINE: ("an entry of `lxc_options` is not one raw line", "write `lxc.key: value`"),
    Code.DEVICE_MISSING: ("the node lacks a GPU, its driver or a device", "follow the message; see the page on GPUs"),
    Code.BEING_CREATED: ("another client creates the container", "wait for it, then run again"),
    Code.INTERRUPTED_CREATION: (
        "a creation was interrupted, and another task worked on the container later",
        "look at it, then destroy it by hand or set `phoenix_adopt`",
    ),
    Code.CTID_TAKEN: ("another guest of the cluster has the CTID", "choose another CTID"),
    Code.MOVED: ("the container moved to another node", "set `node`, and `phoenix_adopt: record` there"),
    Code.FOREIGN_CONTAINER: (
        "the container was not created by this collection, or is another one than the record's",
        "choose another CTID, or set `phoenix_adopt`",
    ),
    Code.TEMPLATE_UNMANAGED: (
        "the container is a template, and its configuration does not say so",
        "set `is_template`, or recreate it",
    ),
    Code.TEMPLATE_INCOMPLETE: (
        "somebody made the container a template before its features were applied",
        "recreate it, or set `phoenix_adopt: record`",
    ),
    Code.NO_ORIGIN: ("the container does not exist, and nothing says what to make it from", "add `template`"),
    Code.PRIVILEGE_FIXED: ("`unprivileged` changed, and PVE can't change it", "put the value back, or recreate it"),
    Code.DISK_SHRINKS: ("a size is below what the disk has", "put the size back, or recreate the container"),
    Code.DISK_WAITS: ("the disk to grow waits for a restart", "restart the container, then run again"),
    Code.TEMPLATE_DISK_GROWS: ("PVE can't grow the disks of this template", "write the larger size at its clones"),
    Code.VOLUME_UNKNOWN: (
        "the record of an earlier version does not say which volume has the name",
        "run once with the earlier `mount_point`",
    ),
    Code.PATH_OCCUPIED: ("another mount point has the path", "choose another path, or remove that mount point"),
    Code.PATH_IN_USE: ("the running container keeps the path until its restart", "restart it, then add the entry"),
    Code.PROTECTED: ("PVE changes no drive of a protected container", "set `protection` to false"),
    Code.SOURCE_REPLACED: ("the clone source is not the container on record", "clone from another, or adopt it"),
    Code.SOURCE_MISSING: ("the clone source is neither on the node nor in the run", "include it in the run"),
    Code.SOURCE_INCOMPLETE: ("the clone source is not complete", "include it in the run"),
    Code.SOURCE_BIND_MOUNT: ("PVE clones no container with a bind mount", "move the mount point to the clones"),
    Code.SOURCE_RUNS: ("the clone source runs, and its storage takes no snapshots", "stop it, or make it a template"),
    Code.BACKUP_UNREADABLE: ("the config in the backup can't be read", "name an existing backup"),
    Code.BACKUP_OF_TEMPLATE: ("the backup is one of a template", "restore it by hand, and clone it"),
    Code.GUARD_SNAPSHOT_FOREIGN: (
        "the snapshot of the guard exists without a record",
        "look at it, then delete it by hand",
    ),
    Code.GUARD_BIND_MOUNT: ("PVE takes no snapshot of a container with a bind mount", "remove `guard`, or the mount"),
    Code.GUARD_STORAGE: ("a storage takes no snapshots", "remove `guard`, or move the volume"),
    Code.GUARD_BACKUP: ("neither a snapshot nor a backup can guard the change", "follow the message"),
    Code.HELD: ("a tag or `hold` keeps the container as it is", "remove the tag or the key"),
    Code.POWER: ("the container can be neither started nor stopped", "name containers that exist and are no templates"),
    Code.FORGET: (
        "the ledger can't forget what `phoenix_forget` names",
        "name features that are applied and not listed",
    ),
    Code.UPDATE: ("the packages of the container can't be updated", "follow the message"),
    Code.RECREATE_TARGET: ("the target state would leave the container destroyed", "use the playbook `destroy`"),
    Code.DESTROY_UNCONFIRMED: ("the destruction is not confirmed", "confirm it with the exact list of CTIDs"),
    Code.LINKED_CLONES: ("linked clones live on the container's volumes", "destroy those first"),
    Code.HA_CONFLICT: ("what `ha` asks of the HA manager keeps the run from its end", "change `ha` or `target_state`"),
    Code.HA_FOREIGN: (
        "the container to recreate is managed by HA, and its configuration has no `ha`",
        "add `ha`, or take the container out of HA",
    ),
}


@dataclass(frozen=True)
class Refusal:
    """One refusal: what is wrong, and what to do. ``key`` is its place in the container's configuration, if it has one,
    and ``name`` the name of the entry there.

    ``joint`` stands between both in the text: a semicolon in one sentence, or the end of the first.
    """

    code: Code
    got: str
    remedy: str = ""
    key: str = ""
    name: str = ""
    joint: str = "; "

    def text(self) -> str:
        """One line for people."""
        named = f" ({self.name})" if self.name else ""
        place = f"{self.key}{named}: " if self.key else ""
        return f"{place}{self.got}{self.joint}{self.remedy}" if self.remedy else f"{place}{self.got}"

    def __str__(self) -> str:
        return self.text()

    def to_json(self) -> dict[str, Any]:
        """For results."""
        fields = {"key": self.key, "name": self.name, "got": self.got, "remedy": self.remedy, "joint": self.joint}
        return {"code": self.code.value, **fields}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Refusal:
        """The refusal of a result. Raises ValueError for a code that is none."""
        fields = {name: str(value.get(name, "")) for name in ("got", "remedy", "key", "name", "joint")}
        return cls(Code(value["code"]), **fields)
