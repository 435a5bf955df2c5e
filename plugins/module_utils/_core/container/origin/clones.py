# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clones: what their source looks like by the time they are made, and the calls that make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...pve import properties
from ...pve.apicalls import Kind
from ...pve.conffile import ConfFile
from ...pve.fwfile import Firewall
from .. import states
from ..applied import ledger
from ..config import growth
from ..config.compare import Comparison, left_waiting
from ..config.growth import disks
from ..model import Entry, Observation, Record, Wanted, on_container
from ..refusal import Code, Refusal
from . import creation, restores

# Storage types whose volumes can be cloned without copying, and those that can take a snapshot of a container's
# volume (PVE facts, 'Clones'; pve-storage's plugins).
LINKABLE = frozenset({"zfspool", "lvmthin", "rbd", "btrfs"})
SNAPSHOTS = frozenset({"zfspool", "lvmthin", "rbd", "btrfs"})

_KEY = "clone_from_ctid"

# How the volumes of templates are called: ZFS's datasets are base volumes of another name.
BASES = ("base-", "basevol-")
OF_SOURCE = "of the source"  # the ledger that the record of a new clone has

# What a snapshot holds of the config: options and raw lines.
Saved = tuple[Mapping[str, str], tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class CloneSource:
    """A clone source: as it is, or, when this run still must finish it, as it will be."""

    ctid: int
    head: Mapping[str, str]
    raw: tuple[tuple[str, str], ...] = ()
    snapshots: frozenset[str] = frozenset()
    running: bool = False
    to_come: bool = False
    ledger: Mapping[str, Any] | None = None
    storages: Mapping[str, str] = field(default_factory=dict)
    firewall: Firewall = field(default_factory=Firewall)
    saved: Mapping[str, Saved] = field(default_factory=dict)

    @property
    def template(self) -> bool:
        """Whether it is a template."""
        return self.head.get("template") == "1"

    def volumes_on(self, kinds: frozenset[str]) -> bool:
        """Whether all of its volumes lie on storages of these types."""
        names = self._volumes()
        return bool(names) and all(self.storages.get(name.partition(":")[0]) in kinds for name in names)

    def _volumes(self) -> list[str]:
        return [properties.parse(self.head[key], "volume").get("volume", "") for key in disks(self.head)]

    @property
    def linkable(self) -> bool:
        """Whether PVE clones it without copying: a template whose volumes were all there when it became one."""
        bases = [name.partition(":")[2].rpartition("/")[2].startswith(BASES) for name in self._volumes()]
        # None of them is a base yet where the conversion is still to come.
        return self.template and self.volumes_on(LINKABLE) and (all(bases) or not any(bases))


def source_ctid(wanted: Wanted) -> int | None:
    """The CTID that the container is cloned from, or None."""
    return wanted.desired.clone_from


def find_source(wanted: Wanted, seen: Observation) -> CloneSource | None:
    """The clone source: on the node, or still to be made by this run (``wanted.source``). None when there is none."""
    ctid = source_ctid(wanted)
    if ctid is None:
        return None
    if seen.source is not None and (wanted.source is None or _stays(wanted.source)):
        return CloneSource(
            ctid,
            seen.source.head,
            seen.source.raw,
            frozenset(seen.source.snapshots),
            running=seen.source_running,
            ledger=seen.source_ledger,
            storages=seen.storages,
            firewall=seen.source_firewall,
            saved=_saved(seen.source),
        )
    if wanted.source is None:
        return None
    return _predict(wanted.source, seen)


def _stays(source: Wanted) -> bool:
    """Whether this run changes nothing of an existing source: its target state is below the configuration."""
    return states.rank(source.target) < states.rank(states.CONFIGURED) and not source.recreate


def _saved(conf: ConfFile) -> dict[str, Saved]:
    return {name: (head, conf.snapshot_raw.get(name, ())) for name, head in conf.snapshots.items()}


def _predict(wanted: Wanted, seen: Observation) -> CloneSource:
    """What a source will be once this run has finished it: its own plan, on paper."""
    there = None if wanted.recreate else seen.source
    above = find_source(wanted, seen.above or Observation(0, storages=seen.storages))
    if there is not None:
        record, conf = Record(applied=seen.source_applied, volumes=seen.source_volumes), there
    else:
        from_above, raw_above = copied(wanted, above) if above else (None, ())
        record = Record(origin=creation.origin(wanted))
        again = restores.restored(wanted, seen.above.backup if seen.above else None)
        conf = again or ConfFile(head=creation.created_config(wanted, from_above), raw=raw_above)
    filtered = seen.source_firewall if there is not None or above is None else above.firewall
    live = there is not None and seen.source_running
    compared = Comparison(wanted, conf, record, live)
    changes, conf = compared.changes, compared.after.conf
    filtering = compared.firewall(filtered)
    changed = dict(changes.onto(conf.merged()))
    # The disks that the write attaches grow as well.
    written = Comparison(wanted, ConfFile(head=dict(changed)), record, live)
    for disk, size in growth.disk_growth(written)[0].items():
        grown = {**properties.parse(changed[disk], "volume"), "size": size}
        changed[disk] = properties.compose(grown, "volume")
    add, remove = compared.lines
    if there is not None and live and not _restarts(wanted):
        # It runs on with the old values, and those are what PVE copies.
        for key in left_waiting(changes, conf):
            changed.pop(key, None)
            changed.update({key: there.head[key]} if key in there.head else {})
    complete = states.rank(wanted.target) >= states.rank(states.COMPLETED)
    if wanted.desired.is_template and complete:
        changed["template"] = "1"
    snapshot = wanted.desired.snapshot
    customized = states.rank(wanted.target) >= states.rank(states.CUSTOMIZING)
    customized = customized and (there is None or there.head.get("template") != "1")  # nobody works in a template
    applied = wanted.features if customized else ()
    entries = {f.name: {"status": ledger.APPLIED, "digest": f.digest} for f in applied}
    under = (above.ledger if above else None) or {}
    own = seen.source_ledger if there is not None else None
    features = {**under.get("features", {}), **(own or {}).get("features", {}), **entries}
    running = states.rank(wanted.target) >= states.rank(states.RUNNING) or (there is not None and seen.source_running)
    kept = frozenset(there.snapshots) if there is not None else frozenset()
    return CloneSource(
        wanted.ctid,
        changed,
        (*(line for line in conf.raw if line not in remove), *add),
        kept | ({str(snapshot)} if snapshot and complete else set()),
        running=running and changed.get("template") != "1",
        to_come=True,
        ledger={**ledger.empty(), "features": features},
        storages=seen.storages,
        firewall=filtering.after,
        saved=_saved(there) if there is not None else {},
    )


def _restarts(wanted: Wanted) -> bool:
    """Whether a running source takes on what waits for a restart before it is cloned."""
    if states.rank(wanted.target) < states.rank(states.RUNNING):
        return False
    becomes_template = wanted.desired.is_template and states.rank(wanted.target) >= states.rank(states.COMPLETED)
    return bool(becomes_template) or wanted.desired.restarts


def copied(wanted: Wanted, source: CloneSource) -> Saved:
    """The config that a clone is made from: that of the snapshot that it is cloned from, else the source's own."""
    snapshot = snapshot_of(wanted, source)
    own = (source.head, source.raw)
    return own if snapshot in (None, temporary(wanted.ctid)) else source.saved.get(str(snapshot), own)


def snapshot_of(wanted: Wanted, source: CloneSource) -> str | None:
    """The snapshot to clone from: the source's named one, else a temporary one when it runs; None for neither."""
    named = wanted.clone_snapshot
    if named and named in source.snapshots:
        return named
    return temporary(wanted.ctid) if source.running else None


def temporary(ctid: int) -> str:
    """The name of the snapshot that a clone of a running source needs while it is made."""
    return f"phoenix-{ctid}"


def clone_entries(wanted: Wanted, source: CloneSource, name: str) -> tuple[Entry, ...]:
    """The calls that make the clone, a temporary snapshot around them where the source runs."""
    snapshot = snapshot_of(wanted, source)
    params: dict[str, Any] = {"newid": wanted.ctid, "hostname": name}
    linked = source.linkable and not wanted.desired.pool
    params["full"] = int(not linked)
    if wanted.desired.pool and not linked:
        params["storage"] = wanted.desired.pool
    if wanted.desired.resource_pool:
        params["pool"] = wanted.desired.resource_pool
    if snapshot:
        params["snapname"] = snapshot
    clone = on_container(Kind.CLONE, wanted.node, source.ctid, params)
    if snapshot != temporary(wanted.ctid):
        return (clone,)
    drop = on_container(Kind.SNAPSHOT_DELETE, wanted.node, source.ctid, snapshot=str(snapshot))
    take = on_container(Kind.SNAPSHOT, wanted.node, source.ctid, {"snapname": snapshot})
    # One that a run left which was cut off shows an older state of the source.
    left = (drop,) if snapshot in source.snapshots else ()
    return (*left, take, clone, drop)


def refusal(wanted: Wanted, seen: Observation, source: CloneSource | None, created: Comparison) -> Refusal | None:
    """Why the clone can't be made, with what helps, or None. ``created`` is what the clone leaves."""
    ctid = source_ctid(wanted)
    limit = f"--limit lineage_{wanted.ctid}"
    if seen.source_replaced and wanted.source is None:
        got = f"container {ctid} is not the container that this collection manages under that CTID: "
        got += seen.source_replaced
        remedy = "Clone from another, or take it over first (phoenix_adopt)"
        return Refusal(Code.SOURCE_REPLACED, got, remedy, _KEY, joint=". ")
    if source is None:
        got = f"container {ctid} is not on node {wanted.node} and not in this run"
        return Refusal(Code.SOURCE_MISSING, got, f"include it ({limit}) or create it first", _KEY)
    word = seen.source_word
    if word is not None and word != states.COMPLETED and not source.template:
        got = f"container {ctid} is not complete yet (it is {word})"
        remedy = f"include it in the run ({limit}), without a target_state that stops it before"
        return Refusal(Code.SOURCE_INCOMPLETE, got, remedy, _KEY)
    for key in disks(source.head):
        volume = properties.parse(source.head[key], "volume").get("volume", "")
        if volume.startswith("/"):
            got = f"container {ctid} has the bind mount {key} ({volume}), and PVE can't clone such a container"
            return Refusal(Code.SOURCE_BIND_MOUNT, got, "move the mount point from the source to its clones", _KEY)
    if snapshot_of(wanted, source) == temporary(wanted.ctid) and not source.volumes_on(SNAPSHOTS):
        return Refusal(
            Code.SOURCE_RUNS,
            f"container {ctid} runs, PVE copies a running container only from a snapshot, and its storage can't take "
            "one",
            f"stop it (pct shutdown {ctid}), make it a template (is_template), or put it on one of "
            f"{', '.join(sorted(SNAPSHOTS))}",
            _KEY,
        )
    return growth.copy_too_small(created, f"its source {source.ctid}", "clone from another")
