# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A measured figure and its limit."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.costs import Cost


@dataclass(frozen=True)
class Figure:
    """What was measured, its value, and the value that is promised."""

    what: str
    value: float
    limit: float
    unit: str = ''
    at_least: bool = False
    """Whether the limit is the smallest value that is good, not the largest."""
    details: str = ''
    costs: dict[str, Cost] = field(default_factory=dict)
    """What the value was made from, by name."""

    @property
    def reached(self) -> bool:
        """Whether the value keeps the promise."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def share(self) -> float:
        """The value as a share of its limit: at most 1 when the promise is kept."""
        return self.limit / self.value if self.at_least else self.value / self.limit

    def __str__(self) -> str:
        verdict = 'ok  ' if self.reached else 'MISS'
        word = 'at least' if self.at_least else 'at most'
        details = f' ({self.details})' if self.details else ''
        return f'{verdict} {self.what}: {self.value:.2f}{self.unit}, {word} {self.limit:g}{self.unit}{details}'


def seconds(act: Callable[[], object], times: int = 1) -> float:
    """The median wall time of so many calls."""
    taken = []
    for _turn in range(times):
        started = time.monotonic()
        act()
        taken.append(time.monotonic() - started)
    return statistics.median(taken)


def against(what: str, costs: dict[str, Cost], limit: float, cpu_limit: float | None = None) -> list[Figure]:
    """The first of two costs against the second one, in wall time and in CPU time."""
    ours, theirs = costs.values()
    details = '; '.join(f'{name} {cost}' for name, cost in costs.items())
    return [
        Figure(f'{what}, wall', ours.wall / theirs.wall, limit, ' times', details=details, costs=costs),
        Figure(f'{what}, CPU', ours.cpu / theirs.cpu, cpu_limit or limit, ' times', costs=costs),
    ]
