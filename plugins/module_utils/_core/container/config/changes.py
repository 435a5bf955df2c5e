# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one write of a container's config changes, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...pve import properties
from ..model import NOTHING


@dataclass(frozen=True)
class Changes:
    """One config write: the options to set, those to delete, and why."""

    set: Mapping[str, str] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    applied: Mapping[str, Any] = field(default_factory=dict)
    disrupts: str = NOTHING
    volumes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.set or self.delete)

    def only(self, keys: Iterable[str], disrupts: str) -> Changes:
        """What of it concerns some options."""
        chosen = set(keys)
        return replace(
            self,
            set={key: value for key, value in self.set.items() if key in chosen},
            delete=tuple(key for key in self.delete if key in chosen),
            reasons={key: reason for key, reason in self.reasons.items() if key in chosen},
            disrupts=disrupts,
        )

    def resized(self, disk: str, size: str) -> Changes:
        """The same with another size of a disk that it sets."""
        parts = {**properties.parse(self.set[disk], "volume"), "size": size}
        return replace(self, set={**self.set, disk: properties.compose(parts, "volume")})

    def params(self) -> dict[str, str]:
        """The parameters of the one PUT that makes them."""
        deletion = {"delete": ",".join(self.delete)} if self.delete else {}
        return {**self.set, **deletion}

    def onto(self, config: Mapping[str, str]) -> dict[str, str]:
        """The config after the write, as far as the planner needs it."""
        result = {key: value for key, value in config.items() if key not in self.delete}
        result.update(self.set)
        return result
