# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the layers of the node mean for one container: the one that it starts from, and the one that it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..._core.container import states
from ..._core.container.layering import Layering
from ..._core.container.layers import address, catalog
from ..._core.container.model import Observation, Record, Wanted
from .shelf import LayerStorageError, Shelf


def recall(
    shelf: Shelf, seen: Observation, record: Record, wanted: Wanted, leaders: dict[str, int] | None = None
) -> Observation:
    """The observation, with the layers where the container is still to be made or has just been.

    ``leaders``: address -> the container of this run that leaves a layer there before. This one may become another.
    """
    to_be_made = not seen.exists or wanted.recreate or seen.creating == "failed"
    fresh = bool(record.fresh) and record.fresh == wanted.run
    too_early = states.rank(wanted.target) < states.rank(states.CREATED)
    if not address.takes_part(wanted) or too_early or not (to_be_made or fresh) or not address.boundaries(wanted):
        return seen
    settings = catalog.Settings.from_json(wanted.layers or {})
    try:
        folder = shelf.folder(settings.storage)
    except LayerStorageError as error:
        return replace(seen, layering=Layering(notes=(f"{error}. It is created without layers",)))
    leaders = {} if leaders is None else leaders
    base, notes = _deepest(shelf, wanted, folder, leaders)
    base = base if to_be_made else None  # what it starts from is decided before it exists
    after = _left_after(shelf, wanted, folder, leaders)
    if after:
        notes += [f"{old.called()} is stale: {why}" for old, why in catalog.stale(shelf.all(), settings, _now())]
    found = Layering(
        volume=f"{settings.storage}:vztmpl/{address.file_name(base.address)}" if base else "",
        ledger=base.ledger if base else {},
        after=after,
        folder=shelf.staging(folder, wanted.ctid),
        leader=_leader(shelf, base, folder, wanted, leaders),
        notes=tuple(notes),
    )
    return replace(seen, layering=found, source_ledger=found.ledger or seen.source_ledger)


def recall_fleet(
    shelf: Shelf,
    wanted: Mapping[int, Wanted],
    seen: dict[int, Observation],
    records: Mapping[int, Record],
    is_refused: Callable[[int, Observation], bool],
) -> None:
    """Complete the observations of all containers of a run, in the order in which it works.

    ``is_refused``: whether a container has no plan with this observation. It leaves nothing that others could await.
    """
    leaders: dict[str, int] = {}
    for ctid in [ctid for ctid in wanted if ctid in seen]:
        coming = dict(leaders)
        seen[ctid] = recall(shelf, seen[ctid], records[ctid], wanted[ctid], coming)
        if coming != leaders and not is_refused(ctid, seen[ctid]):
            leaders = coming


def _deepest(
    shelf: Shelf, wanted: Wanted, folder: str, leaders: Mapping[str, int]
) -> tuple[address.Boundary | None, list[str]]:
    """(the highest boundary with a layer, or with one to come; why those above it are not used)."""
    notes: list[str] = []
    for place in reversed(address.boundaries(wanted)):
        layer, why = shelf.find(place, folder, wanted.desired.template)
        if layer is not None or leaders.get(place.address, wanted.ctid) != wanted.ctid:
            return place, notes
        notes += [why] if why else []
    return None, notes


def _leader(
    shelf: Shelf, base: address.Boundary | None, folder: str, wanted: Wanted, leaders: Mapping[str, int]
) -> int:
    """The container that leaves the layer to start from, where that is still to come."""
    if base is None or shelf.find(base, folder, wanted.desired.template)[0] is not None:
        return 0
    return leaders.get(base.address, 0)


def _left_after(shelf: Shelf, wanted: Wanted, folder: str, leaders: dict[str, int]) -> str:
    """The feature after which the container leaves a layer: the last that one may have. Empty for none."""
    found = address.boundaries(wanted)
    customizes = states.rank(wanted.target) >= states.rank(states.CUSTOMIZING)
    if not found or not customizes or not address.leaves(wanted):
        return ""
    top = found[-1]
    if shelf.find(top, folder, wanted.desired.template)[0] is not None:
        return ""
    return top.last if leaders.setdefault(top.address, wanted.ctid) == wanted.ctid else ""


def _now() -> int:
    return int(time.time())
