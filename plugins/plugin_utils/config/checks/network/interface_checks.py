# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of all interfaces of a container: names, MAC addresses, IPv6, and the addresses of the further ones."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import forms
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container

CHECKS = check = Checks()

Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface
FAMILIES = (("ip", "gw"), ("ip6", "gw6"))


@dataclass(frozen=True)
class Interface:
    """One interface as the file has it, and the path of its object in the container."""

    container: Container
    path: Pointer
    keys: Mapping[str, Any]

    def text(self, key: str) -> str | None:
        """The value of a key that holds text, else None."""
        value = self.keys.get(key)
        return value if isinstance(value, str) else None

    def place(self, key: str) -> Pointer:
        """Where one of its keys stands in the file."""
        return self.container.place(*self.path, key)

    @property
    def is_first(self) -> bool:
        """Whether it is net0."""
        return self.path == ("network_config",)


def interfaces(container: Container) -> Iterator[Interface]:
    """The interfaces of a container, the first one first."""
    first, further = container.config.get("network_config"), container.config.get("networks")
    if isinstance(first, Mapping):
        yield Interface(container, ("network_config",), first)
    for index, item in enumerate(further if isinstance(further, list) else ()):
        if isinstance(item, Mapping):
            yield Interface(container, ("networks", index), item)


def _all(subject: Subject) -> Iterator[Interface]:
    for container in subject.fleet.containers.values():
        yield from interfaces(container)


@check
def unique_interface_names(subject: Subject) -> Iterator[Finding]:
    """No two interfaces of a container have the same name."""
    for container in subject.fleet.containers.values():
        seen: set[str] = set()
        for one in interfaces(container):
            name = one.text("name") or ("eth0" if one.is_first else "")
            if name and name in seen:
                path = one.place("name")
                got, remedy = subject.show(path, name), "Give it another name, such as eth1."
                yield subject.at(path, got, "a name that no other interface of the container has", remedy)
            seen.add(name)


@check
def unique_mac_addresses(subject: Subject) -> Iterator[Finding]:
    """No two interfaces have the same MAC address, and the two keys for that of net0 say the same."""
    first: dict[str, tuple[str, Pointer]] = {}
    for container in subject.fleet.containers.values():
        # The schema refuses it in lxc_defaults.
        own = None if ("mac_address",) in container.inherited else container.text("mac_address")
        places: list[tuple[Pointer, str | None, Pointer]] = [
            (container.place("mac_address"), own, ("network_config",)),
        ]
        places += [(one.place("mac_address"), one.text("mac_address"), one.path) for one in interfaces(container)]
        for path, value, card in places:
            if value is None or container.absent:
                continue
            if own is not None and path != places[0][0] and card == ("network_config",):
                if forms.mac(value) != forms.mac(own):
                    expected = f"the same as mac_address ({subject.show(places[0][0], own)})"
                    yield subject.at(path, subject.show(path, value), expected, "Remove one of the two.")
                continue
            other = first.setdefault(forms.mac(value), (container.ctid, path))
            if other != (container.ctid, path):
                expected = f"a MAC address of its own ({other[0]} has it)"
                yield subject.at(path, subject.show(path, value), expected, "Give one of the two another MAC address.")


@check
def unique_addresses(subject: Subject) -> Iterator[Finding]:
    """No two interfaces have the same address, whatever its prefix length."""
    first: dict[str, tuple[str, Pointer]] = {}
    for container in subject.fleet.containers.values():
        for path, value in () if container.absent else _addresses(container):
            host = forms.host(value) if "/" in value else ""
            if not host:
                continue
            other = first.setdefault(host, (container.ctid, path))
            if other != (container.ctid, path):
                expected = f"an address of its own ({other[0]} has it)"
                yield subject.at(path, subject.show(path, value), expected, "Give one of the two another address.")


def _addresses(container: Container) -> Iterator[tuple[Pointer, str]]:
    """(place, value) of the addresses of all interfaces, each once."""
    static, network = container.text("static_ip"), container.config.get("network_config")
    if static is not None and not (isinstance(network, Mapping) and "ip" in network):
        yield container.place("static_ip"), static
    for one in interfaces(container):
        for key, _gateway in FAMILIES:
            value = one.text(key)
            if value is not None:
                yield one.place(key), value


@check
def usable_addresses(subject: Subject) -> Iterator[Finding]:
    """An address or a gateway is one that a host can have. PVE takes any, and the guest has no network."""
    for container in subject.fleet.containers.values():
        places = [*_addresses(container)]
        for one in interfaces(container):
            places += [(one.place(key), value) for _address, key in FAMILIES if (value := one.text(key)) is not None]
        for path, value in places:
            fault = None if container.absent else address_fault(value)
            if fault is not None:
                remedy = "Write an address that a host can have in its subnet."
                yield subject.at(path, subject.show(path, value), f"the address of a host, not {fault}", remedy)


def address_fault(text: str) -> str | None:
    """What a text is besides an address that a host can have; None for such an address, and for what is no address.

    The first and the last address of an IPv4 subnet are known only with the prefix length.
    """
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        return None
    if interface.ip.is_multicast:
        return "a multicast address"
    if interface.ip.is_loopback:
        return "a loopback address"
    if interface.ip.is_unspecified or (interface.version == 4 and int(interface.ip) >> 24 == 0):
        return "an unspecified address"
    if str(interface.ip) == "255.255.255.255":
        return "the broadcast address of all networks"
    return subnet_fault(interface)


def subnet_fault(interface: Address, subnet: Address | None = None) -> str | None:
    """Whether an IPv4 address is its subnet's own or its broadcast, in words; None otherwise."""
    network = (subnet or interface).network
    if network.version == 6 or network.prefixlen > 30:
        return None
    if interface.ip == network.network_address:
        return "the address of the subnet itself"
    return "the broadcast address of the subnet" if interface.ip == network.broadcast_address else None


@check
def addresses_of_version_6(subject: Subject) -> Iterator[Finding]:
    """What stands for an IPv6 address is one; its form is more than a pattern can say."""
    for one in _all(subject):
        for key in ("ip6", "gw6"):
            value = one.text(key)
            if value is not None and value not in forms.ADDRESS_WORDS and not forms.host(value):
                path, example = one.place(key), "2001:db8::50/64" if key == "ip6" else "2001:db8::1"
                yield subject.at(path, subject.show(path, value), "an IPv6 address", f"Write one such as {example}.")


@check
def gateways(subject: Subject) -> Iterator[Finding]:
    """A gateway is another host of the interface's subnet; that of net0's IPv4 address is a check of its own."""
    for one in _all(subject):
        for key, gateway_key in FAMILIES:
            gateway = one.text(gateway_key)
            if gateway is None or (one.is_first and key == "ip"):
                continue
            if "/" in gateway or not forms.host(gateway):
                continue  # another finding
            fault = _gateway_fault(one.text(key), gateway)
            if fault is not None:
                path = one.place(gateway_key)
                yield subject.at(path, subject.show(path, gateway), fault, f"Correct {key} or {gateway_key}.")


@check
def one_default_gateway(subject: Subject) -> Iterator[Finding]:
    """One interface of a container has the default gateway of an IP version.

    PVE takes two of them, and writes two default routes into the guest: the second one fails to come up, or which of
    both counts is left to chance. An interface whose link is down has none, nor has one without a static address.
    """
    for container in subject.fleet.containers.values():
        first: dict[str, Interface] = {}
        for one in interfaces(container) if not container.absent else ():
            for address, key in FAMILIES:
                gateway, value = one.text(key), one.text(address)
                if gateway is None or value in forms.ADDRESS_WORDS or one.keys.get("link_down") is True:
                    continue
                if not one.is_first and _gateway_fault(value, gateway) is not None:
                    continue  # another finding
                other = first.setdefault(key, one)
                if other is not one:
                    path, where = one.place(key), "/".join(map(str, other.path))
                    got, expected = subject.show(path, gateway), f"one {key} in a container ({where} has it already)"
                    remedy = "Remove it here, and set routes to other networks inside the container."
                    yield subject.at(path, got, expected, remedy)


def _gateway_fault(value: str | None, gateway: str) -> str | None:
    """What a gateway should have been, None for a good one."""
    if value is None or value in forms.ADDRESS_WORDS:
        return None if value is not None else "an address beside the gateway"
    address, host = interface_of(value), ipaddress.ip_address(forms.host(gateway))
    if address is None:
        return None  # another finding
    if address_fault(gateway) is not None:
        return None  # another finding
    if host == address.ip:
        return "an address other than the interface's own"
    fault = subnet_fault(ipaddress.ip_interface(host), address)
    if fault is not None:
        return f"the address of a host, not {fault}"
    return None if is_reachable(address, host) else "a gateway in the subnet of the address"


def is_reachable(address: Address, gateway: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether a gateway is on the link: in the subnet, link-local, or any where the subnet is the address alone."""
    network = address.network
    return gateway in network or gateway.is_link_local or network.prefixlen == network.max_prefixlen


def interface_of(value: str) -> Address | None:
    """An address with its prefix length, None for anything else."""
    try:
        return ipaddress.ip_interface(value) if "/" in value else None
    except ValueError:
        return None


@check
def host_managed_addresses(subject: Subject) -> Iterator[Finding]:
    """The node sets no address by router advertisements (PVE facts, 'Differences between 8.4 and 9.2')."""
    for one in _all(subject):
        if one.keys.get("host_managed") is True and one.text("ip6") == "auto" and one.keys.get("link_down") is not True:
            path = one.place("ip6")
            remedy = "Write an address or dhcp, or remove host_managed."
            yield subject.at(path, subject.show(path, "auto"), "an address or dhcp, as host_managed is true", remedy)
