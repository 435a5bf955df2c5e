# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two JSON files of what was read from the nodes.

Validation is the judge: what it refuses is left out with a note, so that the files that are written are always valid.
A key that is left out is not managed, so no run changes what it stands for.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.importing.defaults import factored
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.importing.read_host import NOT_READ
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import Source, validate
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer, to_pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse

CONTAINERS, HOST = "phoenix_lxc_configs.json", "hypervisor_config.json"
_ROUNDS = 1000
"""At most as many findings are resolved; each round removes something."""


class ImportConflictError(ValueError):
    """What was read of several nodes does not fit into one file."""


@dataclass(frozen=True)
class Assembled:
    """The documents of the two files, and what is not in them, a line each."""

    containers: dict[str, Any]
    host: dict[str, Any]
    notes: tuple[str, ...]

    def texts(self) -> dict[str, str]:
        """File name -> its text."""
        return {CONTAINERS: _text(self.containers), HOST: _text(self.host)}


def assemble(
    found: Mapping[str, Mapping[str, Any]], nodes: tuple[str, ...], schemas: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> Assembled:
    """The files of what each node was read as. Raises ImportConflictError.

    Args:
        found: inventory name of each node -> what phoenix_import_info returned for it.
        nodes: all nodes of the inventory.
        schemas: those of the containers' file and of the host's.
    """
    notes: list[str] = []
    homes: dict[str, str] = {}
    configs: dict[str, dict[str, Any]] = {}
    for node, answer in found.items():
        for ctid, item in (answer.get("containers") or {}).items():
            if ctid in homes:
                raise ImportConflictError(
                    f"CTID {ctid} exists on {homes[ctid]} and on {node}, and one file has each CTID once. Import the "
                    "nodes one after another, each with an inventory source of its own"
                )
            homes[ctid] = node
            notes += [f"container {ctid}: {note}" for note in item.get("notes") or ()]
            own = {"node": node} if len(nodes) > 1 else {}
            if item.get("config"):
                configs[ctid] = {**item["config"], **own}
    document: dict[str, Any] = {"lxc_configs": {ctid: configs[ctid] for ctid in sorted(configs, key=int)}}
    host = _shared_sections(found, notes)
    judge = _Judge(nodes, schemas)
    judge.fit(document, host, notes)
    defaults, rest = factored(document["lxc_configs"])
    short = {**({"lxc_defaults": defaults} if defaults else {}), "lxc_configs": rest}
    if judge.findings(short, host):
        short = document  # a default that validation doesn't take everywhere
    notes.append(f"host: {', '.join(NOT_READ)} are not read, and so not managed")
    return Assembled(short, host, tuple(notes))


class _Judge:
    """Validation, as every run makes it."""

    def __init__(self, nodes: tuple[str, ...], schemas: tuple[Mapping[str, Any], Mapping[str, Any]]) -> None:
        self.nodes, self.schemas = nodes, schemas

    def findings(self, document: Mapping[str, Any], host: Mapping[str, Any]) -> tuple[Finding, ...]:
        """Everything that is wrong with the two documents."""
        sources = [
            Source(name, parse(_text(value).encode()), schema)
            for name, value, schema in zip((CONTAINERS, HOST), (document, host), self.schemas, strict=True)
        ]
        return validate(sources[0], sources[1], self.nodes).findings

    def fit(self, document: dict[str, Any], host: dict[str, Any], notes: list[str]) -> None:
        """Remove from both documents what validation refuses, and note it."""
        for _round in range(_ROUNDS):
            found = self.findings(document, host)
            if not found:
                return
            finding = found[0]
            path = _removed(document if finding.file == CONTAINERS else host, finding.path)
            notes.append(f"{finding.file} {to_pointer(path)} is left out: {finding.got}, expected {finding.expected}")


def _removed(document: dict[str, Any], path: Pointer) -> Pointer:
    """Remove what stands at a path, or the nearest thing above it that is not a whole file. Returns its path."""
    least = 2 if path[:1] == ("lxc_configs",) else 1
    for length in range(len(path), least - 1, -1):
        place: Any = document
        for part in path[: length - 1]:
            place = place[part] if _has(place, part) else None
        if _has(place, path[length - 1]):
            del place[path[length - 1]]
            return path[:length]
    key = "lxc_configs" if "lxc_configs" in document else next(iter(document))
    document[key] = {}
    return (key,)


def _has(place: Any, part: Any) -> bool:
    if isinstance(place, Mapping):
        return part in place
    return isinstance(place, list) and isinstance(part, int) and part < len(place)


def _shared_sections(found: Mapping[str, Mapping[str, Any]], notes: list[str]) -> dict[str, Any]:
    """The sections that all nodes have alike: the host's file is for all of them."""
    for node, answer in found.items():
        notes += [f"node {node}: {note}" for note in answer.get("notes") or ()]
    hosts = [answer.get("host") or {} for answer in found.values()]
    result: dict[str, Any] = {}
    for key, value in (hosts[0] if hosts else {}).items():
        if all(host.get(key) == value for host in hosts):
            result[key] = copy.deepcopy(value)
        else:
            notes.append(f"host: {key} differs between the nodes, and is left out")
    return result


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
