# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which roles a node's file needs: each role declares its keys, and this compares them with the keys of the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import KnownError

# Files of the collection on a node, by the section that they are written for. They show what earlier runs have set.
TRACES = {
    "nfs": "/etc/exports.d/phoenix.exports",
    "samba": "/etc/samba/phoenix.conf",
    "ntp": "/etc/chrony/sources.d/phoenix.sources",
    "sysctl": "/etc/sysctl.d/90-phoenix.conf",
}


class HostRoleError(KnownError, ValueError):
    """A role's declaration is faulty; the text says how."""


@dataclass(frozen=True)
class HostRole:
    """A role for a node, as its `meta/phoenix_host.yml` declares it."""

    name: str
    keys: tuple[str, ...]
    """The keys of `hypervisor_config.json` that it reads."""
    undone: tuple[str, ...] = ()
    """Those of them whose entries are undone when they leave the file."""
    switches: tuple[tuple[str, str], ...] = ()
    """(key, its own key that switches it off when it is false)."""

    def is_due(self, config: Mapping[str, Any]) -> bool:
        """Return whether a file has a key of this role. An absent key is not managed."""
        off = {key for key, switch in self.switches if _is_off(config.get(key), switch)}
        return any(key in config and key not in off for key in self.keys)


def _is_off(section: Any, switch: str) -> bool:
    return isinstance(section, Mapping) and not section.get(switch, True)


def parse(name: str, declared: Any) -> HostRole:
    """Return what a role declares. Raises HostRoleError."""
    given = declared if isinstance(declared, Mapping) else {}
    unknown = sorted(set(map(str, given)) - {"keys", "undone", "switches"})
    if unknown:
        raise HostRoleError(f'role {name}: got the unknown key "{unknown[0]}", expected keys, undone or switches')
    keys, undone = (_texts(name, key, given.get(key, [])) for key in ("keys", "undone"))
    switches = given.get("switches", {})
    if not isinstance(switches, Mapping):
        raise HostRoleError(f'role {name}: switches: got "{switches}", expected a mapping of keys')
    foreign = sorted({*undone, *map(str, switches)} - set(keys))
    if not keys or foreign:
        raise HostRoleError(
            f"role {name}: keys: got {list(keys)}, expected a list with {foreign or 'at least one key'}"
        )
    return HostRole(name, keys, undone, tuple((str(key), str(value)) for key, value in switches.items()))


def _texts(name: str, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise HostRoleError(f'role {name}: {key}: got "{value}", expected a list of names')
    return tuple(value)


def due(roles: Iterable[HostRole], config: Mapping[str, Any]) -> list[str]:
    """Return the names of the roles that a node's file needs."""
    return [role.name for role in roles if role.is_due(config)]


def of_sections(roles: Iterable[HostRole]) -> dict[str, str]:
    """Return the role of each section that is undone when it leaves the file. Its name is the role's tag too."""
    return {section: role.name for role in roles for section in role.undone}
