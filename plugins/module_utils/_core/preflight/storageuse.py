# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a storage can be used for a content, whether it has a template, and what helps when it can't."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

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


def missing_template(
    storage: str, template: str, stored: Collection[str], indexed: Collection[str] | None, why: str
) -> tuple[str, str, str, str | None]:
    """Return the fault of a template that can't be had: (what is wrong, what is expected, remedy, nearest name).

    ``stored``: the templates of the storage. ``indexed``: those of PVE's appliance index, None where it can't be read,
    for the reason ``why``.
    """
    near = nearest(template, sorted({*stored, *(indexed or ())}))
    holding = f"it has {', '.join(sorted(stored))}" if stored else "it has no template"
    if indexed is None:
        remedy = f"The appliance index can't be read ({why or 'no answer'}): run pveam update"
    else:
        remedy = "Run pveam update for a newer index (pveam available lists it)"
    remedy += f", write an existing template, or put the file there: {storage}:vztmpl/{template}."
    if near:
        remedy = f'Write "{storage}:vztmpl/{near}". Or: {remedy[:1].lower()}{remedy[1:]}'
    place = f"neither on storage {storage} ({holding}) nor in PVE's appliance index"
    got = f'got "{storage}:vztmpl/{template}", which is {place}'
    return got, "a template of the storage, or one that PVE can download", remedy, near


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that a word is most like, None where none is."""
    matches = get_close_matches(word, list(known), 1, 0.6)
    return matches[0] if matches else None
