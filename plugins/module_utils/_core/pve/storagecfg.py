# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PVE's ``storage.cfg`` as text -> the storages of a node: type, contents, who may use them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_SECTION = re.compile(r"^([a-z][a-z0-9]*):\s*(\S+)\s*\Z")
_OPTION = re.compile(r"^\s+([a-z][a-z0-9_-]*)(?:\s+(.*\S))?\s*\Z")

ROOTDIR = "rootdir"
TEMPLATES = "vztmpl"
SNIPPETS = "snippets"
BACKUPS = "backup"

# What a storage without the option 'content' holds, by type (pve-storage's plugins); every other type: images.
DEFAULT_CONTENT = {
    "btrfs": "images,rootdir",
    "dir": "images,rootdir",
    "lvmthin": "images,rootdir",
    "zfspool": "images,rootdir",
    "cephfs": "backup",
    "pbs": "backup",
}
# Types whose volumes take all of their size at once, so that the sum of the sizes is exact. A directory's raw files
# are sparse, and a container's ZFS dataset has a quota, not a reservation.
EXACT = frozenset({"lvm"})
# Types that are a folder of this node, which can be looked at without a call.
LOCAL_FOLDER = frozenset({"dir", "btrfs"})
# Types that PVE mounts below /mnt/pve.
MOUNTED = frozenset({"cephfs", "cifs", "nfs"})


@dataclass(frozen=True)
class Storage:
    """One storage as the cluster's configuration describes it."""

    name: str
    kind: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> frozenset[str]:
        """The content types that it may hold."""
        text = self.options.get("content", DEFAULT_CONTENT.get(self.kind, "images"))
        return frozenset(part.strip() for part in text.split(",") if part.strip() not in ("", "none"))

    @property
    def disabled(self) -> bool:
        """Whether it is switched off; the option may stand without a value."""
        return self.options.get("disable", "0") not in ("0", "no", "off", "false")

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes that may use it; empty for all."""
        if self.name == "local":
            return frozenset()  # PVE ignores the restriction for this one
        return frozenset(part.strip() for part in self.options.get("nodes", "").split(",") if part.strip())

    @property
    def exact(self) -> bool:
        """Whether a volume takes all of its size at once."""
        return self.kind in EXACT

    @property
    def folder(self) -> str | None:
        """The folder on this node, for types that are one."""
        return self.options.get("path") if self.kind in LOCAL_FOLDER else None

    @property
    def template_folder(self) -> str | None:
        """Where its container templates lie, for types that are a folder of this node."""
        return self._place(TEMPLATES, "template/cache")

    @property
    def snippet_folder(self) -> str | None:
        """Where its snippets lie, for types that are a folder of this node."""
        return self._place(SNIPPETS, "snippets")

    @property
    def backup_folder(self) -> str | None:
        """Where its backups lie, for types that are a folder of this node or are mounted as one."""
        mounted = self.options.get("path", f"/mnt/pve/{self.name}") if self.kind in MOUNTED else None
        return self._place(BACKUPS, "dump", mounted)

    def _place(self, content: str, default: str, folder: str | None = None) -> str | None:
        folder = folder or self.folder
        if folder is None:
            return None
        places = dict(part.partition("=")[::2] for part in self.options.get("content-dirs", "").split(","))
        return f"{folder}/{places.get(content, default).lstrip('/')}"


def parse_storages(text: str) -> dict[str, Storage]:
    """All storages of a ``storage.cfg``. PVE has a storage ``local`` even when the file has none."""
    result: dict[str, Storage] = {}
    options: dict[str, str] = {}
    for line in text.splitlines():
        section = _SECTION.match(line)
        option = _OPTION.match(line)
        if section:
            options = {}
            result[section.group(2)] = Storage(section.group(2), section.group(1), options)
        elif option:
            options[option.group(1)] = option.group(2) or "1"
    if "local" not in result:
        every = {"path": "/var/lib/vz", "content": "backup,images,iso,rootdir,snippets,vztmpl"}
        result["local"] = Storage("local", "dir", every)
    elif result["local"].kind == "dir" and "path" not in result["local"].options:
        options = {**result["local"].options, "path": "/var/lib/vz"}
        result["local"] = Storage("local", "dir", options)
    return result
