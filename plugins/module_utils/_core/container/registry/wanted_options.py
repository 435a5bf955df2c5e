# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The PVE options that a container's configuration asks for, by the registry's rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import table
from .codecs import Config, Needs


@dataclass(frozen=True)
class WantedOption:
    """One PVE option: a plain value, or the sub-options that we set of a property string.

    Sub-options that are not named here are foreign and kept; ``without`` are switches that must be off.
    """

    key: str
    source: str
    text: str | None = None
    parts: Mapping[str, str] | None = None
    without: frozenset[str] = frozenset()

    def remembered(self) -> Any:
        """What the last-applied record keeps of it: not of a volume its name and its size, which are PVE's."""
        if self.source == "volumes" and self.parts is not None:
            return {name: value for name, value in self.parts.items() if name not in ("volume", "size")}
        return dict(self.parts) if self.parts is not None else self.text


def switched(parts: Mapping[str, str], switches: frozenset[str]) -> tuple[dict[str, str], frozenset[str]]:
    """The sub-options to set, and the switches that must be off: for these nothing is written where nothing is on."""
    off = frozenset(name for name, value in parts.items() if name in switches and value == "0")
    return {name: value for name, value in parts.items() if name not in off}, off


def wanted_options(config: Config, needs: Needs) -> dict[str, WantedOption]:
    """Every PVE option that the configuration manages. ``needs`` are the features' demands on ``features``."""
    result = {}
    for row in table.TABLE:
        value = row.codec.to_pve(config, needs) if row.codec else None
        if isinstance(value, dict):
            parts, off = switched(value, row.switches)
            result[row.option] = WantedOption(row.option, row.source, parts=parts, without=off)
        elif value is not None:
            result[row.option] = WantedOption(row.option, row.source, text=value)
    return result
