# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the planner refuses: each refusal says what is there, why it stops, and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from . import clones, compare, properties, states
from .model import Observation, Record, Wanted


def refusal(wanted: Wanted, seen: Observation, record: Record) -> str | None:
    """The reason to refuse any step, or None."""
    if seen.elsewhere:
        return f"CTID {wanted.ctid} is taken by {seen.elsewhere}; choose another CTID or move that guest away"
    if wanted.target == states.ABSENT:
        return _destroy(wanted, seen, record)
    if not seen.exists:
        return _create(wanted, seen)
    ours = record.ours or bool(seen.creating)
    if not ours and wanted.adopt not in ("record", "reapply"):
        return describe_foreign(wanted, seen, record)
    if seen.lock == "create" and not seen.creating:
        return f"container {wanted.ctid} is being created by somebody else (lock: create); wait for it, then run again"
    if seen.creating == "failed":
        return _create(wanted, seen)  # what a dead creation of ours left is removed first, so it needn't fit
    config = seen.conf.merged()
    return (
        compare.fixed_error(wanted, config)
        or compare.disk_growth(wanted, config)[1]
        or _protected(wanted, seen, record, config)
    )


def _protected(wanted: Wanted, seen: Observation, record: Record, config: Mapping[str, str]) -> str | None:
    """PVE changes no drive of a protected container, and says so only when it is asked to."""
    if config.get("protection") != "1" or states.rank(wanted.target) < states.rank(states.CONFIGURED):
        return None
    changes = compare.config_changes(wanted, config, record, seen.running)
    drives = sorted(key for key in (*changes.set, *changes.delete) if key.rstrip("0123456789") in ("mp", "rootfs"))
    if not drives:
        return None
    return (
        f"container {wanted.ctid} is protected, so PVE changes none of its drives ({', '.join(drives)}); remove the "
        f"protection first (pct set {wanted.ctid} --protection 0)"
    )


def describe_foreign(wanted: Wanted, seen: Observation, record: Record) -> str:
    """Names a container that exists under our CTID without our record of creating or adopting it."""
    head = seen.conf.head
    state = "running" if seen.running else "stopped"
    memory = f"{head.get('memory', '?')} MiB, {head.get('cores', 'all')} cores, rootfs {head.get('rootfs', '?')}"
    old = (
        f" An old state file says {record.word!r}, without a ledger that would tell which features."
        if record.word
        else ""
    )
    return (
        f"container {wanted.ctid} exists ({head.get('hostname', 'no name')}, {state}, {memory}) and was not created or "
        f"adopted by this collection, so it is left alone.{old} To take it over set phoenix_adopt for it: 'record' "
        "believes that the listed features are there, 'reapply' runs them"
    )


def _create(wanted: Wanted, seen: Observation) -> str | None:
    if states.rank(wanted.target) < states.rank(states.CREATED):
        return None
    if clones.source_ctid(wanted) is not None:
        return clones.refusal(wanted, seen, clones.find_source(wanted, seen))
    if wanted.config.get("template"):
        return None
    return (
        f"container {wanted.ctid} doesn't exist, and its configuration has neither 'template' nor "
        "'clone_from_ctid'; add one of them"
    )


def _destroy(wanted: Wanted, seen: Observation, record: Record) -> str | None:
    if not seen.exists:
        return None
    if not wanted.destroy_confirmed:
        return (
            f"destroying container {wanted.ctid} ({seen.conf.head.get('hostname', 'no name')}) with the volumes "
            f"{', '.join(volumes(seen.conf.head)) or 'none'} needs the confirmation: the exact list of all CTIDs"
        )
    if not record.ours and not seen.creating:
        return f"{describe_foreign(wanted, seen, record)}. Only then may it be destroyed from here"
    if seen.conf.head.get("protection") == "1":
        return (
            f"container {wanted.ctid} is protected; remove the protection first (pct set {wanted.ctid} --protection 0)"
        )
    return None


def volumes(config: Mapping[str, str]) -> list[str]:
    """The volumes that PVE destroys with the container; bind and device mounts stay."""
    result = []
    for key in sorted(config):
        if key == "rootfs" or key.rstrip("0123456789") in ("mp", "unused"):
            volume = properties.parse(config[key], "volume").get("volume", "")
            if volume and not volume.startswith("/"):
                result.append(volume)
    return result
