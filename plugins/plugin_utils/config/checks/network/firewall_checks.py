# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the rules of a firewall: what PVE would refuse one rule at a time, half of them set already.

What a rule may say follows pve-firewall (public source, PVE/Firewall.pm). Aliases, IP sets and security groups live in
the datacenter's firewall and are left to PVE.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import canonical
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.fwfile import TYPES, Rule, rule_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer, show

CHECKS = check = Checks()

# PVE's macros: what `pvesh get /cluster/firewall/macros` lists on PVE 8 and 9.
MACROS = re.findall(
    r"\S+",
    """Amanda Auth BGP BitTorrent BitTorrent32 Ceph CVS Citrix DAAP DCC DHCPfwd DHCPv6 DNS Distcc FTP Finger GNUnet
GRE Git HKP HTTP HTTPS ICPV2 ICQ IMAP IMAPS IPIP IPsec IPsecah IPsecnat IRC Jetdirect L2TP LDAP LDAPS MSNP MSSQL Mail
MDNS Munin MySQL NNTP NNTPS NTP NeighborDiscovery OSPF OpenVPN PBS PCA PMG POP3 POP3S PPtP Ping PostgreSQL Printer RDP
RIP RNDC Razor Rdate Rsync SANE SMB SMBswat SMTP SMTPS SNMP SPAMD SSH SVN SixXS SPICEproxy Squid Submission Syslog TFTP
Telnet Telnets Time Trcrt VNC VNCL Web Webcache Webmin Whois""",
)
# Debian's /etc/protocols; a number from 0 to 255 is a protocol too.
PROTOCOLS = re.findall(
    r"\S+",
    """ip icmp igmp ggp ipencap st tcp egp igp pup udp hmp xns-idp rdp iso-tp4 dccp xtp ddp idpr-cmtp ipv6
ipv6-route ipv6-frag idrp rsvp gre esp ah skip ipv6-icmp icmpv6 ipv6-nonxt ipv6-opts rspf vmtp eigrp ospf ax.25 ipip
etherip encap pim ipcomp vrrp l2tp isis sctp fc mobility-header udplite mpls-in-ip manet hip shim6 wesp rohc
ethernet""",
)
WITH_PORTS = frozenset(("tcp", "udp", "sctp", "dccp", "udplite", "6", "17", "132", "33", "136"))
ICMP = frozenset(("icmp", "icmpv6", "ipv6-icmp", "1", "58"))


@check
def rules_that_pve_takes(subject: Subject) -> Iterator[Finding]:
    """Each rule of a container's firewall is one that PVE takes, and none is there both on and off."""
    for container in subject.fleet.containers.values():
        section = container.config.get("firewall")
        rules = section.get("rules") if isinstance(section, dict) else None
        yield from rules_faults(subject.lxc_file, container.place("firewall", "rules"), rules, subject.hidden)


def rules_faults(file: str, path: Pointer, rules: Any, hidden: Collection[str]) -> Iterator[Finding]:
    """What is wrong with a list of rules, wherever it stands; what the schema has told is left out."""
    seen: dict[tuple[str, ...], tuple[int, bool]] = {}
    for index, item in enumerate(rules if isinstance(rules, list) else []):
        if not isinstance(item, str) and not _is_whole(item):
            continue  # the schema has told
        place = _Place(file, (*path, index), item, file in hidden)
        try:
            rule = rule_of(item)
        except ValueError as error:
            yield place.finding(
                "",
                "(not shown)" if place.hidden else str(error),
                "a rule such as IN ACCEPT -p tcp -dport 8000",
                "Correct the rule; " + _KINDS,
            )
            continue
        yield from _faults(place, rule, item)
        first, enabled = seen.setdefault(rule.key, (index, rule.enable))
        if enabled != rule.enable:
            yield place.finding(
                "",
                f"the same rule as rules/{first}, one of them on and one off",
                "each rule once",
                "Remove one of the two: PVE goes by the first that matches and is on.",
            )


_KINDS = "a direction (in, out) with ACCEPT, DROP or REJECT, or group with the name of a security group."


def _is_whole(item: Any) -> bool:
    """Whether a rule's object has what the schema asks of every rule."""
    kind, action = (item.get("type"), item.get("action")) if isinstance(item, dict) else (None, None)
    return isinstance(kind, str) and kind.lower() in TYPES and isinstance(action, str)


class _Place:
    """Where a rule stands, and how a finding about it is made."""

    def __init__(self, file: str, path: Pointer, item: Any, hidden: bool) -> None:
        self._file = file
        self._path = path
        self._item = item
        self.hidden = hidden  # encrypted: no value may be shown

    def finding(self, key: str, got: str, expected: str, remedy: str, nearest: str | None = None) -> Finding:
        """About a key of the rule, or about the whole rule when it is one line or the key is not there."""
        inside = isinstance(self._item, dict) and key in self._item
        path = (*self._path, key) if inside else self._path
        return Finding(self._file, path, got, expected, remedy, nearest)

    def value(self, key: str, value: str, expected: str, remedy: str, nearest: str | None = None) -> Finding:
        """About the value of a key."""
        return self.finding(key, show((*self._path, key), value, self.hidden), expected, remedy, nearest)


def _faults(place: _Place, rule: Rule, item: Any) -> Iterator[Finding]:
    if isinstance(item, dict) and item.get("port") and item.get("dport") and str(item["port"]) != str(item["dport"]):
        got = "port and dport with different values"
        yield place.finding("port", got, "one of the two", "Remove port: it is another name of dport.")
    if rule.macro and rule.macro.lower() not in {name.lower() for name in MACROS}:
        near = next(iter(difflib.get_close_matches(rule.macro, MACROS, 1, 0.5)), None)
        remedy = "Name a macro that `pvesh get /cluster/firewall/macros` lists, or write proto and dport instead."
        yield place.value("macro", rule.macro, "a macro of PVE", remedy, near)
    yield from _protocol(place, rule)
    for key in ("dport", "sport"):
        yield from _ports(place, rule, key if not isinstance(item, dict) or key in item else "port", getattr(rule, key))
    versions = {4 if rule.proto == "icmp" else 6} if rule.proto in ("icmp", "icmpv6", "ipv6-icmp") else set()
    for key in ("source", "dest"):
        text = getattr(rule, key)
        try:
            versions |= canonical.check_addresses(text) if text else set()
        except ValueError as error:
            expected = "addresses or networks with commas between, a range, an alias, or +SET"
            yield place.value(key, text, expected, _remedy(error, place.hidden, "write it as PVE accepts it"))
    if len(versions) > 1:
        yield place.finding("", "IPv4 and IPv6 in one rule", "one of the two", "Write a rule for each of them.")


def _is_unknown(protocol: str) -> bool:
    numeric = protocol.isdigit() and int(protocol) < 256
    return bool(protocol) and protocol not in PROTOCOLS and not numeric


def _protocol(place: _Place, rule: Rule) -> Iterator[Finding]:
    if _is_unknown(rule.proto):
        if rule.proto != rule.proto.lower():
            return  # which the schema names
        near = next(iter(difflib.get_close_matches(rule.proto, PROTOCOLS, 1, 0.5)), None)
        yield place.value(
            "proto", rule.proto, "a protocol such as tcp, udp or icmp", "Name one of /etc/protocols.", near
        )
    elif rule.icmp_type and rule.proto not in ICMP:
        remedy = 'Add "proto": "icmp" (or "icmpv6"), or remove icmp_type.'
        yield place.value("icmp_type", rule.icmp_type, "a rule with the protocol icmp or icmpv6", remedy)


def _ports(place: _Place, rule: Rule, key: str, text: str) -> Iterator[Finding]:
    if not text or _is_unknown(rule.proto):
        return
    if rule.proto not in WITH_PORTS and not (rule.proto in ICMP and key != "sport"):
        expected = "a rule with a protocol that has ports"
        yield place.value(key, text, expected, 'Add "proto": "tcp" or "udp"; a macro brings its own ports.')
        return
    try:
        canonical.check_ports(text)
    except ValueError as error:
        expected = "ports and ranges that PVE accepts, such as 8000:8010"
        yield place.value(key, text, expected, _remedy(error, place.hidden, "correct the list of ports"))


def _remedy(error: ValueError, hidden: bool, instead: str) -> str:
    """What to do; where the file is encrypted without the value."""
    advice = instead if hidden else str(error)
    return f"{advice[:1].upper()}{advice[1:]}."
