# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall of host files of the field: it stands among the shared volumes in some, and its rules have another name.

Put where it is read before the schema judges; its faults have the position in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Deprecation

Moves = Mapping[Pointer, Pointer]
"""Where something is read -> where the file has it."""

FIREWALL = "firewall"
OLD_RULES = "global_firewall_rules"
_KEYS = frozenset(["enabled", "default_input_policy", "default_output_policy", "rules", OLD_RULES])


def lifted(document: Any) -> tuple[Any, Moves]:
    """The document with the firewall and its rules in their places. Existing ones are left as they are."""
    if not isinstance(document, Mapping):
        return document, {}
    result = dict(document)
    moves: dict[Pointer, Pointer] = {}
    given = result.get("shared_volumes")
    volumes: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    there = volumes.get(FIREWALL)
    if isinstance(there, Mapping) and "host_path" not in there and _KEYS & set(there) and not result.get(FIREWALL):
        result[FIREWALL] = there
        result["shared_volumes"] = {name: item for name, item in volumes.items() if name != FIREWALL}
        moves[(FIREWALL,)] = ("shared_volumes", FIREWALL)
    firewall = result.get(FIREWALL)
    if isinstance(firewall, Mapping) and OLD_RULES in firewall and not firewall.get("rules"):
        rest = {key: item for key, item in firewall.items() if key not in (OLD_RULES, "rules")}
        result[FIREWALL] = {**rest, "rules": firewall[OLD_RULES]}
        moves[(FIREWALL, "rules")] = (*moves.get((FIREWALL,), (FIREWALL,)), OLD_RULES)
    return result, moves


def as_written(path: Pointer, moves: Moves) -> Pointer:
    """Where the file has what is read at a path."""
    for length in range(len(path), 0, -1):
        if path[:length] in moves:
            return (*moves[path[:length]], *path[length:])
    return path


def deprecations(moves: Moves) -> list[Deprecation]:
    """The places that the file should have."""
    return [Deprecation(old, ".".join(map(str, old)), ".".join(map(str, new))) for new, old in moves.items()]
