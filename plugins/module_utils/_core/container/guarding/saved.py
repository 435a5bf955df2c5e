# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup in place of the guard's snapshot: where PVE takes none, vzdump copies the container before a change.

Going back restores the backup over the container, which destroys its volumes first. So the guard is refused where a
volume is in no backup, and the backup stays until the container works again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ...pve import properties
from ...pve.conffile import ConfFile
from ..config import growth
from ..desired import DEFAULT_ROOTFS_GB
from ..model import NOTHING, RESTART, Entry, Observation, Record, Wanted
from ..refusal import Code, Refusal

POLICY = "backup"
MEANS = "backup"
SNAPSHOT_MEANS = "snapshot"
NOTES = "phoenix-guard"
"""By these notes the backup is found in its storage."""
REMOVE = Entry("backup", "remove")
# What PVE keeps in no backup, or writes again at a restore, and what means nothing outside of the container.
_UNCOMPARED = frozenset(
    {"lock", "parent", "digest", "arch", "ostype", "hostname", "description", "searchdomain", "nameserver", "tags"}
)


def means_of(record: Record) -> str:
    """What guards the change that is under way."""
    return MEANS if (record.guarding or {}).get("means") == MEANS else SNAPSHOT_MEANS


def is_means(record: Record) -> bool:
    """Whether a backup guards it."""
    return means_of(record) == MEANS


def is_alive(seen: Observation) -> bool:
    """Whether a container that was restored answers from inside."""
    return seen.running and seen.ledger is not None and seen.ledger_error is None


def command(seen: Observation) -> str:
    """What restores the backup, at the node's prompt."""
    return f"pct stop {seen.ctid}; pct restore {seen.ctid} {seen.saved} --force 1 --start 1"


def make(seen: Observation) -> Entry:
    """The backup. Older backups in the storage stay, whatever its retention says."""
    return Entry("backup", "make", {"storage": seen.backup_stores[0] if seen.backup_stores else ""})


def disruption(how: str) -> str:
    """What the guard itself disrupts."""
    return RESTART if how == MEANS else NOTHING


def restarts(entry: Entry) -> bool:
    """Whether the container is stopped and started for an entry."""
    return (entry.op, entry.what) == ("backup", "make")


def make_params(ctid: int, storage: str) -> dict[str, Any]:
    """What vzdump is asked for: the container is stopped for the copy, so that its files fit together."""
    base = {"vmid": ctid, "storage": storage, "mode": "stop", "compress": "zstd"}
    return {**base, "remove": 0, "notes-template": NOTES}


def restore_params(ctid: int, volume: str, backup: ConfFile) -> dict[str, Any]:
    """What puts a backup in the place of its own container: each volume where it was, each folder of the node too."""
    params: dict[str, Any] = {"vmid": ctid, "ostemplate": volume, "restore": 1, "force": 1}
    for key in growth.disks(backup.head):
        parts = dict(properties.parse(backup.head[key], "volume"))
        place = parts.pop("volume", "")
        if place.startswith("/"):
            params[key] = backup.head[key]
            continue
        parts.pop("size", None)
        size = growth.disk_size(backup.head, key) or DEFAULT_ROOTFS_GB * growth.GIB
        text = f"{size / growth.GIB:.9f}".rstrip("0").rstrip(".")
        params[key] = properties.compose({"volume": f"{place.partition(':')[0]}:{text}", **parts}, "volume")
    return params


def evidence(conf: ConfFile) -> dict[str, str]:
    """Return a digest of each option and of each key of raw lines, by which a restored config is compared.

    Of a volume without its name and size: it is another one after the restore. Digests, because values can be secrets.
    """
    found = {}
    for key, value in conf.head.items():
        if key in _UNCOMPARED or key.startswith("unused") or (key == "unprivileged" and value == "0"):
            continue
        found[key] = _digest(_without_volume(value) if key in growth.disks(conf.head) else value)
    raw: dict[str, list[str]] = {}
    for key, value in (*conf.raw, *conf.markers):
        raw.setdefault(key, []).append(value)
    return {**found, **{key: _digest("\n".join(values)) for key, values in raw.items()}}


def _without_volume(value: str) -> str:
    """Return a mount without what a restore changes; one of a folder or a device of the node as it is."""
    parts = dict(properties.parse(value, "volume"))
    place = parts.get("volume", "")
    if place.startswith("/"):
        return value
    parts.pop("size", None)
    parts["volume"] = place.partition(":")[0]
    return "\n".join(f"{name}={parts[name]}" for name in sorted(parts))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def differences(record: Record, conf: ConfFile) -> list[str]:
    """Return the keys in which a config is not the one on record from before the change."""
    known, found = described(record).get("config"), evidence(conf)
    known = known if isinstance(known, Mapping) else {}
    return sorted(key for key in {*known, *found} if known.get(key) != found.get(key))


def foreign(ctid: int, volume: str, keys: list[str], restored: bool) -> dict[str, str]:
    """Return what the error says of a backup with another config than the container had, as fields of NodeError."""
    names = ", ".join(keys)
    if restored:
        why = f"the restored config is not the one from before the change, it differs in {names}; it is not started"
        remedy = (
            f"correct these keys before you start it (pct config {ctid}): whoever can write the backup has set them"
        )
    else:
        why = f"the config in the backup {volume} is not the one from before the change, it differs in {names}"
        remedy = (
            f"the container is left as it is: look who can write the backup, then correct or destroy {ctid} by hand"
        )
    return {"why": why, "remedy": remedy}


def refusal(wanted: Wanted, seen: Observation, no_snapshot: Refusal) -> Refusal | None:
    """Why a backup can't take the place of a snapshot, or None. ``no_snapshot`` says why that can't be taken."""
    what = f"{no_snapshot.got}; a backup can't guard it either, because"
    lost = growth.unsaved(seen.conf.head)
    unused = sorted(key for key in seen.conf.head if key.startswith("unused"))
    if not seen.backup_stores:
        why, remedy = "no storage of the node holds backups", "add the content type backup to a storage"
    elif lost:
        why = f"the volumes at {', '.join(lost)} are in no backup, and going back would destroy them"
        remedy = "set backup to true for them, or keep such data in a folder of the node"
    elif unused:
        why = f"going back would destroy {', '.join(unused)}"
        remedy = "attach or delete these volumes first"
    elif seen.conf.snapshots:
        why = f"going back would destroy its snapshots ({', '.join(sorted(seen.conf.snapshots))})"
        remedy = "delete them first"
    elif seen.ha is not None:
        why, remedy = (
            "the HA manager would start it in between",
            f"take it out of HA (ha-manager remove ct:{seen.ctid})",
        )
    elif seen.conf.head.get("protection") == "1":
        why, remedy = "PVE restores over no protected container", "set protection to false for the time of the change"
    else:
        return None
    return Refusal(Code.GUARD_BACKUP, f"{what} {why}", remedy, no_snapshot.key)


def described(record: Record) -> Mapping[str, Any]:
    """What the record says of the backup: its storage and volume, as far as it has been made."""
    found = (record.guarding or {}).get("backup")
    return found if isinstance(found, Mapping) else {}
