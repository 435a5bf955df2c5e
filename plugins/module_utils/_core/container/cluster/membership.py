# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The container's resource pool, which stands beside its config: a container is in one pool or in none."""

from __future__ import annotations

from dataclasses import dataclass

from ...pve.apicalls import Call, Kind

KEY = "pool"  # of the file and of the record


@dataclass(frozen=True)
class Move:
    """A change of the pool: the call, the pool after it, and why."""

    call: Call
    after: str
    reason: str


def move(ctid: int, asked: str, there: str, applied: object) -> Move | None:
    """What brings a container into the pool that it is to be in, or out of the one that an earlier run put it into.

    Empty texts are no pool.
    """
    if asked:
        if asked == there:
            return None
        params = {"vms": str(ctid), **({"allow-move": 1} if there else {})}
        return Move(_call(ctid, asked, params), asked, f"pool: {there or 'none'} -> {asked} ({KEY})")
    if there and applied == there:
        params = {"vms": str(ctid), "delete": 1}
        reason = f"pool: an earlier run put it into {there}, and the configuration no longer does"
        return Move(_call(ctid, there, params), "", reason)
    return None


def _call(ctid: int, pool: str, params: dict[str, object]) -> Call:
    return Call("PUT", f"/pools/{pool}", params, kind=Kind.POOL, ctid=ctid)


def parse_pools(text: str) -> dict[str, frozenset[int]]:
    """Pool -> the ids of its guests (``pool:NAME:COMMENT:GUESTS:STORAGES:``)."""
    found = {}
    for line in text.splitlines():
        fields = line.strip().split(":")
        if fields[0] == "pool" and len(fields) > 3 and fields[1]:
            found[fields[1]] = frozenset(int(each) for each in fields[3].replace(";", ",").split(",") if each.isdigit())
    return found


def pool_of(pools: dict[str, frozenset[int]], ctid: int) -> str:
    """The pool that has a guest, or an empty text."""
    return next((name for name, guests in sorted(pools.items()) if ctid in guests), "")
