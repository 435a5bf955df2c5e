# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting: a deadline, the pauses between looks, and what is looked for. Nothing else of this layer sleeps.

Times are in seconds of the kernel's monotonic clock, which nobody sets.
"""

from __future__ import annotations

import fcntl
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Optional, TypeVar

T = TypeVar("T")


class Clock:
    """The clock of this machine. Tests have one that only pauses move."""

    def now(self) -> float:
        """Seconds since an unknown moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        time.sleep(seconds)


CLOCK = Clock()


def never() -> bool:
    """Grant no time after the deadline."""
    return False


class Deadline:
    """A moment so many seconds from now, never without a number. `more` can grant more time when it has passed."""

    def __init__(self, seconds: float = math.inf, more: Callable[[], bool] = never, clock: Clock = CLOCK) -> None:
        self._until = clock.now() + seconds
        self._more = more
        self._clock = clock

    def left(self) -> float:
        """Seconds until the deadline, negative after it."""
        return self._until - self._clock.now()

    def passed(self, pause: float = 0.0) -> bool:
        """Whether the time is up, or will be after a pause, and nothing grants more."""
        return self.left() < pause and not self._more()

    def sleep(self, seconds: float) -> None:
        """Pause."""
        self._clock.sleep(seconds)


def pauses(first: float = 0.05, most: float = 1.0) -> Iterator[float]:
    """Seconds to pause between looks: a tenth of what has been waited, so that this is the most that is lost."""
    waited = 0.0
    while True:
        pause = min(max(first, waited / 10), most)
        waited += pause
        yield pause


def looks(deadline: Deadline, between: Optional[Iterable[float]] = None) -> Iterator[None]:
    """Yield whenever it is time to look, at least once; end after the deadline or the last pause.

    A loop over it returns when it has seen what it waits for. What follows the loop reports that the time is up.
    """
    for pause in pauses() if between is None else between:
        yield
        if deadline.passed():
            return
        deadline.sleep(pause)
    yield


def until(done: Callable[[], bool], deadline: Deadline, between: Optional[Iterable[float]] = None) -> bool:
    """Look until something is done. Returns whether it is."""
    return any(done() for _look in looks(deadline, between))


def retry(
    act: Callable[[], T],
    again: Callable[[Exception], bool],
    deadline: Deadline,
    between: Optional[Iterable[float]] = None,
) -> T:
    """Call until it succeeds. An error is raised unless `again` accepts it, and time and pauses are left."""
    for pause in pauses() if between is None else between:
        try:
            return act()
        except Exception as error:
            if not again(error) or deadline.passed(pause):
                raise
        deadline.sleep(pause)
    return act()


def try_lock(handle: int) -> bool:
    """Lock an open file unless another process has it locked. Returns whether it is locked now."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
