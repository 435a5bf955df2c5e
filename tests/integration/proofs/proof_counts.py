# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much the proofs try, and how much they did."""

from __future__ import annotations

import collections
import os
import zlib

from transports import TOKEN

COUNTS: collections.Counter[str] = collections.Counter()
"""What was tried, summed over the versions of PVE."""

LONG = os.environ.get("PHOENIX_PROOFS", "") == "long"
"""The full form, `make test-long`."""


ROUND = 500
"""Hypothesis keeps what it drew for each example of a test, some 100 KB of it: longer tests run in rounds."""


def number(name: str, short: int, full: int) -> int:
    """How many cases: PHOENIX_PROOF_<NAME>, else by the form."""
    return int(os.environ.get(f"PHOENIX_PROOF_{name}") or (full if LONG else short))


def is_tried(transport: str, *drawn: object) -> bool:
    """Whether a transport tries this example: by token, where a look is many calls, every eighth that is drawn."""
    return transport != TOKEN or zlib.crc32(repr(drawn).encode()) % 8 == 0


def rounds(cases: int) -> tuple[range, int]:
    """The rounds of so many cases, and how many each has."""
    count = max(1, -(-cases // ROUND))
    return range(count), -(-cases // count)
