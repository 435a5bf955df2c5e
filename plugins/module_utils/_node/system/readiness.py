# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a service of systemd answers over HTTP, or will not do so by itself."""

from __future__ import annotations

import http.client
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from ..waiting import Deadline, looks

HEALTHY = "healthy"
LOADING = "loading"
FAILED = "failed"

# Seconds that one answer may take.
ANSWER = 5.0


@dataclass(frozen=True)
class Unit:
    """A unit as systemd shows it: how often it was started again by itself, and whether systemd has given it up."""

    restarts: int = 0
    given_up: bool = False


def answers(url: str) -> bool:
    """Return whether a GET of the address succeeds. No proxy is asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER):
            return True
    except (OSError, http.client.HTTPException):
        return False


def unit(name: str) -> Unit:
    """Return what systemd shows of a unit. Raises OSError where there is no systemd."""
    command = ["systemctl", "show", "--property=NRestarts", "--property=ActiveState", name]
    text = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=30).stdout.decode("utf-8", "replace")
    shown = dict(line.partition("=")[::2] for line in text.splitlines())
    return Unit(int(shown.get("NRestarts") or 0), shown.get("ActiveState") == "failed")


def wait(ready: Callable[[], bool], look: Callable[[], Unit], restarts: int, deadline: Deadline) -> tuple[str, Unit]:
    """Return the state, and the unit as it was seen last.

    The service has failed when systemd has given it up, or has started it again as often as ``restarts``.
    """
    seen = Unit()
    for _look in looks(deadline):
        if ready():
            return HEALTHY, seen
        seen = look()
        if seen.given_up or seen.restarts >= restarts:
            return FAILED, seen
    return LOADING, seen
