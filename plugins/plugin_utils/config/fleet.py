# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers of a configuration, as objects: defaults merged, old spellings renamed, lineage and order known.

Loading never fails: what is not shaped like a container is left out, so that a faulty file still shows which hosts it
is about.
Whether the file is right is the job of `validation`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.registry import addresses
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer, to_pointer

NO_KEYS: Mapping[str, str] = MappingProxyType({})
NO_PATHS: Mapping[Pointer, str] = MappingProxyType({})

MOVED_HYPERVISOR_KEYS: Mapping[Pointer, Pointer] = {
    ("network", "hostname"): ("hostname",),
    ("network", "workgroup"): ("samba", "workgroup"),
}
"""Keys of the host's file that stand elsewhere in the field; what stands at the new place counts."""

CTID = re.compile(r"[1-9][0-9]{2,8}\Z")
_CTID_KEY = re.compile(r'"([1-9][0-9]{2,8})"\s*:\s*\{')
# A container that says where it comes from does not inherit another way to come into being.
_ORIGINS = ("template", "clone_from_ctid", "restore_from")


@dataclass(frozen=True)
class Deprecation:
    """An old spelling that was found; `path` is where."""

    path: Pointer
    old: str
    new: str

    def __str__(self) -> str:
        return f"{to_pointer(self.path)}: {self.old} is an old spelling, write {self.new}"


@dataclass(frozen=True)
class Container:
    """One container of the file.

    Attributes:
        ctid: its CTID as text, a valid one.
        config: its keys with `lxc_defaults` merged under them and old spellings renamed.
        inherited: the paths of `config` whose value comes from `lxc_defaults`.
        renamed: new spelling -> spelling in the file.
    """

    ctid: str
    config: dict[str, Any]
    inherited: frozenset[Pointer] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)

    def text(self, key: str) -> str | None:
        """The value of a key that holds text, else None."""
        value = self.config.get(key)
        return value if isinstance(value, str) else None

    @property
    def name(self) -> str | None:
        """Its host name."""
        return self.text("name")

    @property
    def source(self) -> str | None:
        """The CTID that it is cloned from, as text."""
        return self.text("clone_from_ctid")

    @property
    def absent(self) -> bool:
        """Whether it is to be removed."""
        return self.config.get("target_state") == "absent"

    @property
    def features(self) -> tuple[str, ...]:
        """Its features, in order."""
        value = self.config.get("features")
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()

    @property
    def address(self) -> str | None:
        """Its IPv4 address with prefix length, `dhcp` or `manual`; None where the file says nothing."""
        return addresses.configured(self.config) or None

    def place(self, *keys: Any) -> Pointer:
        """Where a key of this container stands in the file: in its own entry, or in `lxc_defaults`."""
        path: Pointer = tuple(keys)
        if path and path[0] in self.renamed:
            return ("lxc_configs", self.ctid, self.renamed[str(path[0])], *path[1:])
        if any(path[:length] in self.inherited for length in range(1, len(path) + 1)):
            return ("lxc_defaults", *path)
        return ("lxc_configs", self.ctid, *path)


@dataclass(frozen=True)
class Fleet:
    """All containers of the file by CTID, in the order of the file."""

    containers: Mapping[str, Container]
    top: Mapping[str, Any] = field(default_factory=dict)
    deprecations: tuple[Deprecation, ...] = ()

    def lineage(self, ctid: str) -> tuple[str, ...]:
        """The container and all it is cloned from, oldest first.

        Sources that are not in the file are left out; a cycle ends where it closes.
        """
        chain: dict[str, None] = {}
        current: str | None = ctid
        while current is not None and current in self.containers and current not in chain:
            chain[current] = None
            current = self.containers[current].source
        return tuple(reversed(tuple(chain)))

    def ancestors(self, ctid: str) -> tuple[Container, ...]:
        """What the container is cloned from, its source first, as far as the file has it; none in a cycle."""
        chain = self.lineage(ctid)
        if self.containers[chain[0]].source in chain:
            return ()
        return tuple(self.containers[member] for member in reversed(chain[:-1]))

    def has_all_sources(self, ctid: str) -> bool:
        """Whether the file has all that the container is cloned from."""
        return self.containers[self.lineage(ctid)[0]].source is None

    def order(self) -> tuple[str, ...]:
        """All CTIDs, every source before its clones, else by number. Members of a cycle come last."""
        # The length of the lineage is the level: a source is exactly one level before its clones.
        cyclic = {ctid for cycle in self.clone_cycles() for ctid in cycle}

        def rank(ctid: str) -> tuple[bool, int, int]:
            lineage = self.lineage(ctid)
            return (any(member in cyclic for member in lineage), len(lineage), int(ctid))

        return tuple(sorted(self.containers, key=rank))

    def clone_cycles(self) -> tuple[tuple[str, ...], ...]:
        """The cycles of clone sources, each beginning with its lowest CTID."""
        return cycles(
            {
                ctid: [c.source] if c.source in self.containers and c.source is not None else []
                for ctid, c in self.containers.items()
            }
        )


def cycles(edges: Mapping[str, Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    """The elementary cycles that a depth-first walk closes, each beginning with its lowest CTID, without repetition."""
    found: dict[tuple[str, ...], None] = {}
    done: set[str] = set()
    for start in edges:
        if start in done:
            continue
        path: list[str] = [start]
        waiting = [iter(edges[start])]
        while waiting:
            following = next(waiting[-1], None)
            if following is None:
                waiting.pop()
                done.add(path.pop())
            elif following in path:
                loop = path[path.index(following) :]
                lowest = loop.index(min(loop, key=int))
                found[tuple(loop[lowest:] + loop[:lowest])] = None
            elif following not in done:
                path.append(following)
                waiting.append(iter(edges.get(following, ())))
    return tuple(found)


def guess_ctids(text: str) -> tuple[str, ...]:
    """The CTIDs that a text seems to speak of, when it can't be parsed."""
    return tuple(dict.fromkeys(_CTID_KEY.findall(text)))


def group_name(prefix: str, name: str) -> str:
    """A valid Ansible group name."""
    return prefix + "_" + re.sub(r"[^A-Za-z0-9_]", "_", name)


def safe_name(name: str) -> str:
    """A valid Ansible group name without a prefix, as Ansible's own replacement makes it."""
    return re.sub(r"^[0-9]|[^A-Za-z0-9_]", "_", name, flags=re.ASCII)


def groups(fleet: Fleet, only_node: str = "", taken: Collection[str] = ()) -> dict[str, list[str]]:
    """The groups and their CTIDs.

    `containers`, `templates`, `feature_<name>`, `lineage_<ctid>`, `node_<name>`, `tag_<tag>`, `name_<name>`, and one
    that is called as a container is, where no other group or host has that name.

    Args:
        fleet: the containers.
        only_node: the node of the containers that name none.
        taken: the names of the other hosts and groups.
    """
    order = fleet.order()
    result: dict[str, list[str]] = {"containers": list(order), "templates": []}
    names: dict[str, set[str]] = {}  # name of a group -> the host names that become it
    for ctid in order:
        container = fleet.containers[ctid]
        if container.config.get("is_template") is True:
            result["templates"].append(ctid)
        for feature in dict.fromkeys(container.features):
            result.setdefault(group_name("feature", feature), []).append(ctid)
        result[group_name("lineage", ctid)] = list(fleet.lineage(ctid))
        name = container.name or "CT" + ctid
        names.setdefault(safe_name(name), set()).add(name)
        others = [group_name("name", name)]
        if container.text("node") or only_node:
            others.append(group_name("node", container.text("node") or only_node))
        tags = container.config.get("tags")
        others += [group_name("tag", tag) for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
        for group in dict.fromkeys(others):
            result.setdefault(group, []).append(ctid)
    for group, meant in names.items():
        # Never a group of two containers whose names differ, which a limit to one of them would select.
        if len(meant) == 1 and group not in result and group not in taken and group not in fleet.containers:
            result[group] = result[group_name("name", next(iter(meant)))]
    return result


def load_fleet(document: Any, spellings: Mapping[str, str] = NO_KEYS) -> Fleet:
    """The fleet of a parsed `phoenix_lxc_configs.json`, as far as its shape allows.

    spellings: the old spellings of container keys (`old_files.spellings`).
    """
    if not isinstance(document, dict):
        return Fleet({})
    deprecations: list[Deprecation] = []
    defaults, _unused = _renamed(_object(document.get("lxc_defaults")), ("lxc_defaults",), spellings, deprecations)
    containers: dict[str, Container] = {}
    for ctid, raw in _object(document.get("lxc_configs")).items():
        if CTID.match(ctid) and isinstance(raw, dict):
            own, renamed = _renamed(raw, ("lxc_configs", ctid), spellings, deprecations)
            containers[ctid] = _container(ctid, own, renamed, defaults)
    top = {key: value for key, value in document.items() if key not in ("lxc_configs", "lxc_defaults", "$schema")}
    return Fleet(containers, top, tuple(deprecations))


def load_hypervisor(
    document: Any, spellings: Mapping[Pointer, str] = NO_PATHS
) -> tuple[dict[str, Any], tuple[Deprecation, ...]]:
    """The hypervisor configuration of a parsed `hypervisor_config.json`, old spellings renamed.

    spellings: the path of an old key to its new name (`old_files.spellings`).
    """
    if not isinstance(document, dict):
        return {}, ()
    deprecations: list[Deprecation] = []
    config = {key: value for key, value in document.items() if key != "$schema"}
    written: dict[str, str] = {}  # a new name at the top -> the old one that the file has
    for path, new in spellings.items():
        holder: Any = config
        for key in path[:-1]:
            holder = holder.get(key) if isinstance(holder, dict) else None
        old = str(path[-1])
        if isinstance(holder, dict) and old in holder:
            renamed = {
                new if key == old else key: value for key, value in holder.items() if key != old or new not in holder
            }
            place = tuple(written.get(str(part), part) for part in path)
            deprecations.append(Deprecation(place, old, new))
            if holder is config:
                config = renamed
                written[new] = old
            else:
                config[str(path[0])] = renamed
    for source, target in MOVED_HYPERVISOR_KEYS.items():
        config = _moved(config, source, target, deprecations)
    return config, tuple(deprecations)


def _moved(config: dict[str, Any], source: Pointer, target: Pointer, told: list[Deprecation]) -> dict[str, Any]:
    """The file with one key at its new place, where the object there exists."""
    holder = config.get(str(source[0]))
    if not isinstance(holder, dict) or source[1] not in holder:
        return config
    told.append(Deprecation(source, ".".join(map(str, source)), ".".join(map(str, target))))
    value = holder[str(source[1])]
    result = {**config, str(source[0]): {key: item for key, item in holder.items() if key != source[1]}}
    if len(target) == 1:
        result.setdefault(str(target[0]), value)
    elif isinstance(result.get(str(target[0])), dict):
        result[str(target[0])] = {str(target[1]): value, **result[str(target[0])]}
    return result


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two objects as one: objects are merged deeply, everything else (lists too) is replaced by `over`."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _renamed(
    raw: Mapping[str, Any], path: Pointer, spellings: Mapping[str, str], deprecations: list[Deprecation]
) -> tuple[dict[str, Any], dict[str, str]]:
    result: dict[str, Any] = {}
    renamed: dict[str, str] = {}
    for key, value in raw.items():
        new = spellings.get(key)
        if new is None:
            result[key] = value
            continue
        deprecations.append(Deprecation((*path, key), key, new))
        if new not in raw:
            result[new] = value
            renamed[new] = key
    source = result.get("clone_from_ctid")
    if isinstance(source, int) and not isinstance(source, bool):
        result["clone_from_ctid"] = str(source)
    network = result.get("network_config")
    if isinstance(network, dict) and isinstance(network.get("nameservers"), str):
        result["network_config"] = {**network, "nameservers": re.split(r"[ ,;]+", network["nameservers"])}
    if isinstance(result.get("searchdomain"), str):
        result["searchdomain"] = re.split(r"[ ,;]+", result["searchdomain"])
    dependencies = result.get("dependencies")
    if isinstance(dependencies, list):
        result["dependencies"] = [str(item) if isinstance(item, int) else item for item in dependencies]
    return result, renamed


def _container(ctid: str, own: dict[str, Any], renamed: Mapping[str, str], defaults: Mapping[str, Any]) -> Container:
    if any(key in own for key in _ORIGINS):
        defaults = {key: value for key, value in defaults.items() if key not in _ORIGINS}
    inherited: list[Pointer] = []
    for key, value in defaults.items():
        mine = own.get(key)
        if key not in own:
            inherited.append((key,))
        elif isinstance(mine, dict) and isinstance(value, dict):
            inherited.extend((key, inner) for inner in value if inner not in mine)
    return Container(ctid, merge(defaults, own), frozenset(inherited), renamed)
