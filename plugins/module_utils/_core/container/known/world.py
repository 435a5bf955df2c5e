# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container as the steps of its plan change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...pve.fwfile import Firewall
from .. import states
from ..cluster.affinity import Changes
from ..cluster.availability import Managing
from ..config.compare import Comparison
from ..model import Entry, Step


@dataclass
class World:
    """The container as the plan's steps change it, so that later steps see what earlier ones will have done."""

    exists: bool
    running: bool
    template: bool
    compared: Comparison
    config: dict[str, str]
    differs: bool
    features: int
    due: list[dict[str, str]]
    application: str | None
    word: str | None
    target: int
    identity: bool
    assume_installed: bool
    forget_ledger: bool
    unfinished: bool
    firewall: Firewall
    pool: str = ""
    ha: Mapping[str, str] | None = None
    force: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()
    managing: tuple[Managing, Entry] | None = None
    rules: Changes | None = None
    leaves: str = ""
    steps: list[Step] = field(default_factory=list)

    def state(self) -> str:
        """The effective state (DESIGN 4): the furthest one that the observation supports.

        A container that stops on purpose is in its target state, although nothing may be left to do beyond it.
        """
        state = self._supported()
        beyond = states.rank(self.word) > self.target
        return states.STATES[self.target] if 0 <= self.target < states.rank(state) and not beyond else state

    def _supported(self) -> str:
        if not self.exists:
            return states.DEFINED
        if self.differs:
            return states.CREATED
        if self.template:
            return states.COMPLETED
        if not self.running:
            return states.CONFIGURED
        if self.due or self.application or self.unfinished:
            nothing_yet = self.features > 0 and len(self.due) == self.features
            return states.RUNNING if nothing_yet else states.CUSTOMIZING
        return states.COMPLETED

    def add(self, kind: str, reason: str, *entries: Entry, **more: Any) -> None:
        """Append a step; when the container's state changes with it, the step also writes the state word."""
        state = self.state()
        writes = list(entries)
        if state != self.word and not more.get("by_play"):
            writes.append(Entry("node", "state", {"word": state}))
            self.word = state
        self.steps.append(
            Step(kind, reason, tuple(writes), goes_to=states.CUSTOMIZING if more.get("by_play") else state, **more)
        )
