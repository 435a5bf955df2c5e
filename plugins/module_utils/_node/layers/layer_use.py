# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container that is created from a layer: what it waits for, and what its node's layers mean for its plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ..._core.container.layers.address import address_of
from ..._core.container.model import Observation, Record, Wanted
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


def with_layers(
    shelf: Shelf, leaders: dict[str, int], uses: bool, wanted: Wanted, seen: Observation, record: Record
) -> Observation:
    """The observation with what the layers of the node mean. ``uses``: the layer is to be kept for a while."""
    found = layer_look.recall(shelf, seen, record, wanted, dict(leaders))
    if found.layering and uses:
        shelf.use(found.layering.volume)
    return found
