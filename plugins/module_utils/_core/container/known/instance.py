# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the container under a CTID is the one on record, or another that was made under the same CTID.

Three witnesses: the instance id in its config, its root volume with its MAC addresses, and PVE's list of tasks. The
last one costs a call, so it is asked only where the other two leave a doubt (docs/adr/0012).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...pve import properties
from ...pve.conffile import ConfFile
from ..cluster import availability, firewall_changes, membership
from ..model import Observation, Past, Record

NEW = "new"  # in an entry: draw an id and note it
SEEN = "seen"  # in an entry: note what the container is recognized by, as it is now
_ASIDE = frozenset({"lxc", firewall_changes.KEY, membership.KEY, availability.KEY})
_ENOUGH = 3  # applied values that are all not in force mean another container


def evidence(conf: ConfFile) -> dict[str, Any]:
    """What a container is recognized by where its instance id was lost: its root volume and its MAC addresses."""
    nets = sorted(key for key in conf.head if key.rstrip("0123456789") == "net")
    macs = [properties.parse(conf.head[key]).get("hwaddr", "").upper() for key in nets]
    rootfs = properties.parse(conf.head.get("rootfs", ""), "volume").get("volume", "")
    return {"rootfs": rootfs, "macs": sorted(mac for mac in macs if mac)}


def known(record: Record) -> Mapping[str, Any]:
    """What the record has of the container's identity; {} when it was made before there were instance ids."""
    found = record.instance or {}
    return found if found.get("id") and found.get("rootfs") else {}


def is_marked(seen: Observation, record: Record) -> bool:
    """Whether the container carries the instance id on record, and is on record as it is."""
    return seen.conf.instance is not None and seen.conf.instance == known(record).get("id")


def is_current(seen: Observation, record: Record) -> bool:
    """Whether root volume and MAC addresses are on record as they are."""
    noted = known(record)
    return bool(noted) and evidence(seen.conf) == {key: noted.get(key) for key in ("rootfs", "macs")}


def foreign(seen: Observation, record: Record) -> str | None:
    """Why the container under the CTID is not the one on record; None when it is, and when none is on record."""
    if not seen.exists or seen.creating == "failed":
        return None
    past = seen.past or Past()
    if seen.creating:
        if past.failed:
            return f"the creation that an earlier run began has failed ({past.failed}), so this one is foreign"
        return _destroyed(past, restorable=False)
    if not record.ours:
        return None
    noted = known(record)
    if not noted:
        return _contradiction(seen, record, past)
    if seen.conf.instance == noted["id"]:
        return _destroyed(past, restorable=False) if _other_cards(seen, noted) else None
    if seen.conf.instance is not None:
        return f"it carries the instance id {seen.conf.instance}, and {noted['id']} is on record"
    if is_current(seen, record):
        return _destroyed(past, restorable=True)
    return f"it carries no instance id, and {_differences(evidence(seen.conf), noted)}"


def _other_cards(seen: Observation, noted: Mapping[str, Any]) -> bool:
    """Whether none of the MAC addresses is one on record: a clone has other ones, and so has a hand-edited one."""
    macs = set(noted.get("macs") or ())
    return bool(macs) and not macs & set(evidence(seen.conf)["macs"])


def _destroyed(past: Past, restorable: bool) -> str | None:
    if not past.destroyed or (restorable and past.restored):
        return None
    return f"the container on record was destroyed since ({past.destroyed})"


def _contradiction(seen: Observation, record: Record, past: Past) -> str | None:
    """What speaks against a container whose record is older than instance ids. It is ours where nothing does."""
    if seen.conf.instance is not None:
        return f"it carries the instance id {seen.conf.instance}, and none is on record"
    if past.destroyed and not past.restored:
        return _destroyed(past, restorable=True)
    inside = (seen.ledger or {}).get("features") if seen.running and not seen.ledger_error else None
    cached = sorted((record.ledger or {}).get("features") or ())
    if cached and inside is not None and not inside and "parent" not in seen.conf.head:
        return f"the features on record ({', '.join(cached)}) are not in the ledger inside it"
    values = {key: value for key, value in record.applied.items() if key not in _ASIDE}
    head = seen.conf.merged()
    if len(values) >= _ENOUGH and not any(_is_in_force(head.get(key), value) for key, value in values.items()):
        return f"none of the values that were applied last ({', '.join(sorted(values))}) is in force"
    return None


def _is_in_force(actual: str | None, applied: Any) -> bool:
    if actual is None or not isinstance(applied, Mapping):
        return actual is not None and actual == str(applied)
    there = {*properties.parse(actual).items(), *properties.parse(actual, "volume").items()}
    return any((str(key), str(value)) in there for key, value in applied.items())


def _differences(now: Mapping[str, Any], noted: Mapping[str, Any]) -> str:
    told = []
    if now["rootfs"] != noted.get("rootfs"):
        told.append(f"its root volume is {now['rootfs'] or 'none'} instead of {noted.get('rootfs')}")
    if now["macs"] != noted.get("macs"):
        was, there = (", ".join(each) or "none" for each in (noted.get("macs") or (), now["macs"]))
        told.append(f"its MAC addresses are {there} instead of {was}")
    return " and ".join(told)


def is_in_doubt(seen: Observation, record: Record) -> bool:
    """Whether PVE's list of tasks must decide."""
    if not seen.exists or seen.creating == "failed":
        return False
    if seen.creating:
        return True
    if not record.ours or foreign(seen, record):
        return False
    return not is_marked(seen, record) or _other_cards(seen, known(record))


def is_described(seen: Observation, record: Record) -> bool:
    """Whether PVE's list of tasks would help a reader: a refusal says when and by whom the container was made."""
    return seen.exists and not seen.creating and (not record.ours or foreign(seen, record) is not None)


def since(record: Record) -> int:
    """The time, in seconds since the epoch, at which the container on record was last known to exist."""
    found = (record.instance or {}).get("at") if known(record) else record.written
    return int(found) if isinstance(found, (int, float)) else 0


def settle(seen: Observation, record: Record) -> tuple[Observation, Record]:
    """What is seen and remembered of the container that exists: of another one nothing, but why it is another one."""
    why = foreign(seen, record)
    if why is None:
        return seen, record
    return replace(seen, creating=None), Record(word=record.word, replaced=why)
