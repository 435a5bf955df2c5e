# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ZFS: current and desired state -> the pools to make, the properties to set, and what is refused.

Nothing here ever removes, rebuilds or extends a pool. A disk is used only when nothing at all is on it, or when the
pool names that very disk in ``force_wipe`` and nobody uses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_GROUP = re.compile(r"(mirror|raidz[123]?|draid\S*)(?:-\d+)?\Z")
_PASSING = re.compile(r"(?:replacing|spare)-\d+\Z")
# Sections of `zpool status` besides the data -> what their devices are for, as the file and zpool(8) name it.
SECTIONS = {"logs": "log", "cache": "cache", "spares": "spare", "special": "special", "dedup": "dedup"}
# zfsprops(7): these are settled when a dataset is made.
ONLY_AT_CREATION = ("casesensitivity", "encryption", "normalization", "utf8only", "volblocksize")
# zpoolprops(7): these belong to the pool, everything else to its root dataset.
OF_POOL = (
    "ashift",
    "autoexpand",
    "autoreplace",
    "autotrim",
    "cachefile",
    "comment",
    "compatibility",
    "delegation",
    "failmode",
    "listsnapshots",
    "multihost",
    "version",
)


@dataclass(frozen=True)
class Disk:
    """What was found out about a path. ``device`` is the whole disk's name, '' when there is no block device."""

    path: str
    device: str = ""
    signatures: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    trouble: str = ""


@dataclass
class Survey:
    """The plan. ``errors`` refuse the whole of it."""

    create: list[dict[str, Any]] = field(default_factory=list)
    wipe: list[str] = field(default_factory=list)
    pool_properties: dict[str, dict[str, str]] = field(default_factory=dict)
    datasets: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.create or self.wipe or self.pool_properties or self.datasets)

    def lines(self) -> list[str]:
        """The plan in words."""
        result = [f"wipe {path}, as force_wipe says" for path in self.wipe]
        for pool in self.create:
            made = " ".join(" ".join([*_words_of(vdev), *vdev["disks"]]) for vdev in pool["vdevs"])
            result.append(f"make pool {pool['name']}: {made}")
        for name, changes in sorted(self.pool_properties.items()):
            result.append(f"set of pool {name}: {_properties(changes)}")
        for dataset in self.datasets:
            verb = "make" if dataset["absent"] else "set of"
            result.append(f"{verb} dataset {dataset['name']}: {_properties(dataset['properties'])}".rstrip(": "))
        return result


def _properties(values: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(values.items()))


def _words_of(vdev: Mapping[str, Any]) -> list[str]:
    kind = vdev["type"]
    return [*([vdev["role"]] if vdev.get("role") else []), *([] if kind == "stripe" else [kind])]


def groups(status: str) -> dict[str, list[tuple[str, list[str]]]]:
    """The groups of one pool's `zpool status` by what they are for: '' for data, else log, cache, spare and so on.

    A group is (type, names of disks), stripes one disk each.
    """
    lines = [line for line in status.partition("NAME ")[2].splitlines()[1:] if line.startswith(("\t", " "))]
    found: dict[str, list[tuple[str, list[str]]]] = {}
    result = found.setdefault("", [])
    base = None
    for line in lines:
        text = line.lstrip("\t")
        name, depth = text.split()[0], len(text) - len(text.lstrip(" "))
        if base is None:
            base = depth  # the pool itself
            continue
        if depth <= base:
            if name in SECTIONS:
                result = found.setdefault(SECTIONS[name], [])
            continue
        group = _GROUP.match(name)
        if group and depth == base + 2:
            result.append(("raidz1" if group[1] == "raidz" else group[1], []))
        elif depth == base + 2:
            result.append(("stripe", [name]))
        elif result and not _PASSING.match(name):
            result[-1][1].append(name)
    return found


def _shape(groups: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[str, tuple[str, ...]]]:
    """Groups without their order; a stripe is as many groups as it has disks."""
    single = [("stripe", (disk,)) for kind, disks in groups if kind == "stripe" for disk in disks]
    return sorted(single + [(kind, tuple(sorted(disks))) for kind, disks in groups if kind != "stripe"])


def survey(
    pools: Sequence[Mapping[str, Any]],
    datasets: Sequence[Mapping[str, Any]],
    there: Mapping[str, Mapping[str, Any]],
    actual: Mapping[str, Mapping[str, tuple[str, str]]],
    disks: Mapping[str, Disk],
) -> Survey:
    """The plan.

    pools, datasets: as the configuration has them in one form. there: for each imported pool `groups` with whole disks'
    names, and `properties`. actual: for each dataset property -> (value, source). disks: every disk that pools name.
    """
    result = Survey()
    for pool in pools:
        if not pool["disks"]:
            if pool["name"] not in there:
                result.errors.append(f"pool {pool['name']}: not there, and the file names no disks to make it of")
        elif pool["name"] in there:
            _compare(pool, there[pool["name"]], disks, result)
        else:
            _check_new(pool, disks, result)
    _once(pools, disks, result)
    roots = [{"name": pool["name"], "properties": _split(pool)[1]} for pool in pools]
    known = set(there) | {pool["name"] for pool in pools}
    for dataset in [*roots, *datasets]:
        if dataset["name"].split("/")[0] not in known:
            result.errors.append(f"dataset {dataset['name']}: the node has no such pool, and the file makes none")
        else:
            _dataset(dataset, actual.get(dataset["name"]), dataset in roots, result)
    return result


def _split(pool: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """(properties of the pool, properties of its root dataset)."""
    given = pool["properties"]
    of_pool = {key: value for key, value in given.items() if key in OF_POOL}
    return {**pool["pool_properties"], **of_pool}, {key: value for key, value in given.items() if key not in OF_POOL}


def _compare(pool: Mapping[str, Any], seen: Mapping[str, Any], disks: Mapping[str, Disk], result: Survey) -> None:
    wanted: dict[str, list[tuple[str, list[str]]]] = {}
    for vdev in pool["vdevs"]:
        names = [disks[path].device or path for path in vdev["disks"]]
        wanted.setdefault(vdev.get("role") or "", []).append((vdev["type"], names))
    for role, asked in wanted.items():  # what the file doesn't name is not judged
        is_there = _shape(seen["groups"].get(role, ()))
        if _shape(asked) != is_there:
            part = f"other {role} devices" if role else "another layout"
            result.notes.append(
                f"pool {pool['name']} has {part} than the file says, and is left as it is: it is "
                f"{_in_words(is_there)}, the file says {_in_words(_shape(asked))}. Pools are never rebuilt or extended"
            )
    changes = {}
    for key, value in _split(pool)[0].items():
        if seen["properties"].get(key, value) == value:
            continue
        if key == "ashift":
            result.notes.append(
                f"pool {pool['name']}: ashift is {seen['properties'][key]}, not {value}; it can't be changed"
            )
        else:
            changes[key] = value
    if changes:
        result.pool_properties[pool["name"]] = changes


def _in_words(groups: Sequence[tuple[str, Sequence[str]]]) -> str:
    return " + ".join(f"{kind}({', '.join(names)})" for kind, names in groups) or "empty"


def _check_new(pool: Mapping[str, Any], disks: Mapping[str, Disk], result: Survey) -> None:
    """A disk with anything on it, or used by anybody, is refused; force_wipe helps against the first alone."""
    wipe = []
    for path in pool["disks"]:
        disk = disks[path]
        where = f"pool {pool['name']}: {path}"
        if disk.trouble:
            result.errors.append(f"{where} {disk.trouble}")
            continue
        if disk.uses:
            result.errors.append(f"{where} is in use: {', '.join(disk.uses)}. Nothing is done to it, force_wipe or not")
            continue
        on_it = [*(f"signature {name}" for name in disk.signatures), *(f"partition {name}" for name in disk.partitions)]
        if on_it and path in pool["force_wipe"]:
            wipe.append(path)
        elif on_it:
            result.errors.append(
                f"{where} is not empty: {', '.join(on_it)}. It is not touched. To wipe it, name this "
                "disk in the pool's force_wipe"
            )
    result.wipe += wipe
    of_pool, _of_root = _split(pool)
    result.create.append({"name": pool["name"], "vdevs": list(pool["vdevs"]), "properties": of_pool})


def _once(pools: Sequence[Mapping[str, Any]], disks: Mapping[str, Disk], result: Survey) -> None:
    """Two paths may lead to one disk."""
    seen: dict[str, str] = {}
    for pool in pools:
        for path in pool["disks"]:
            device = disks[path].device
            if device and device in seen:
                result.errors.append(f"pool {pool['name']}: {path} and {seen[device]} are the same disk, {device}")
            seen.setdefault(device, path)


def _dataset(
    wanted: Mapping[str, Any], seen: Mapping[str, tuple[str, str]] | None, is_root: bool, result: Survey
) -> None:
    name, properties = wanted["name"], wanted["properties"]
    if seen is None:
        if properties or not is_root:
            result.datasets.append({"name": name, "properties": dict(properties), "absent": not is_root})
        return
    changes = {}
    for key, value in properties.items():
        now, source = seen.get(key, ("", "-"))
        if now == value and source in ("local", "received", "-"):
            continue
        if key in ONLY_AT_CREATION:
            result.notes.append(f"dataset {name}: {key} is {now}, not {value}; it is settled when a dataset is made")
            continue
        used = {"quota": "used", "refquota": "referenced"}.get(key)
        if used and value not in ("0", "none") and int(seen.get(used, ("0", ""))[0]) > int(value):
            result.errors.append(
                f"dataset {name}: {key} {value} is below what it uses, {seen[used][0]} bytes. Nothing is changed"
            )
            continue
        changes[key] = value
    if changes:
        result.datasets.append({"name": name, "properties": changes, "absent": False})
