# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container that is created from a layer: what it waits for, and what its node's layers mean for its plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ..._core.container.layers import catalog
from ..._core.container.layers.address import address_of
from ..._core.container.model import Observation, Record, Wanted
from ..container.executor import NoLayers
from . import layer_look
from .leaving import await_layer
from .shelf import Shelf


def await_leader(
    awaited: Mapping[str, Any] | None, shelf: Shelf, dry: bool, works: Callable[[int], bool | None], timeout: float
) -> dict[str, int]:
    """Wait until the layer is there that another container of this run leaves. Returns what check mode counts on.

    ``works``: whether this run works on a container; None while that has not begun.
    """
    if not awaited:
        return {}
    leader, address = int(awaited["ctid"]), address_of(str(awaited["volume"]))
    if dry:
        return {address: leader}
    await_layer(lambda: shelf.has(address), lambda: works(leader), timeout)
    return {}


class Layers(NoLayers):
    """The layers of a node in a run over one container.

    ``leaders``: address -> the container that leaves a layer there before. ``uses``: this run acts. So a layer is to be
    kept for a while, and what a killed run left of the container's own goes.
    """

    def __init__(self, shelf: Shelf, leaders: Mapping[str, int], uses: bool) -> None:
        self._shelf = shelf
        self._leaders = leaders
        self._uses = uses

    def complete(self, wanted: Wanted, seen: Observation, record: Record) -> Observation:
        """Return the observation with what the layers mean for the container."""
        if wanted.layers and self._uses:
            self._shelf.discard(catalog.Settings.from_json(wanted.layers).storage, wanted.ctid)
        found = layer_look.recall(self._shelf, seen, record, wanted, dict(self._leaders))
        if found.layering and self._uses:
            self._shelf.use(found.layering.volume)
        return found

    def fails(self, volume: str) -> None:
        """Plan without a layer from now on, because PVE could not create a container from it."""
        self._shelf.failed.add(address_of(volume))

    def created(self) -> list[str]:
        """Remove the layers that failed, once a container was created without them. Returns warnings."""
        return self._shelf.drop_failed()
