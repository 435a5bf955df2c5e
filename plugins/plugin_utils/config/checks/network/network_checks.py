# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of addresses, gateways and interfaces."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import forms
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.network.interface_checks import (
    address_fault,
    is_reachable,
    subnet_fault,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container, Fleet

CHECKS = check = Checks()

MOST_NAME_SERVERS = 3


@check
def name_servers_are_addresses(subject: Subject) -> Iterator[Finding]:
    """PVE takes no names of name servers, and resolv.conf no more than three addresses."""
    for container in subject.fleet.containers.values():
        network = container.config.get("network_config")
        servers = network.get("nameservers") if isinstance(network, dict) else None
        path = container.place("network_config", "nameservers")
        for number, server in enumerate(servers if isinstance(servers, list) else ()):
            if number == MOST_NAME_SERVERS:
                expected = f"{MOST_NAME_SERVERS} name servers at most"
                yield subject.at(path, subject.show(path, server), expected, "Remove some: more are never asked.")
            if isinstance(server, str) and not _is_address(server):
                yield subject.at(path, subject.show(path, server), "an address", "Write addresses, not names.")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@check
def one_address(subject: Subject) -> Iterator[Finding]:
    """`static_ip` and `network_config.ip`, where both are there, say the same."""
    for container in subject.fleet.containers.values():
        static, network = container.text("static_ip"), container.config.get("network_config")
        ip = network.get("ip") if isinstance(network, dict) else None
        if static is None or ("/" not in static and static not in forms.ADDRESS_WORDS):
            continue  # the latter is another finding
        if isinstance(ip, str) and forms.address(static) != forms.address(ip):
            path = container.place("static_ip")
            yield subject.at(
                path,
                subject.show(path, static),
                f"the same as network_config.ip ({subject.show(path, ip)})",
                "Remove static_ip, or make the two equal.",
            )


@check
def network_has_bridge(subject: Subject) -> Iterator[Finding]:
    """A network interface names its bridge, unless it has that of its clone source or backup."""
    for ctid, container in subject.fleet.containers.items():
        network = container.config.get("network_config")
        if isinstance(network, dict) and "bridge" not in network and not _has_source_bridge(subject.fleet, ctid):
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
def no_inherited_address(subject: Subject) -> Iterator[Finding]:
    """A clone does not come up with the static address of its source."""
    for ctid, container in subject.fleet.containers.items():
        if container.address is not None or container.absent:
            continue
        source = next((one for one in subject.fleet.ancestors(ctid) if one.address is not None), None)
        if source is None or _host_address(source.address) is None:
            continue
        address = subject.show(_address_place(source), source.address)
        yield subject.at(
            ("lxc_configs", ctid),
            f"no address of its own, so that it would have that of {source.ctid} ({address})",
            "network_config.ip of its own, or dhcp",
            'Add "ip" to its network_config, for example "dhcp".',
        )


@check
def gateway_in_subnet(subject: Subject) -> Iterator[Finding]:
    """The gateway is another host of the container's subnet."""
    for ctid, container in subject.fleet.containers.items():
        address, gateway = _interface(container.address), _gateway(subject.fleet, ctid)
        if address is None:
            continue
        path = _address_place(container)
        if gateway is None or address_fault(str(gateway)) is not None:
            continue  # the latter is another finding
        fault = subnet_fault(ipaddress.ip_interface(gateway), address)
        if not is_reachable(address, gateway):
            yield subject.at(
                path,
                subject.show(path, container.address),
                f"an address in the subnet of its gateway {_hidden(subject, gateway)}",
                "Correct the address, its prefix length, or gw.",
            )
        elif gateway == address.ip:
            yield subject.at(
                path,
                subject.show(path, container.address),
                "an address other than the gateway's",
                "Correct the address or gw.",
            )
        elif fault is not None:
            yield subject.at(
                path,
                subject.show(path, container.address),
                f"an address in a subnet in which the gateway {_hidden(subject, gateway)} is a host, not {fault}",
                "Correct the address, its prefix length, or gw.",
            )


def _has_source_bridge(fleet: Fleet, ctid: str) -> bool:
    """Whether the interface has the bridge of its origin: a source of the file says it, or the file has no origin."""
    if "restore_from" in fleet.containers[ctid].config:
        return True
    if fleet.containers[ctid].source is None:
        return False
    return not fleet.has_all_sources(ctid) or any(_network(one).get("bridge") for one in fleet.ancestors(ctid))


def _network(container: Container) -> dict[str, Any]:
    network = container.config.get("network_config")
    return network if isinstance(network, dict) else {}


def _gateway(fleet: Fleet, ctid: str) -> ipaddress.IPv4Address | None:
    """The gateway that the container will have, its source's where it names none."""
    for container in (fleet.containers[ctid], *fleet.ancestors(ctid)):
        value = _network(container).get("gw")
        if value is not None:
            try:
                return ipaddress.IPv4Address(value) if isinstance(value, str) else None
            except ValueError:
                return None
    return None


def _interface(address: str | None) -> ipaddress.IPv4Interface | None:
    try:
        return ipaddress.IPv4Interface(address) if address and "/" in address else None
    except ValueError:
        return None


def _host_address(address: str | None) -> str | None:
    interface = _interface(address)
    return None if interface is None else str(interface.ip)


def _hidden(subject: Subject, value: object) -> str:
    return "(not shown)" if subject.lxc_file in subject.hidden else str(value)


def _address_place(container: Container) -> Pointer:
    inside = "ip" in _network(container)
    return container.place("network_config", "ip") if inside else container.place("static_ip")
