# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one plan is made from, and what follows from that, each worked out once and handed on."""

from __future__ import annotations

import functools

from ...pve.conffile import ConfFile
from ..config.compare import Comparison
from ..model import Observation, Record, Wanted
from ..origin import clones, creation, restores


class Basis:
    """Desired, observed and recorded state of one container. What is asked of it is worked out at the first time."""

    def __init__(self, wanted: Wanted, seen: Observation, record: Record) -> None:
        self.wanted, self.seen, self.record = wanted, seen, record

    @functools.cached_property
    def compared(self) -> Comparison:
        """The container that exists, compared with what is wanted."""
        return Comparison(self.wanted, self.seen.conf, self.record, self.seen.running)

    @functools.cached_property
    def source(self) -> clones.CloneSource | None:
        """The clone source; None where the container has none, and where it is not to be found."""
        return clones.find_source(self.wanted, self.seen)

    @functools.cached_property
    def created(self) -> Comparison:
        """The container that a create, a clone or a restore makes, compared with what is wanted."""
        head, raw = clones.copied(self.wanted, self.source) if self.source else (None, ())
        made = restores.restored(self.wanted, self.seen.backup)
        made = made or ConfFile(head=creation.created_config(self.wanted, head), raw=raw)
        return Comparison(self.wanted, made, Record(origin=creation.origin(self.wanted)))
