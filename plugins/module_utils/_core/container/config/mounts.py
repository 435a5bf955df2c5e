# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mount points and volumes of a configuration as PVE's ``mpN`` options.

A volume is known by its name: the record ties it to PVE's volume, so that another path moves the mount and never
allocates a disk over the data. A bind mount is known by its path inside. What exists keeps its slot, what is new takes
the first free one. A volume that exists is never asked for again: PVE would allocate another one (PVE facts).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...pve import forms, properties
from ...pve.conffile import ConfFile
from ..model import Entry, Record, Wanted
from ..refusal import Code, Refusal
from ..registry.wanted_options import WantedOption
from ..wanted_places import VOLUMES, Place

SLOTS = 256  # mp0 to mp255
# What asks for a new disk: STORAGE:GIB.
_NEW = re.compile(r"[^:]+:\d+(?:\.\d+)?\Z")


@dataclass(frozen=True)
class Mounts:
    """All mount points of a configuration, and why one of them can't be had."""

    places: tuple[Place, ...] = ()
    error: Refusal | None = None

    def desired(self) -> dict[str, WantedOption]:
        """The ``mpN`` options that the configuration asks for, each in its slot."""
        return {place.slot: place.desired() for place in self.places}

    def sizes(self) -> dict[str, tuple[int, str]]:
        """Slot -> (size in GiB, its key) of the volumes that exist."""
        there = (p for p in self.places if p.source == VOLUMES and p.exists and not p.to_come)
        return {p.slot: (p.size_gb, f"{p.key}/size_gb") for p in there}

    def live(self) -> set[str]:
        """The slots whose pending change would take something wanted away."""
        return {place.slot for place in self.places if place.live}


def is_mount(key: str) -> bool:
    """Whether an option is a mount point."""
    return key.rstrip("0123456789") == "mp"


def _parts(value: str) -> dict[str, str]:
    return properties.parse(value, "volume")


def volume_of(value: str) -> str:
    """PVE's id of the volume, empty for a bind or device mount and for one that is still to be allocated."""
    volume = _parts(value).get("volume", "")
    return "" if volume.startswith("/") or _NEW.match(volume) else volume


def path_of(value: str) -> str:
    """The path inside the container, in its canonical form."""
    return forms.path(_parts(value).get("mp", ""))


def _is_to_come(value: str) -> bool:
    """Whether PVE allocates the volume only with the next start."""
    return bool(_NEW.match(_parts(value).get("volume", "")))


def _is_bind(value: str) -> bool:
    return _parts(value).get("volume", "").startswith("/")


class _Search:
    """Finds the configuration's mount points among those of one container."""

    def __init__(self, wanted: Wanted, conf: ConfFile, record: Record, running: bool) -> None:
        self.places, self.conf, self.record, self.running = wanted.desired.places, conf, record, running
        self.ctid = wanted.ctid
        self.live = {key: value for key, value in conf.head.items() if is_mount(key)}
        self.merged = {key: value for key, value in conf.merged().items() if is_mount(key)}
        # A container that no run has configured yet is a new one, a clone or an adopted one: what it has is ours.
        self.all_ours = not record.applied or wanted.adopt in ("record", "reapply")
        self.taken: set[str] = set()

    def run(self) -> Mounts:
        """Each mount point in its slot."""
        found: dict[str, Place] = {}
        places = self.places
        for look in (self._by_volume, self._by_record, self._by_unused, self._by_path):
            for place in places:
                hit = look(place) if place.key not in found else None
                if hit is not None:
                    found[place.key] = hit
        lost = [place for place in places if place.key not in found]
        free = self._free()
        for place in lost:
            found[place.key] = _replace(place, slot=next(free))
        result = tuple(self._with_slot(found[place.key], free) for place in places)
        return Mounts(result, self._error(result, lost))

    def _with_slot(self, place: Place, free: Iterator[str]) -> Place:
        return place if place.slot else _replace(place, slot=next(free))

    def _take(self, place: Place, slot: str, **more: Any) -> Place:
        self.taken.add(slot)
        return _replace(place, slot=slot, exists=True, **more)

    def _known(self, place: Place) -> Mapping[str, str]:
        return self.record.volumes.get(place.name) or {} if place.source == VOLUMES else {}

    def _by_volume(self, place: Place) -> Place | None:
        """By its name: PVE's volume that the record ties to it, mounted anywhere."""
        known = self._known(place)
        volume = known.get("volume")
        if not volume:
            return None
        for values, live in ((self.merged, False), (self.live, True)):
            # Somebody may have mounted it a second time: the slot on record is the one that was chosen.
            for slot in sorted(values, key=lambda slot: (slot != known.get("slot"), _number(slot))):
                if volume_of(values[slot]) == volume and slot not in self.taken:
                    return self._take(place, slot, live=live)
        return None

    def _by_record(self, place: Place) -> Place | None:
        """By its name and the place that the record has: PVE renames a volume that becomes a template's or moves."""
        known = self._known(place)
        slot, path = known.get("slot", ""), known.get("mp", "")
        for values, live in ((self.merged, False), (self.live, True)):
            value = values.get(slot)
            if value and slot not in self.taken and not _is_bind(value) and path_of(value) == path:
                return self._take(place, slot, live=live, to_come=_is_to_come(value))
        return None

    def _by_unused(self, place: Place) -> Place | None:
        """By its name: PVE's volume that the record ties to it, detached."""
        volume = self._known(place).get("volume")
        detached = volume and any(
            _parts(value).get("volume") == volume
            for key, value in self.conf.head.items()
            if key.rstrip("0123456789") == "unused"
        )
        return _replace(place, detached=volume, size=self._known(place).get("size", "")) if detached else None

    def _by_path(self, place: Place) -> Place | None:
        """By its path, where the mounted volume is ours or exactly the configured one."""
        for slot in sorted(self.merged, key=_number):
            value = self.merged[slot]
            if slot in self.taken or path_of(value) != place.path or _is_bind(value) != (place.source != VOLUMES):
                continue
            same = place.source != VOLUMES and forms.path(_parts(value)["volume"]) == forms.path(place.parts["volume"])
            if same or self._is_ours(slot, value):
                return self._take(place, slot, to_come=_is_to_come(value))
        if place.source == VOLUMES:
            return None
        for slot in sorted(self.live, key=_number):
            value = self.live[slot]
            if slot not in self.taken and self.conf.is_going(slot) and _same_bind(value, place):
                return self._take(place, slot, live=True)
        return None

    def _is_ours(self, slot: str, value: str) -> bool:
        applied = self.record.applied.get(slot)
        path = path_of(value)
        if isinstance(applied, Mapping) and forms.path(applied.get("mp", "")) == path:
            return True
        names = self.record.volumes.values()
        return self.all_ours or any(volume_of(value) and known.get("volume") == volume_of(value) for known in names)

    def _free(self) -> Iterator[str]:
        for number in range(SLOTS):
            key = f"mp{number}"
            if key not in self.live and key not in self.conf.pending and key not in self.taken:
                yield key

    # ---------------------------------------------------------------- refusals
    def _error(self, places: tuple[Place, ...], lost: list[Place]) -> Refusal | None:
        fresh = [place for place in places if not place.exists]
        named = {known.get("slot") for known in self.record.volumes.values()}
        for place in lost:
            error = self._unnamed(place, named) if place.source == VOLUMES else None
            if error:
                return error
        slots = {each.slot: each for each in places}
        for place in places:
            error = self._shared(place, slots) or (self._in_use(place) if place in fresh else None)
            if error:
                return error
        return None

    def _unnamed(self, place: Place, named: set[str | None]) -> Refusal | None:
        """A volume that an earlier version of the record tied to its path alone, and whose path is not in the file."""
        if place.name in self.record.volumes:
            return None
        for slot, value in self.merged.items():
            applied = self.record.applied.get(slot)
            ours = isinstance(applied, Mapping) and forms.path(applied.get("mp", "")) == path_of(value)
            if slot not in self.taken and slot not in named and ours and volume_of(value):
                return place.refusal(
                    Code.VOLUME_UNKNOWN,
                    f"nothing is mounted at {place.path}, and {slot} ({volume_of(value)}) at {path_of(value)} is no "
                    "longer in the configuration; which volume has that name is not on record yet",
                    f"Run once with mount_point {path_of(value)}, then change it",
                    joint=". ",
                )
        return None

    def _shared(self, place: Place, slots: Mapping[str, Place]) -> Refusal | None:
        """Why a mount point can't have its path: another one has it, or will have it after the next start."""
        for slot, value in sorted(self.merged.items()):
            if path_of(value) != place.path or slot in slots or self._goes(slot, value):
                continue
            return place.refusal(
                Code.PATH_OCCUPIED,
                f"{place.path} of container {self.ctid} is occupied by {slot} ({_shown(value)}), which is not managed "
                "by this collection",
                f"choose another path, remove that mount point (pct set {self.ctid} --delete {slot}), or take it over "
                "with phoenix_adopt",
            )
        return None

    def _in_use(self, place: Place) -> Refusal | None:
        """Why a new mount point can't have its path now: the running container has another one there."""
        for slot, value in sorted(self.live.items()) if self.running else ():
            if path_of(value) == place.path:
                return place.refusal(
                    Code.PATH_IN_USE,
                    f"{place.path} of container {self.ctid} is in use by {slot} ({_shown(value)}) until the container "
                    "restarts",
                    f"remove {place.key} from the configuration, run again, restart the container "
                    f"(pct reboot {self.ctid}), then add it{self._name_of(value)}",
                )
        return None

    def _goes(self, slot: str, value: str) -> bool:
        """Whether this run removes it: ours, and not in the configuration any more."""
        applied = self.record.applied.get(slot)
        return isinstance(applied, Mapping) and forms.path(applied.get("mp", "")) == path_of(value)

    def _name_of(self, value: str) -> str:
        names = [n for n, known in self.record.volumes.items() if known.get("volume") == volume_of(value) != ""]
        return f". To keep the data there, name the volume {names[0]!r}" if names else ""


def _replace(place: Place, **values: Any) -> Place:
    return Place(**{**place.__dict__, **values})


def _number(slot: str) -> int:
    return int(slot[2:] or 0)


def _same_bind(value: str, place: Place) -> bool:
    same = forms.path(_parts(value).get("volume", "")) == forms.path(place.parts["volume"])
    return _is_bind(value) and same and path_of(value) == place.path


def _shown(value: str) -> str:
    return _parts(value).get("volume", "")


def find(wanted: Wanted, conf: ConfFile, record: Record, running: bool = False) -> Mounts:
    """The mount points of the configuration, each in the slot that the container has it in or gets it in."""
    return _Search(wanted, conf, record, running).run()


def remembered(mounts: Mounts, conf: ConfFile, record: Record) -> dict[str, dict[str, str]]:
    """Name -> what ties a volume to it: slot, path, and PVE's volume where the record keeps one that is not mounted.

    The volume of one that is mounted is looked up when the record is written: it may be allocated by the same call.
    """
    merged = conf.merged()
    result = {p.name: {"slot": p.slot, "mp": p.path} for p in mounts.places if p.source == VOLUMES}
    used = {volume_of(merged.get(each["slot"], "")) for each in result.values()}
    used |= {place.detached for place in mounts.places}
    for name, known in record.volumes.items():
        value = merged.get(known.get("slot", ""), "")
        moved = value and not _is_bind(value) and path_of(value) == known.get("mp")
        tied = {**known, **(_tied(value) if moved else {})}
        if name not in result and tied.get("volume") and tied["volume"] not in used:
            result[name] = tied
    return result


def completed(volumes: Mapping[str, Mapping[str, str]], conf: ConfFile) -> dict[str, dict[str, str]]:
    """The same with PVE's volume of each that is mounted."""
    result = {}
    merged = {**conf.head, **conf.merged()}
    for name, known in volumes.items():
        result[name] = dict(known) if known.get("volume") else {**known, **_tied(merged.get(known["slot"], ""))}
    return result


def _tied(value: str) -> dict[str, str]:
    volume, size = volume_of(value), _parts(value).get("size", "")
    return {"volume": volume, **({"size": size} if size else {})} if volume else {}


def is_recorded(volumes: Mapping[str, Mapping[str, str]], record: Record) -> bool:
    """Whether the record ties the same names to the same places."""

    def places(given: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, str]]:
        return {name: (known.get("slot", ""), known.get("mp", "")) for name, known in given.items()}

    return places(volumes) == places(record.volumes)


def folders(mounts: Mounts, set_now: Iterable[str], missing: Iterable[str], conf: ConfFile) -> list[Entry]:
    """The folders of the node that are made for new bind mounts, with the owner that the container is to see.

    One whose owner the container's user namespace does not have is left to the preflight, which reports it as missing.
    """
    lines = [value for key, value in conf.raw if key == "lxc.idmap"]
    unprivileged = forms.flag(conf.head.get("unprivileged", "0")) == "1"
    found = []
    for place in mounts.places:
        path = place.parts["volume"]
        if place.owner is None or place.slot not in set_now or path not in missing:
            continue
        own = place.parts.get("idmap", "")
        ids = [_on_node(kind, inside, lines, unprivileged, own) for kind, inside in zip("ug", place.owner)]
        if None not in ids:
            found.append(Entry("folder", f"make {path}", {"path": path, "uid": ids[0], "gid": ids[1]}))
    return found


def _on_node(kind: str, inside: int, lines: Iterable[str], unprivileged: bool, own: str = "") -> int | None:
    """The number on the node of a user or group of the container: PVE maps 0 to 65535 to what begins at 100000.

    ``own`` is the idmap of the mount point, which comes before that of the container.
    """
    if not unprivileged or own == "passthrough":
        return inside
    maps = [words[1:] for words in (line.split() for line in lines) if len(words) == 4 and words[0] in (kind, "b")]
    before = [each.split(":")[1:] for each in own.split(";") if each.startswith(f"{kind}:")]
    for first, host, count in ((int(part) for part in each) for each in before + (maps or [["0", "100000", "65536"]])):
        if first <= inside < first + count:
            return host + inside - first
    return None


def other_pools(mounts: Mounts, conf: ConfFile) -> list[tuple[str, str]]:
    """(key, what is other) of the volumes that exist on another storage than the configuration's."""
    result = []
    merged = conf.merged()
    for place in mounts.places:
        there = volume_of(merged.get(place.slot, "")).partition(":")[0] if place.exists else ""
        if there and place.pool and there != place.pool:
            what = f"{place.path} is on {there}, and {place.pool} is configured"
            result.append((f"{place.key}/pool", what))
    return result
