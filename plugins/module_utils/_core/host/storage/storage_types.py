# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The types of PVE's storages with their options: which one needs, which it has, and which it never changes.

From the plugins' options() of pve-storage (PVE/Storage/*.pm). A key is the option with `_` for each `-`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

ALL = frozenset({"storage", "type", "content", "nodes", "disable"})
"""Every type has these."""
SECRETS = ("password", "keyring", "encryption_key")
"""Kept apart from storage.cfg, and never told again."""
LISTS = frozenset({"content", "nodes", "monhost"})
FLAGS = frozenset({
    "shared", "disable", "sparse", "mkdir", "create_base_path", "create_subdirs", "krbd", "fuse", "saferemove",
    "tagged_only", "nocow", "snapshot_as_volume_chain",
})  # fmt: skip  # laid out to be read
PAIRS = frozenset({"prune_backups", "content_dirs"})
"""``name=value`` with commas, or an object."""
# Options that PVE spells with `_` itself.
_UNDERSCORES = frozenset({"is_mountpoint", "tagged_only", "saferemove_throughput"})
_FILES = "mkdir create_base_path create_subdirs prune_backups max_protected_backups format"
_ON_FILES = f"{_FILES} content_dirs preallocation bwlimit snapshot_as_volume_chain"


@dataclass(frozen=True)
class StorageType:
    """One type of storage.

    Attributes:
        required: what PVE needs to make one, and never changes.
        optional: what it has besides.
        fixed: what of the optional ones PVE never changes.
    """

    required: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()

    def has(self, key: str) -> bool:
        """Whether the type has the option of this key."""
        return key in ALL or key in self.required or key in self.optional

    def is_fixed(self, key: str) -> bool:
        """Whether PVE refuses to change it."""
        return key in self.required or key in self.fixed


def _type(required: str, optional: str, fixed: str = "") -> StorageType:
    return StorageType(tuple(required.split()), frozenset(optional.split()), frozenset(fixed.split()))


TYPES: Mapping[str, StorageType] = MappingProxyType(
    {
        "dir": _type("path", f"shared is_mountpoint {_ON_FILES}", "snapshot_as_volume_chain"),
        "btrfs": _type("path", f"shared is_mountpoint nocow preallocation {_FILES}"),
        # PVE makes up the path of these three when none is given.
        "nfs": _type("server export", f"path options {_ON_FILES}", "path snapshot_as_volume_chain"),
        "cifs": _type(
            "server share",
            f"path subdir username password domain smbversion options {_ON_FILES}",
            "path snapshot_as_volume_chain",
        ),
        "cephfs": _type(
            "", f"path monhost subdir options username fuse keyring fs_name content_dirs bwlimit {_FILES}", "path"
        ),
        "zfspool": _type("pool", "blocksize sparse mountpoint bwlimit"),
        "lvm": _type(
            "vgname",
            "shared saferemove saferemove_throughput base tagged_only bwlimit snapshot_as_volume_chain",
            "base",
        ),
        "lvmthin": _type("vgname thinpool", "bwlimit"),
        "rbd": _type("", "pool data_pool namespace monhost username krbd keyring bwlimit"),
        "iscsi": _type("portal target", "bwlimit"),
        "iscsidirect": _type("portal target", "bwlimit"),
        "pbs": _type(
            "server datastore",
            "namespace port username password fingerprint encryption_key master_pubkey prune_backups "
            "max_protected_backups",
        ),
    }
)


def option(key: str) -> str:
    """PVE's option for a key."""
    return key if key in _UNDERSCORES else key.replace("_", "-")


def pairs(value: Any) -> dict[str, str]:
    """An object or ``name=value`` texts as names and values as PVE spells them."""
    if isinstance(value, Mapping):
        return {str(name).replace("_", "-"): _plain(item) for name, item in value.items()}
    return dict(part.strip().partition("=")[::2] for part in str(value or "").split(",") if part.strip())


def _plain(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
