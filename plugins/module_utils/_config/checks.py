# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a schema can't say: the checks between keys, containers and files. To add one, write a function under `@check`.

A check sees the file even when the schema has refused parts of it, so it believes no type.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.finding import Finding, Pointer, show
from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.fleet import Container, Fleet, cycles


@dataclass(frozen=True)
class Subject:
    """What is checked: the fleet, the hypervisor configuration, the nodes of the inventory source, and how the
    files are called.
    """

    fleet: Fleet
    hypervisor: Mapping[str, Any]
    nodes: tuple[str, ...] | None
    lxc_file: str
    hypervisor_file: str
    hidden: frozenset[str] = field(default_factory=frozenset)

    def at(self, path: Pointer, got: str, expected: str, remedy: str, nearest: str | None = None) -> Finding:
        """A finding in the file of the containers."""
        return Finding(self.lxc_file, path, got, expected, remedy, nearest)

    def show(self, path: Pointer, value: Any) -> str:
        """A value as a finding may show it."""
        return show(path, value, self.lxc_file in self.hidden)


Check = Callable[[Subject], Iterator[Finding]]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Add a check to those that every validation makes."""
    CHECKS.append(function)
    return function


@check
def has_origin(subject: Subject) -> Iterator[Finding]:
    """Each container is created from a template or cloned: exactly one of the two is named."""
    for ctid, container in subject.fleet.containers.items():
        template, source = "template" in container.config, "clone_from_ctid" in container.config
        if template and source:
            yield subject.at(
                container.place("template"),
                "a template and a clone source",
                "one of template and clone_from_ctid",
                "Remove template to clone, or clone_from_ctid to create from the template.",
            )
        elif not template and not source and container.config.get("target_state") != "absent":
            yield subject.at(
                ("lxc_configs", ctid),
                "neither template nor clone_from_ctid",
                "one of template and clone_from_ctid",
                "Add clone_from_ctid, or a template such as local:vztmpl/FILE.",
            )


@check
def acyclic_clones(subject: Subject) -> Iterator[Finding]:
    """No container is cloned, over any number of steps, from itself."""
    for cycle in subject.fleet.clone_cycles():
        container = subject.fleet.containers[cycle[0]]
        yield subject.at(
            container.place("clone_from_ctid"),
            "a cycle: " + " is cloned from ".join(cycle + cycle[:1]),
            "a chain that ends in a template",
            "Create one of them from a template.",
        )


@check
def acyclic_dependencies(subject: Subject) -> Iterator[Finding]:
    """No container depends, over any number of steps, on itself; what it depends on is in the file."""
    edges: dict[str, list[str]] = {}
    for ctid, container in subject.fleet.containers.items():
        wanted = container.config.get("dependencies")
        edges[ctid] = []
        for index, other in enumerate(wanted if isinstance(wanted, list) else []):
            if other in subject.fleet.containers:
                edges[ctid].append(str(other))
            elif isinstance(other, str):
                path = container.place("dependencies", index)
                yield subject.at(
                    path,
                    subject.show(path, other),
                    "a CTID of this file",
                    "Add the container to lxc_configs, or remove the dependency.",
                )
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
    yield from _unique(subject, "name", "name", lambda container: (container.name or "").lower())


@check
def unique_mac_addresses(subject: Subject) -> Iterator[Finding]:
    """No two containers have the same MAC address."""
    yield from _unique(
        subject, "mac_address", "MAC address", lambda container: (container.text("mac_address") or "").lower()
    )


@check
def unique_addresses(subject: Subject) -> Iterator[Finding]:
    """No two containers have the same IPv4 address, whatever its prefix length."""
    first: dict[str, Container] = {}
    for container in subject.fleet.containers.values():
        address = _host_address(container.address)
        if address is None:
            continue
        path = _address_place(container)
        other = first.setdefault(address, container)
        if other is not container:
            yield subject.at(
                path,
                subject.show(path, container.address),
                f"an address of its own ({other.ctid} has it)",
                "Give one of the two another address.",
            )


@check
def one_address(subject: Subject) -> Iterator[Finding]:
    """`static_ip` and `network_config.ip`, where both are there, say the same."""
    for container in subject.fleet.containers.values():
        static, network = container.text("static_ip"), container.config.get("network_config")
        ip = network.get("ip") if isinstance(network, dict) else None
        if static is not None and isinstance(ip, str) and static != ip:
            path = container.place("static_ip")
            yield subject.at(
                path,
                subject.show(path, static),
                f"the same as network_config.ip ({subject.show(path, ip)})",
                "Remove static_ip, or make the two equal.",
            )


@check
def network_has_bridge(subject: Subject) -> Iterator[Finding]:
    """A network interface names its bridge."""
    for container in subject.fleet.containers.values():
        network = container.config.get("network_config")
        if isinstance(network, dict) and "bridge" not in network:
            yield subject.at(
                container.place("network_config"),
                "no bridge",
                "the bridge of the node that the interface is on",
                'Add "bridge", for example "vmbr0", here or in lxc_defaults.',
            )
        elif network is None and any(key in container.config for key in ("static_ip", "mac_address")):
            key = "static_ip" if "static_ip" in container.config else "mac_address"
            yield subject.at(
                container.place(key),
                f"{key} without network_config",
                "network_config with a bridge",
                'Add network_config with "bridge", here or in lxc_defaults.',
            )


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


def _unique(subject: Subject, key: str, what: str, value_of: Callable[[Container], str]) -> Iterator[Finding]:
    first: dict[str, Container] = {}
    for container in subject.fleet.containers.values():
        value = value_of(container)
        if not value or (key,) in container.inherited:
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


def _host_address(address: str | None) -> str | None:
    try:
        return str(ipaddress.IPv4Interface(address).ip) if address and "/" in address else None
    except ValueError:
        return None


def _address_place(container: Container) -> Pointer:
    network = container.config.get("network_config")
    return (
        container.place("network_config", "ip")
        if isinstance(network, dict) and "ip" in network
        else container.place("static_ip")
    )
