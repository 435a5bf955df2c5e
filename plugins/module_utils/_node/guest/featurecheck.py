# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command by which a feature's manifest says how to see that it works, run inside the container from its node."""

from __future__ import annotations

from ..._core import guesttext
from . import bounded, guest

TIMEOUT = 30.0
"""Seconds that a check may take, where the manifest says nothing."""
TAIL = 2000
"""Bytes of a failed check's output in the message."""
LIMIT = 64 * 1024 * 1024
"""Bytes that a check may write before it is ended."""


def check(ctid: int, script: str, seconds: float = TIMEOUT, way: guest.Way = guest.ON_NODE) -> str:
    """Run a feature's check inside a container. Returns why it failed, with its output's end; empty when it didn't.

    It is ended after so many seconds, with all that it started. Its output is read to the end and never kept whole.
    Raises GuestError when it can't be started.
    """
    try:
        done = way.run(ctid, script, seconds, limit=LIMIT, tail=TAIL)
        how, output = f"ended with exit code {done.code}", done.stdout
        if done.code == 0:
            return ""
    except bounded.BoundError as error:
        how, output = error.why, error.output
    text = guesttext.decode(output).strip()
    return f"{how}. " + (f"Its last output:\n{text}" if text else "It wrote nothing.")
