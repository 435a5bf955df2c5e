# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run waits for its tasks, where nobody has set it.

Ansible runs each task in a process, and looks for results after each pause of a fixed length. A thousand looks a
second, its default, take a twentieth of a processor; fewer let each task wait. The process of a task ends right after
its result, so the pause can end with it. Ansible reads the length from its constants each time, and that is where a
pause waits for the end of a process. What that doesn't show is found by pauses that grow with the time without news.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from types import ModuleType

from ansible import constants

SETTING = "DEFAULT_INTERNAL_POLL_INTERVAL"
INTERVAL = 0.01
"""Seconds, for whatever else pauses by this constant, such as a question to the user."""
SHORTEST = 0.001
LONGEST = 0.2
SHARE = 0.1
"""How much longer a wait gets at most."""


class Pauses:
    """The pauses of the process that it is created in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._process = os.getpid()
        self._clock = clock
        self._running: set[int] = set()
        self._news = clock()

    def seconds(self) -> float:
        """Wait for the end of a task's process, not for long, and return how many seconds to pause after that."""
        if os.getpid() != self._process or threading.current_thread() is not threading.main_thread():
            return INTERVAL
        running = {child.sentinel for child in multiprocessing.active_children()}
        if running != self._running:
            self._running, self._news = running, self._clock()
        limit = min(max((self._clock() - self._news) * SHARE, SHORTEST), LONGEST)
        if not running:
            return limit
        # Without news it has waited long enough. After some, the thread that takes the result in needs a moment.
        return SHORTEST if wait(running, limit) else 0.0


def relax() -> None:
    """Let this process wait so, unless a configuration has an interval."""
    if constants.config.get_config_value_and_origin(SETTING)[1] != "default" or hasattr(type(constants), SETTING):
        return
    pauses = Pauses()
    constants.__class__ = type("Constants", (ModuleType,), {SETTING: property(lambda _module: pauses.seconds())})
