# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a step writes into a container's record: its values, completed with what only the node and the run know."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ...._core.container import recordvalues
from ...._core.container.config import mounts
from ...._core.container.config.compare import RAW
from ...._core.container.known import instance
from ...._core.container.model import Entry
from ...._core.container.origin import clones
from ...._core.pve.apicalls import Kind
from ...._core.pve.conffile import ConfFile


def values(
    planned: Mapping[str, Any],
    run: str,
    known: Mapping[str, Any],
    conf: ConfFile,
    last_rollback: str = "",
    source_ledger: Mapping[str, Any] | None = None,
    written: Collection[str] = (),
) -> dict[str, Any]:
    """The values to write, from those of the plan. ``known`` is the record so far, ``conf`` the config of now.

    ``written`` are the keys that the step itself writes (see `written_keys`).

    ``last_rollback`` is the newest rollback of the container before a guarded change of it opens, ``source_ledger``
    what is applied in the source that it was cloned from, or in the backup.
    """
    result = dict(planned)
    mark = {"run": run, "at": int(time.time())}
    if isinstance(result.get("applied"), Mapping):
        result["set_by"] = _set_by(result["applied"], known, written, mark) or None
    if result.get("volumes"):
        result["volumes"] = mounts.completed(result["volumes"], conf)
    if result.get("ledger") == clones.OF_SOURCE:
        result["ledger"] = source_ledger
    if result.get("fresh"):
        result["fresh"] = run
    if result.get("creating"):
        result["creating"] = mark
    if result.get("forced"):
        result["forced"] = run
    if result.get("recreating"):
        result["recreating"] = {**mark, "stage": result["recreating"]}
    if result.get("guarding"):
        asked = result["guarding"]
        more = asked if isinstance(asked, Mapping) else {"stage": asked}
        result["guarding"] = {**_guarded(known, mark, last_rollback), **more}
    if result.get("instance") == instance.NEW:
        result["instance"] = {"id": str(uuid.uuid4()), "at": mark["at"]}
    elif result.get("instance") == instance.SEEN:
        result["instance"] = recognized(known, conf)
    return result


def written_keys(entries: Iterable[Entry]) -> frozenset[str]:
    """The options, and the key of the raw lines, that the entries of a step write into the container's config."""
    keys: set[str] = set()
    for entry in entries:
        if entry.call is not None and entry.call.kind is Kind.CONFIG:
            keys |= {*entry.params} - {"delete", "revert"}
        elif entry.op == "conf" and entry.what != "mark":
            keys.add(RAW)
    return frozenset(keys)


def _set_by(
    applied: Mapping[str, Any], known: Mapping[str, Any], written: Collection[str], mark: Mapping[str, Any]
) -> dict[str, Any]:
    """For each value which run set it last, and when: this one what it writes, and what had another value before."""
    before, stamps = recordvalues.mapping(known.get("applied")) or {}, recordvalues.stamps(known.get("set_by"))
    same = {key for key, value in applied.items() if key in before and before[key] == value and key not in written}
    return {key: stamps[key] if key in same else dict(mark) for key in applied if key not in same or key in stamps}


def stage_of(guarding: Any) -> Any:
    """The stage in what a step writes of a guarded change."""
    return guarding.get("stage") if isinstance(guarding, Mapping) else guarding


def recognized(known: Mapping[str, Any], conf: ConfFile) -> dict[str, Any]:
    """What a container is recognized by from now on: its instance id on record, and what its config has."""
    before = known.get("instance")
    ident = before.get("id") if isinstance(before, Mapping) else None
    return {"id": ident, "at": int(time.time()), **instance.evidence(conf)}


def _guarded(known: Mapping[str, Any], mark: Mapping[str, Any], last_rollback: str) -> dict[str, Any]:
    """What a guarded change that fails restores of the record: from when it was opened on, only its stage changes."""
    opened = known.get("guarding")
    if isinstance(opened, dict):
        return dict(opened)
    before = {name: known.get(name) or {} for name in ("applied", "volumes")}
    return {**mark, **before, "ledger": known.get("ledger"), "last_rollback": last_rollback}
