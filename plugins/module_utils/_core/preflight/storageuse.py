# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a storage that exists can be used for a content, and what helps when it can't."""

from __future__ import annotations

from ..pve.storagecfg import BACKUPS, ROOTDIR, TEMPLATES, Storage


def elsewhere(storage: Storage, node: str) -> bool:
    """Whether a storage is for other nodes."""
    return bool(storage.nodes) and node not in storage.nodes


def problem(storage: Storage, content: str, node: str, room: str | None) -> tuple[str, str, str] | None:
    """Return why a storage that exists can't be used: (what it is, what is expected, remedy).

    ``room`` says why nothing is known of its room, None when it is.
    """
    name = storage.name
    if storage.disabled:
        return "is disabled", "an enabled storage", f"pvesm set {name} --disable 0"
    if elsewhere(storage, node):
        nodes = sorted(storage.nodes)
        allowed = ",".join([*nodes, node])
        return (
            f"is restricted to {', '.join(nodes)}",
            f"a storage of node {node}",
            f"Choose another storage, or allow it here: pvesm set {name} --nodes {allowed}",
        )
    if content not in storage.content:
        allowed = ",".join(sorted({*storage.content, content}))
        return (
            f"holds {', '.join(sorted(storage.content)) or 'nothing'} and not {content}",
            f"a storage for {holds(content)}",
            f"Choose another storage, or allow it: pvesm set {name} --content {allowed}",
        )
    if room:
        return (
            f"is not usable just now ({room})",
            "an active storage",
            f"Bring it back (pvesm status --storage {name}), then run again.",
        )
    return None


def holds(content: str) -> str:
    """Return what a storage with this content is for."""
    words = {ROOTDIR: "containers (rootdir)", TEMPLATES: "container templates (vztmpl)", BACKUPS: "backups (backup)"}
    return words.get(content, content)
