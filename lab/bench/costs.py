# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a piece of work costs: wall time, and the CPU time of the controller and of the node."""

from __future__ import annotations

import datetime
import itertools
import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Act = Callable[[], object]
NodeSeconds = Callable[[], float]
# Rounds of each comparison; a trial of the bench itself is content with one.
ROUNDS = int(os.environ.get('PHOENIX_BENCH_ROUNDS', '3'))


@dataclass(frozen=True)
class Cost:
    """Seconds of one piece of work, each the median of its rounds."""

    wall: float
    controller: float
    """CPU time of the processes started here, user and system."""
    node: float
    """CPU time of the node with its guests, user and system."""

    @property
    def cpu(self) -> float:
        """CPU time on both sides."""
        return self.controller + self.node

    def __str__(self) -> str:
        return f'{self.wall:.1f} s, CPU {self.controller:.1f} + {self.node:.1f} s'

    def plus(self, other: Cost) -> Cost:
        """What both took."""
        return Cost(self.wall + other.wall, self.controller + other.controller, self.node + other.node)


def _children() -> float:
    """CPU seconds of the processes that this one has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(act: Act, node: NodeSeconds) -> Cost:
    """The cost of one call."""
    wall, controller, guest = time.monotonic(), _children(), node()
    act()
    return Cost(time.monotonic() - wall, _children() - controller, node() - guest)


def alternating(acts: Mapping[str, Act], node: NodeSeconds, rounds: int = ROUNDS) -> dict[str, Cost]:
    """The medians of all acts, which take turns: what slows the machine for a while slows each of them."""
    taken: dict[str, list[Cost]] = {name: [] for name in acts}
    for _round in range(rounds):
        for name, act in acts.items():
            taken[name].append(measured(act, node))
    return {name: median(costs) for name, costs in taken.items()}


def median(costs: list[Cost]) -> Cost:
    """The median of each kind of seconds."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.controller for cost in costs),
        statistics.median(cost.node for cost in costs),
    )


def task_seconds(trail: Path) -> list[float]:
    """The seconds from the end of each task to the end of the next one, for all runs of a trail."""
    lines = [line for file in sorted(trail.glob('*.log')) for line in file.read_text(encoding='utf-8').splitlines()]
    ends: dict[str, list[datetime.datetime]] = {}
    for words in [line.split() for line in lines if 'event="Task ' in line]:
        ends.setdefault(words[2], []).append(datetime.datetime.fromisoformat(words[0]))
    return [(later - sooner).total_seconds() for run in ends.values() for sooner, later in itertools.pairwise(run)]
