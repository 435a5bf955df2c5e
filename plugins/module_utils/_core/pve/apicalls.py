# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes of the control plane as data: what a plan for users, storages or the firewall consists of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """One write. ``secret`` names the parameters whose values nobody may read."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    secret: tuple[str, ...] = ()

    def text(self) -> str:
        """The call as a diff or a result shows it."""
        shown = (f"{key}={'***' if key in self.secret else show(value)}" for key, value in sorted(self.params.items()))
        return " ".join([self.method, self.path, *shown])


@dataclass
class Calls:
    """A plan: the calls in order, and what was found and can't or must not be changed."""

    calls: list[Call] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, method: str, path: str, params: Mapping[str, Any], secret: Iterable[str] = ()) -> None:
        """One more call."""
        self.calls.append(Call(method, path, dict(params), tuple(secret)))

    def diff(self) -> dict[str, str]:
        """For Ansible's --diff: the calls, in order."""
        return {"prepared": "".join(f"{call.text()}\n" for call in self.calls)}


def show(value: Any) -> str:
    """A parameter as PVE takes it: booleans are 0 and 1."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def words(value: Any) -> list[str]:
    """A list of PVE, which comes as text with commas, as a JSON list or not at all, sorted."""
    if value is None:
        return []
    items = value.replace(";", ",").replace(" ", ",").split(",") if isinstance(value, str) else value
    return sorted({str(item).strip() for item in items} - {""})
