# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the node's own network and firewall: what PVE would refuse, or would cut everybody off with."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import canonical
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.network.firewall_checks import (
    rules_faults,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.network.interface_checks import (
    address_fault,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer, show
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostinterfaces import kind, words
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostrules import set_entry_text

CHECKS = check = Checks()

# Keys that only interfaces of one type have, with that type and the key that makes it one.
_OF_TYPE = {
    "bridge_ports": "bridge",
    "vlan_aware": "bridge",
    "vlan_ids": "bridge",
    "bond_slaves": "bond",
    "bond_mode": "bond",
    "bond_primary": "bond",
    "bond_hash_policy": "bond",
    "vlan_device": "vlan",
    "vlan_tag": "vlan",
    "ovs_ports": "OVSBridge",
    "ovs_bonds": "OVSBond",
}
_MOST_SERVERS = 3


def _finding(subject: Subject, path: Pointer, value: Any, expected: str, remedy: str) -> Finding:
    got = show(path, value, subject.hypervisor_file in subject.hidden)
    return Finding(subject.hypervisor_file, path, got, expected, remedy)


def _interfaces(subject: Subject) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    """(where it stands, the interface), those with a name."""
    network = subject.hypervisor.get("network")
    given = network.get("interfaces") if isinstance(network, dict) else None
    base: Pointer = ("network", "interfaces")
    items = list(enumerate(given)) if isinstance(given, list) else [(None, given)]
    for index, item in items:
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            yield (base if index is None else (*base, index)), item


@check
def interfaces_once(subject: Subject) -> Iterator[Finding]:
    """No interface is described twice, and no port belongs to two."""
    names: dict[str, Pointer] = {}
    ports: dict[str, str] = {}
    for path, item in _interfaces(subject):
        if names.setdefault(item["name"], path) != path:
            remedy = "Describe each interface once."
            yield _finding(subject, (*path, "name"), item["name"], "a name that no other interface has", remedy)
        for key in ("bridge_ports", "bond_slaves"):
            for port in words(item[key]) if isinstance(item.get(key), (str, list)) else ():
                where = (*path, key)
                if port == item["name"]:
                    yield _finding(subject, where, port, "other interfaces", "Remove the interface's own name.")
                elif port != "none" and ports.setdefault(port, item["name"]) != item["name"]:
                    remedy = "Remove it from one of the two."
                    yield _finding(subject, where, port, f"a port that {ports[port]} doesn't have", remedy)


@check
def keys_of_the_type(subject: Subject) -> Iterator[Finding]:
    """A bridge has the keys of a bridge, a bond those of a bond."""
    for path, item in _interfaces(subject):
        try:
            own = kind(item)
        except TypeError:
            continue  # the schema has told
        for key, owner in _OF_TYPE.items():
            if key in item and own and own != owner:
                remedy = f"Remove {key}, or describe the {owner} as an interface of its own."
                yield _finding(subject, (*path, key), item[key], f"a {owner}, and this is a {own}", remedy)


@check
def addresses_and_gateways(subject: Subject) -> Iterator[Finding]:
    """A gateway lies in the interface's subnet, and is not the node itself; one interface has it."""
    owners: dict[str, str] = {}
    for path, item in _interfaces(subject):
        for suffix in ("", "6"):
            for part in ("address" + suffix, "gateway" + suffix):
                # The loopback interface has the addresses that no other one can have.
                fault = None if item["name"] == "lo" else address_fault(str(item.get(part, "")))
                if fault is not None:
                    expected = f"the address of a host, not {fault}"
                    remedy = "Write an address that a host can have in its subnet."
                    yield _finding(subject, (*path, part), item[part], expected, remedy)
            key = "gateway" + suffix
            try:
                gateway = ipaddress.ip_address(str(item[key]))
                text = str(item.get("address" + suffix, ""))
                own = ipaddress.ip_interface(text) if "/" in text else None
            except (KeyError, ValueError):
                continue  # absent, or the schema has told
            where = (*path, key)
            if owners.setdefault(key, item["name"]) != item["name"]:
                remedy = "A node has one default gateway: remove one of the two."
                yield _finding(subject, where, item[key], f"one gateway ({owners[key]} has one)", remedy)
            unusable = address_fault(str(gateway)) is not None  # another finding
            if own is not None and not unusable and (gateway not in own.network or gateway == own.ip):
                expected = "another address of the interface's own subnet"
                yield _finding(subject, where, item[key], expected, "Correct the gateway, the address or its length.")


@check
def name_servers(subject: Subject) -> Iterator[Finding]:
    """Name servers are addresses, three at most in all."""
    seen: list[str] = []
    for path, item in _interfaces(subject):
        given = item.get("dns_nameservers")
        for one in words(given) if isinstance(given, (str, list)) else ():
            where = (*path, "dns_nameservers")
            try:
                ipaddress.ip_address(one)
            except ValueError:
                yield _finding(subject, where, one, "addresses of name servers", "Write addresses, not names.")
                continue
            if one not in seen:
                seen.append(one)
                if len(seen) == _MOST_SERVERS + 1:
                    expected = f"{_MOST_SERVERS} name servers at most in all"
                    yield _finding(subject, where, one, expected, "Remove some: more than three are never asked.")


@check
def firewall_rules(subject: Subject) -> Iterator[Finding]:
    """Each rule of the datacenter, the node and the groups is one that PVE takes."""
    firewall = subject.hypervisor.get("firewall")
    if not isinstance(firewall, dict):
        return
    node, groups = firewall.get("node"), firewall.get("groups")
    lists: list[tuple[Pointer, Any]] = [(("firewall", "rules"), firewall.get("rules"))]
    lists.append((("firewall", "node", "rules"), node.get("rules") if isinstance(node, dict) else None))
    for name, rules in groups.items() if isinstance(groups, dict) else ():
        lists.append((("firewall", "groups", name), rules))
        for index, item in enumerate(rules if isinstance(rules, list) else []):
            if isinstance(item, dict) and item.get("type") == "group":
                path: Pointer = ("firewall", "groups", name, index, "type")
                yield _finding(subject, path, "group", "in or out", "Name the rules themselves: groups don't nest.")
    for path, rules in lists:
        yield from rules_faults(subject.hypervisor_file, path, rules, subject.hidden)


@check
def firewall_addresses(subject: Subject) -> Iterator[Finding]:
    """Networks, aliases and entries of IP sets are written as PVE accepts them."""
    firewall = subject.hypervisor.get("firewall")
    firewall = firewall if isinstance(firewall, dict) else {}
    management, aliases = firewall.get("management"), firewall.get("aliases")
    places: list[tuple[Pointer, Any]] = []
    if isinstance(management, list):
        places += [(("firewall", "management", number), text) for number, text in enumerate(management)]
    for name, value in aliases.items() if isinstance(aliases, dict) else ():
        path: Pointer = ("firewall", "aliases", name)
        inside = isinstance(value, dict)
        places.append(((*path, "cidr"), value.get("cidr")) if inside else (path, value))
    for where, text in places:
        try:
            canonical.check_network(str(text))
        except ValueError as error:
            if isinstance(text, str):
                yield _refused(subject, where, text, "an address or a network", error)


@check
def firewall_sets(subject: Subject) -> Iterator[Finding]:
    """An IP set has each entry once, and none that PVE refuses."""
    firewall = subject.hypervisor.get("firewall")
    sets = firewall.get("ipsets") if isinstance(firewall, dict) else None
    aliases = firewall.get("aliases") if isinstance(firewall, dict) else None
    wide = {
        canonical.name(name)
        for name, value in (aliases.items() if isinstance(aliases, dict) else ())
        if canonical.network(str(value.get("cidr") if isinstance(value, dict) else value)).endswith("/0")
    }
    for name, entries in sets.items() if isinstance(sets, dict) else ():
        seen: dict[str, int] = {}
        for number, one in enumerate(entries if isinstance(entries, list) else ()):
            if not isinstance(one, str) and not (isinstance(one, dict) and isinstance(one.get("cidr"), str)):
                continue  # the schema reports it
            entry = set_entry_text(one)
            where: Pointer = ("firewall", "ipsets", name, number)
            try:
                canonical.check_set_entry(entry)
            except ValueError as error:
                yield _refused(subject, where, entry, "an address, a network or an alias", error)
                continue
            bare = canonical.set_entry(entry).lstrip("!")
            if bare.rpartition("/")[2] in wide:
                remedy = "Remove it: PVE refuses an alias with the prefix length 0 in an IP set."
                yield _finding(subject, where, entry, "an alias of a smaller network", remedy)
            if seen.setdefault(bare, number) != number:
                expected = f"an address that entry {seen[bare]} of the set does not have"
                yield _finding(subject, where, entry, expected, "Remove one of the two.")


@check
def firewall_names(subject: Subject) -> Iterator[Finding]:
    """PVE reads the names of groups, IP sets and aliases in lower case."""
    firewall = subject.hypervisor.get("firewall")
    for part in ("groups", "ipsets", "aliases"):
        given = firewall.get(part) if isinstance(firewall, dict) else None
        seen: dict[str, str] = {}
        for name in given if isinstance(given, dict) else ():
            if seen.setdefault(canonical.name(name), name) != name:
                expected = f"a name that differs from {seen[canonical.name(name)]} in more than upper and lower case"
                yield _finding(subject, ("firewall", part, name), name, expected, "Rename one of the two.")


def _refused(subject: Subject, where: Pointer, text: str, expected: str, error: ValueError) -> Finding:
    hidden = subject.hypervisor_file in subject.hidden
    advice = "write it as PVE accepts it" if hidden else str(error)
    return _finding(subject, where, text, expected, f"{advice[:1].upper()}{advice[1:]}.")
