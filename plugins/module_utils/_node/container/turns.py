# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turns at a clone source, and at the processors of the node.

PVE clones a source one clone at a time and refuses the others (PVE facts, 'Locks'). The processes of this node that
clone the same source queue up at a lock of their own, which the kernel frees when its holder dies. Whoever has the turn
looks at the source's config until nobody else's lock is in it: no call of PVE is made only to be refused.

As many containers start at once as the node has processors: with more at a time each of them is late, and the last
ones are not ready in time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable

from ..pve.client import refused
from ..store import lock_file, private_directory
from ..waiting import Deadline, looks, pauses, try_lock

FOLDER = "/run/phoenix_hypervisor"
STARTS = os.cpu_count() or 1
"""Containers that start at once."""
SLOT_WAIT = 300.0
BOOT = 10.0
"""Seconds of a slot after which a container that is not ready only waits for its network."""


def path(folder: str, source: int) -> str:
    """The file at whose lock the clones of a source queue up."""
    return os.path.join(folder, f"{source}.clones")


def await_free(
    busy: Callable[[], str | None],
    call: str,
    timeout: float,
    check_lease: Callable[[], None],
    at_work: Callable[[], bool],
) -> None:
    """Wait until ``busy`` names nothing, with growing pauses; after ``timeout`` seconds only while one works.

    Raises PveError that says what was waited for, and what ``check_lease`` raises.
    """
    what = None
    for _look in looks(Deadline(timeout, at_work), pauses(0.1, 2.0)):
        check_lease()
        what = busy()
        if what is None:
            return
    raise refused(call, 0, f"{what} - waited {timeout:.0f} s")


@contextmanager
def start_slot(
    folder: str, check_lease: Callable[[], None], count: int = STARTS, timeout: float = SLOT_WAIT
) -> Iterator[None]:
    """Have one of ``count`` slots for a start, or none after so many seconds: then it starts without one.

    Raises StoreError, and what ``check_lease`` raises.
    """
    private_directory(folder)
    handles = [lock_file(os.path.join(folder, f"{number}.starts"), os.O_RDWR) for number in range(count)]
    try:
        for _look in looks(Deadline(timeout), pauses(0.1, 1.0)):
            check_lease()
            if any(try_lock(handle) for handle in handles):
                break
        yield
    finally:
        for handle in handles:
            os.close(handle)


@contextmanager
def turn(
    folder: str,
    source: int,
    lock_of: Callable[[int], str | None],
    call: str,
    waits: tuple[float, float],
    check_lease: Callable[[], None],
    at_work: Callable[[], bool],
) -> Iterator[None]:
    """Have the source to oneself for a clone. Raises PveError, StoreError.

    ``lock_of`` reads PVE's lock of a container. ``waits``: seconds for the turn, and for the lock of another task.
    """
    private_directory(folder)
    handle = lock_file(path(folder, source), os.O_RDWR)

    def queue() -> str | None:
        return None if try_lock(handle) else f"another run on this node clones container {source}, and does not get on"

    def lock() -> str | None:
        word = lock_of(source)
        return f"CT is locked ({word}): container {source}, the clone source" if word else None

    try:
        await_free(queue, call, waits[0], check_lease, at_work)
        await_free(lock, call, waits[1], check_lease, at_work)
        yield
    finally:
        os.close(handle)
