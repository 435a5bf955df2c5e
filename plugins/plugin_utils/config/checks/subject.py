# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a schema can't say: the checks between keys, containers and files. Those of clones, GPUs, network and storage
have a module each; `validation` names the modules. To add one, write a function under `@check`.

A check sees the file even when the schema has refused parts of it, so it assumes no type.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer, show
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container, Fleet, cycles


@dataclass(frozen=True)
class Subject:
    """What is checked: the fleet, the hypervisor configuration, the nodes of the inventory source, how the files are
    called, and the servers whose keys containers can have.
    """

    fleet: Fleet
    hypervisor: Mapping[str, Any]
    nodes: tuple[str, ...] | None
    lxc_file: str
    hypervisor_file: str
    hidden: frozenset[str] = field(default_factory=frozenset)
    servers: tuple[Server, ...] = ()

    def at(self, path: Pointer, got: str, expected: str, remedy: str, nearest: str | None = None) -> Finding:
        """A finding in the file of the containers."""
        return Finding(self.lxc_file, path, got, expected, remedy, nearest)

    def show(self, path: Pointer, value: Any) -> str:
        """A value as a finding may show it."""
        return show(path, value, self.lxc_file in self.hidden)


Check = Callable[[Subject], Iterator[Finding]]


class Checks(list[Check]):
    """The checks of one module; its instance is the decorator that adds one."""

    def __call__(self, function: Check) -> Check:
        """Add a check to those that every validation makes."""
        self.append(function)
        return function


CHECKS = check = Checks()


@check
def has_origin(subject: Subject) -> Iterator[Finding]:
    """Each container is created from a template, cloned or restored: one of the three is named."""
    for ctid, container in subject.fleet.containers.items():
        if container.absent:
            continue
        named = [key for key in ("template", "clone_from_ctid", "restore_from") if key in container.config]
        expected = "one of template, clone_from_ctid and restore_from"
        if not named:
            remedy = "Add clone_from_ctid, a template such as local:vztmpl/FILE, or a backup in restore_from."
            yield subject.at(("lxc_configs", ctid), "no template, clone_from_ctid or restore_from", expected, remedy)
        elif "restore_from" in named and len(named) > 1:
            path, remedy = container.place("restore_from"), "Remove all but one of them."
            yield subject.at(path, f"restore_from beside {named[0]}", expected, remedy)


@check
def acyclic_dependencies(subject: Subject) -> Iterator[Finding]:
    """No container depends, over any number of steps, on itself."""
    edges: dict[str, list[str]] = {}
    for ctid, container in subject.fleet.containers.items():
        wanted = container.config.get("dependencies")
        edges[ctid] = []
        for other in wanted if isinstance(wanted, list) else []:
            if not isinstance(other, str):
                continue  # the schema says so
            if other in subject.fleet.containers:
                edges[ctid].append(other)  # a guest that the file has not is looked for on the node
    for cycle in cycles(edges):
        container = subject.fleet.containers[cycle[0]]
        yield subject.at(
            container.place("dependencies"),
            "a cycle: " + " depends on ".join(cycle + cycle[:1]),
            "dependencies without a cycle",
            "Remove one of them.",
        )


@check
def unique_names(subject: Subject) -> Iterator[Finding]:
    """No two containers have the same host name; case does not tell names apart."""
    yield from unique(subject, "name", "name", lambda container: (container.name or "").lower())


@check
def known_node(subject: Subject) -> Iterator[Finding]:
    """Each container is on a node of the inventory source; with several nodes it says which."""
    nodes = subject.nodes
    if not nodes:
        return
    for ctid, container in subject.fleet.containers.items():
        node = container.config.get("node")
        if node is None and len(nodes) > 1:
            yield subject.at(
                ("lxc_configs", ctid),
                "no node",
                "the node it is on: the inventory source names {}".format(", ".join(nodes)),
                f'Add "node": {json.dumps(nodes[0])}.',
            )
        elif isinstance(node, str) and node not in nodes:
            path = container.place("node")
            yield subject.at(
                path,
                subject.show(path, node),
                "a node of the inventory source: {}".format(", ".join(nodes)),
                "Name one of them, or add the node to the inventory source.",
            )


def unique(subject: Subject, key: str, what: str, value_of: Callable[[Container], str]) -> Iterator[Finding]:
    """Findings about a second container with the same value; one that is to be removed makes room for another."""
    first: dict[str, Container] = {}
    for container in subject.fleet.containers.values():
        value = value_of(container)
        if not value or container.absent or (key,) in container.inherited:
            continue  # the schema refuses these keys in lxc_defaults
        other = first.setdefault(value, container)
        if other is not container:
            path = container.place(key)
            yield subject.at(
                path,
                subject.show(path, container.config[key]),
                f"a {what} of its own ({other.ctid} has it)",
                f"Give one of the two another {what}.",
            )
