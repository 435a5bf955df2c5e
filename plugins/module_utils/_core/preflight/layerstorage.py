# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the storage that the inventory source names for layers can hold any.

One that is full or offline just now is no fault: containers are created without layers then.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..pve.storagecfg import TEMPLATES, Storage
from . import storageuse
from .demands import Demand
from .node_faults import Finding

_KEY = "layers.storage of the inventory source"


def finding(demands: list[Demand], storages: Mapping[str, Storage], node: str) -> Finding | None:
    """The fault of the storage that these containers keep their layers on, one for all of them; None for none."""
    name, path = demands[0].name, demands[0].path
    ctids = tuple(dict.fromkeys(item.ctid for item in demands))
    known = sorted(each.name for each in storages.values() if not _problem(each, node))
    storage = storages.get(name)
    if storage is None:
        nearest = storageuse.nearest(name, known)
        got = f'storage "{name}" does not exist on node {node}'
        return Finding(path, got, _expected(known), f"Write an existing storage in {_KEY}.", nearest, ctids)
    problem = _problem(storage, node)
    if problem is None:
        return None
    remedy = f"{problem[1].rstrip('.')}. Or write another storage in {_KEY}, or layers: false."
    return Finding(path, f'got "{name}", which {problem[0]}', _expected(known), remedy, None, ctids)


def _expected(known: list[str]) -> str:
    words = "a storage of type dir or btrfs for container templates (vztmpl)"
    return f"{words}: {', '.join(known)}" if known else words


def _problem(storage: Storage, node: str) -> tuple[str, str] | None:
    """(what is wrong with a storage, what helps)."""
    found = storageuse.problem(storage, TEMPLATES, node, None)
    if found is not None:
        return found[0], found[2]
    if storage.template_folder is None:
        return (
            f"is of type {storage.kind}",
            "Add one, such as: pvesm add dir layers --path /srv/layers --content vztmpl",
        )
    return None
