# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a container is made: the calls with their reason, what the record says of it, and the layer that it leaves."""

from __future__ import annotations

from collections.abc import Callable

from ...pve.apicalls import Kind
from ..layering import Layering, archiving
from ..model import Entry, Observation, Wanted, entry_of, on_container
from . import clones, creation, restores

LEAVE = "layer"  # the step, and what is done to a layer in a journal


def calls(wanted: Wanted, seen: Observation, source: clones.CloneSource | None) -> tuple[tuple[Entry, ...], str]:
    """(the calls that make the container, why these)."""
    name = wanted.desired.called(wanted.ctid)
    begin = f"no container {wanted.ctid}; "
    if source is not None:
        return clones.clone_entries(wanted, source, name), f"{begin}cloned from {source.ctid}"
    if wanted.desired.restore_from and seen.backup is not None:
        return (restores.call(wanted, seen.backup, name),), f"{begin}restored from {wanted.desired.restore_from}"
    layer = seen.layering.volume if seen.layering else ""
    made = on_container(Kind.CREATE, wanted.node, wanted.ctid, creation.create_params(wanted, layer))
    reason = f"{begin}created from {wanted.desired.template}"
    if not layer or seen.layering is None:
        return (made,), reason
    applied = " + ".join(seen.layering.ledger.get("features") or ())
    comes = f", which container {seen.layering.leader} leaves first" if seen.layering.leader else ""
    return (made,), f"{reason} with {applied}, as the layer {seen.layering.label}{comes}"


def is_copy(wanted: Wanted, layer: str | None) -> bool:
    """Whether the new container has the host keys and the machine-id of another one."""
    return bool(layer) or clones.source_ctid(wanted) is not None or restores.is_copy(wanted)


def made(wanted: Wanted, seen: Observation, identified: str, layer: str | None, has_ledger: bool = False) -> Entry:
    """The write of the record of a container that a run has made. A copy has the ledger of its source.

    ``identified``: the value for what it is recognized by.
    """
    values = {
        "creating": None,
        "ours": True,
        "applied": {},
        "volumes": None,
        "origin": creation.origin(wanted),
        "instance": identified,
        **({"ledger": clones.OF_SOURCE} if has_ledger else {}),
        **({"fresh": True} if seen.layering and seen.layering.after and not seen.creating else {}),
    }
    return Entry("node", "record", {**values, "identity": "due"} if is_copy(wanted, layer) else values)


def leave(wanted: Wanted, layering: Layering, add: Callable[..., None]) -> None:
    """The step that leaves a layer: the container is archived, then the archive gets its place."""
    call = archiving(wanted.node, wanted.ctid, layering.folder)
    reason = "the first container with this template and these features on the node"
    add(LEAVE, reason, entry_of(call), Entry(LEAVE, "publish"), name=layering.after, by_play=True)
