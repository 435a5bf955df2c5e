# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of pools and of PVE's storages: what ZFS and PVE need to make one, and what its kind doesn't have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage.storage_types import (
    ALL,
    SECRETS,
    TYPES,
    StorageType,
    pairs,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer, show
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hoststorage import (
    LEAST_DISKS,
    ROLES,
    device,
    level,
)

CHECKS = check = Checks()


def _finding(subject: Subject, path: Pointer, value: Any, expected: str, remedy: str) -> Finding:
    got = show(path, value, subject.hypervisor_file in subject.hidden)
    return Finding(subject.hypervisor_file, path, got, expected, remedy)


def _storages(subject: Subject) -> Iterator[tuple[Pointer, dict[str, Any], StorageType]]:
    """(where it stands, the storage, its type), those of a known type."""
    given = subject.hypervisor.get("storage")
    for index, item in enumerate(given if isinstance(given, list) else ()):
        kind = item.get("type") if isinstance(item, dict) else None
        if isinstance(kind, str) and kind in TYPES:
            yield ("storage", index), item, TYPES[kind]


@check
def storages_once(subject: Subject) -> Iterator[Finding]:
    """No storage is described twice."""
    seen = set()
    for path, item, _kind in _storages(subject):
        sid = item.get("id")
        if isinstance(sid, str) and sid in seen:
            remedy = "Describe each storage once."
            yield _finding(subject, (*path, "id"), sid, "an ID that no other storage has", remedy)
        if isinstance(sid, str):
            seen.add(sid)


@check
def options_of_the_type(subject: Subject) -> Iterator[Finding]:
    """A storage has no option that its type doesn't have."""
    for path, item, kind in _storages(subject):
        for key in item:
            if key == "id" or kind.has(key):
                continue
            own = ", ".join(sorted({*kind.required, *kind.optional, *ALL} - {"storage", "type"}))
            owners = ", ".join(sorted(name for name, other in TYPES.items() if other.has(key)))
            value = "***" if key in SECRETS else item[key]
            remedy = f"Remove {key}, which {owners or 'no type'} has, or correct the type."
            yield _finding(subject, (*path, key), value, f"an option of {item['type']}: {own}", remedy)


@check
def needed_options(subject: Subject) -> Iterator[Finding]:
    """A storage has what PVE can't make it without."""
    for path, item, kind in _storages(subject):
        for key in kind.required:
            if key not in item:
                remedy = f"Add {key} to the storage."
                yield _finding(subject, path, item.get("id"), f"a storage of type {item['type']} with {key}", remedy)


@check
def kept_backups(subject: Subject) -> Iterator[Finding]:
    """`keep_all` stands alone, and a rule keeps something: PVE refuses the rest."""
    for path, item, _kind in _storages(subject):
        value = item.get("prune_backups")
        if not isinstance(value, (str, dict)):
            continue
        try:
            rule = {name: int(number) for name, number in pairs(value).items()}
        except ValueError:
            continue  # the schema has told
        others = {name for name, number in rule.items() if number and name != "keep-all"}
        if rule.get("keep-all") and others:
            remedy = "Remove keep_all, or the others."
            yield _finding(subject, (*path, "prune_backups"), value, "keep_all or numbers, not both", remedy)
        elif rule and not rule.get("keep-all") and not others:
            remedy = "Use a number above 0, or keep_all."
            yield _finding(subject, (*path, "prune_backups"), value, "a rule that keeps at least one backup", remedy)


@check
def pools_of_enough_disks(subject: Subject) -> Iterator[Finding]:
    """A group has as many disks as its kind needs, and no disk stands twice in a pool: zpool refuses the rest."""
    zfs = subject.hypervisor.get("zfs")
    pools = zfs.get("pools") if isinstance(zfs, dict) else None
    for index, pool in enumerate(pools if isinstance(pools, list) else ()):
        seen: dict[str, str] = {}
        for key, kind, disks in _groups(pool) if isinstance(pool, dict) else ():
            path: Pointer = ("zfs", "pools", index, key)
            least = LEAST_DISKS.get(kind, 1)
            if not disks:
                continue  # the schema says so
            if len(disks) < least or (kind == "mirrors" and len(disks) % 2):
                expected = f"{'pairs of disks' if kind == 'mirrors' else f'at least {least} disks'} for this raid_level"
                yield _finding(subject, path, disks, expected, "Add disks, or choose another raid_level.")
            for disk in disks:
                other = seen.setdefault(device(disk), key)
                if other != key:
                    yield _finding(subject, path, disk, f"a disk that {other} doesn't have", "Remove one of the two.")


def _groups(pool: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """(key, kind, disks) of the groups of a pool."""
    for key in ("disks", *ROLES):
        given = pool.get(key)
        whole = given if isinstance(given, dict) else {"disks": given, "raid_level": "single"}
        kind = pool.get("raid_level", "single") if key == "disks" else whole.get("raid_level", "single")
        disks = whole.get("disks")
        if isinstance(kind, str) and isinstance(disks, list) and all(isinstance(disk, str) for disk in disks):
            yield key, level(kind), disks
