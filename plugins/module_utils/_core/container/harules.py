# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the HA manager as the cluster keeps them in ``/etc/pve/ha/rules.cfg``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..pve.apicalls import words

KEY = "rules"  # below `ha` of the file
RESOURCES = "resources"
# How many resources a rule must have: PVE (PVE/HA/Rules in the public source of pve-ha-manager) refuses to write fewer.
_AT_LEAST = {"resource-affinity": 2}


@dataclass(frozen=True)
class Rule:
    """A rule: its type, and the HA resources that it names."""

    kind: str
    resources: tuple[str, ...]

    @property
    def can_shrink(self) -> bool:
        """Whether PVE writes it with one resource less."""
        return len(self.resources) > _AT_LEAST.get(self.kind, 1)


def parse(text: str) -> dict[str, Rule]:
    """The rules of the cluster (``node-affinity: main`` begins a section, its settings are indented)."""
    found: dict[str, Rule] = {}
    name = ""
    for line in text.splitlines():
        if line[:1].strip() and not line.startswith("#"):
            kind, _colon, name = (each.strip() for each in line.partition(":"))
            found[name] = Rule(kind, ())
        elif line.strip() and name:
            key, _space, value = line.strip().partition(" ")
            if key == RESOURCES:
                found[name] = Rule(found[name].kind, tuple(words(value)))
    return found


def of(rules: Mapping[str, Rule], ctid: int) -> dict[str, Rule]:
    """The rules that name a container."""
    return {name: rule for name, rule in rules.items() if f"ct:{ctid}" in rule.resources}
