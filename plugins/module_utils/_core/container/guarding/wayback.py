# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back of a guarded change: the rollback to its snapshot, and what a run finds that comes after one.

A change is never made again under a snapshot to which the container was rolled back: the health check after it would
then prove another state than the one that a further rollback brings. The snapshot goes first, and a new one is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...pve.apicalls import Kind
from ...pve.conffile import ConfFile
from .. import states
from ..known import instance
from ..model import RESTART, Entry, Observation, Record, Step, Wanted, on_container
from . import guard, saved

KIND = "rollback"
# What PVE keeps of the current config, and what a snapshot's section has beside the config.
_KEPT = ("description", "unused")
_ABOUT = ("snaptime", "snapstate", "description")


def is_due(seen: Observation, record: Record) -> bool:
    """Whether a rollback was begun, and nothing says that it has ended."""
    return guard.stage(record) == guard.BACK and guard.has_state(seen, record)


def step(wanted: Wanted, record: Record, seen: Observation) -> Step:
    """The step back. The record goes back with the container."""
    known = remembered(record)
    begin = Entry("node", "record", {"guarding": guard.BACK})
    if saved.is_means(record):
        return _restore(wanted, record, seen, begin)
    back = on_container(Kind.ROLLBACK, wanted.node, wanted.ctid, {"start": 1}, guard.SNAPSHOT)
    word = Entry("node", "state", {"word": known.word})
    restored = Entry("node", "record", {**values_of(known), "guarding": guard.RESTORED})
    drop = on_container(Kind.SNAPSHOT_DELETE, wanted.node, wanted.ctid, snapshot=guard.SNAPSHOT)
    done = Entry("node", "record", {"guarding": None})
    return Step(
        KIND, _reason(record), (begin, back, word, restored, drop, done), disrupts=RESTART, goes_to=states.COMPLETED
    )


def _reason(record: Record) -> str:
    return "the update has failed" if guard.is_update(record) else "guard: rollback; the change has failed"


def _restore(wanted: Wanted, record: Record, seen: Observation, begin: Entry) -> Step:
    """The step back to a backup, which stays until somebody has proved what was restored."""
    known = remembered(record)
    halt = on_container(Kind.SHUTDOWN, wanted.node, wanted.ctid, {"forceStop": 1, "timeout": 60})
    stop = (halt,) if seen.running else ()
    start = on_container(Kind.START, wanted.node, wanted.ctid)
    word = Entry("node", "state", {"word": known.word})
    restored = Entry("node", "record", {**values_of(known), "guarding": guard.RESTORED})
    entries = (begin, *stop, Entry("backup", "restore"), start, word, restored)
    return Step(KIND, f"{_reason(record)}; its backup is restored", entries, disrupts=RESTART, goes_to=known.word)


def remembered(record: Record) -> Record:
    """The record as it was before the change, which is what it says of a container that was rolled back."""
    before = dict(record.guarding or {})
    applied, ledger, volumes = before.get("applied"), before.get("ledger"), before.get("volumes")
    return replace(
        record,
        word=record.word if guard.is_update(record) else states.COMPLETED,
        applied={**(applied if isinstance(applied, dict) else {}), **_kept(record.applied)},
        ledger=ledger if isinstance(ledger, dict) else None,
        raw_boot=None,
        checked_boot=None,
        # A volume that was added since is detached by the rollback, and attached again by the next run.
        volumes={**record.volumes, **volumes} if isinstance(volumes, dict) else record.volumes,
        guarding={**before, "stage": guard.RESTORED},
    )


def _kept(applied: Mapping[str, Any]) -> dict[str, Any]:
    """What of the values last applied is in force after a rollback, too."""
    return {key: value for key, value in applied.items() if key.startswith(_KEPT)}


def values_of(known: Record) -> dict[str, Any]:
    """What a rollback writes into the record."""
    data = known.to_json()
    return {key: data[key] for key in ("applied", "ledger", "volumes", "raw_boot", "checked_boot")}


def after(seen: Observation, record: Record) -> tuple[Observation, Record]:
    """Container and record as the step back leaves them."""
    known = remembered(record)
    if saved.is_means(record):  # the config in the backup is that of before, and is seen once it is restored
        return replace(seen, running=True, boot=None, ledger=known.ledger, ledger_error=None), known
    conf = seen.conf
    head = {key: value for key, value in conf.snapshots[guard.SNAPSHOT].items() if key not in _ABOUT}
    kept = {key: value for key, value in conf.head.items() if key.startswith(_KEPT)}
    others = {name: head for name, head in conf.snapshots.items() if name != guard.SNAPSHOT}
    raw = conf.snapshot_raw.get(guard.SNAPSHOT, ())
    back = ConfFile(
        {**head, **kept},
        raw,
        {},
        others,
        {name: lines for name, lines in conf.snapshot_raw.items() if name in others},
        markers=conf.snapshot_markers.get(guard.SNAPSHOT, ()),
        snapshot_markers={name: lines for name, lines in conf.snapshot_markers.items() if name in others},
    )
    found = replace(seen, conf=back, running=True, boot=None, ledger=known.ledger, ledger_error=None)
    if instance.is_marked(found, record):  # noted after each step
        known = replace(known, instance={**(record.instance or {}), **instance.evidence(back)})
    return found, replace(known, guarding=None)
