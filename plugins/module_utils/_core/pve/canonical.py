# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One form of each value that PVE accepts in several spellings: what is compared, and what PVE refuses.

The functions named after a value return its canonical form and pass on what they can't read. Those that begin with
``check`` raise ValueError with the remedy, as a sentence without its capital letter and period, where PVE refuses the
value. Read from the public source of pve-firewall (PVE/Firewall.pm): `/32` and `/128` are dropped, a network must not
have host bits, and the names of aliases, IP sets and groups are read in lower case.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Union

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

NAME = re.compile(r"(?:dc/|guest/)?[A-Za-z][A-Za-z0-9_-]+\Z")
SET = re.compile(r"\+(?:dc/|guest/|sdn/)?[A-Za-z][A-Za-z0-9_-]+\Z")
MOST_PORTS = 15  # numbers in one list of ports, a range counts as two
LAST_PORT = 65535
# Numbers and second names of the protocols that rules are written for.
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "33": "dccp", "58": "icmpv6", "132": "sctp", "136": "udplite"}
_PROTOCOLS["ipv6-icmp"] = "icmpv6"
_RANGE = re.compile(r"([0-9]+):([0-9]+)\Z")
_SERVICE = re.compile(r"(?=[a-z0-9-]*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*\Z")


def network(text: str) -> str:
    """Return an address or a network as PVE keeps it: `192.0.2.9/32` is `192.0.2.9`, IPv6 is short and lower case."""
    try:
        value = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return text.strip()
    return str(value.network_address) if value.prefixlen == value.max_prefixlen else str(value)


def set_entry(text: str) -> str:
    """Return an entry of an IP set; `!` in front excludes it. Names of aliases are in lower case."""
    mark, bare = ("!", text.strip()[1:].strip()) if text.strip().startswith("!") else ("", text.strip())
    return mark + (bare.lower() if NAME.match(bare) else network(bare))


def addresses(text: str) -> str:
    """Return the source or destination of a rule: a set, an alias, a range, or a list in one order."""
    bare = "".join(text.split())
    if SET.match(bare) or NAME.match(bare):
        return bare.lower()
    if "-" in bare and "," not in bare:
        return "-".join(network(end) for end in bare.split("-"))
    return ",".join(sorted({network(part) for part in bare.split(",") if part}))


def ports(text: str) -> str:
    """Return a list of ports in one order; `80:80` is `80`, `0080` is `80`."""
    return ",".join(sorted({_port(part) for part in "".join(text.split()).split(",") if part}))


def protocol(text: str) -> str:
    """Return a protocol by its name, where rules are commonly written for it."""
    return _PROTOCOLS.get(text.lower(), text.lower())


def name(text: str) -> str:
    """Return the name of an alias, an IP set or a security group."""
    return text.strip().lower()


def _port(text: str) -> str:
    found = _RANGE.match(text)
    if found:
        low, high = (str(int(number)) for number in found.groups())
        return low if low == high else f"{low}:{high}"
    return str(int(text)) if text.isascii() and text.isdigit() else text


# -- what PVE refuses --------------------------------------------------------------------------------------------------


def check_address(text: str) -> Address:
    """Return an address."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("write an address such as 10.0.0.5, a network such as 10.0.0.0/24, or an alias") from None


def check_network(text: str) -> Network:
    """Return a network, or an address as the network of itself."""
    if "/" not in text:
        return ipaddress.ip_network(check_address(text))
    try:
        wide = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("write a network such as 10.0.0.0/24") from None
    if wide.network_address != ipaddress.ip_address(text.partition("/")[0]):
        raise ValueError(f"write {wide}, or the address alone: PVE refuses a network with host bits")
    if not re.match(r"[0-9]{1,3}\Z", text.partition("/")[2]):
        raise ValueError(f"write {wide}: PVE accepts only a prefix length")
    return wide


def check_set_entry(text: str) -> None:
    """Accept an address, a network, or an alias, with `!` in front to exclude it."""
    bare = text[1:].strip() if text.startswith("!") else text
    if NAME.match(bare):
        return
    if check_network(bare).prefixlen == 0:
        raise ValueError(
            "write two halves such as 0.0.0.0/1 and 128.0.0.0/1, or a rule without source: "
            "PVE refuses the prefix length 0 in an IP set"
        )


def check_addresses(text: str) -> set[int]:
    """Return the IP versions of the source or destination of a rule; none for a set or an alias."""
    if SET.match(text) or NAME.match(text):
        return set()
    found: set[int] = set()
    parts = text.split(",")
    for part in parts:
        ends = part.split("-")
        if len(ends) == 2 and len(parts) == 1:
            first, last = (check_address(end) for end in ends)
            if first.version != last.version or int(last) < int(first):
                raise ValueError("write a range from its first to its last address")
            found.add(first.version)
        else:
            found.add(check_network(part).version)
    return found


def check_ports(text: str) -> None:
    """Accept numbers, services, and ranges as `8000:8010`, with commas between."""
    numbers = 0
    for part in text.split(","):
        found = _RANGE.match(part)
        dash = re.match(r"([0-9]+)[-–]([0-9]+)\Z", part)
        if dash:
            raise ValueError(f"write {dash.group(1)}:{dash.group(2)}: PVE separates the ends of a range by a colon")
        pieces = list(found.groups()) if found else [part]
        if not (found or re.match(r"[0-9]+\Z", part) or _SERVICE.match(part)):
            raise ValueError("write ports from 0 to 65535, services such as https, or ranges such as 8000:8010")
        counted = [int(piece) for piece in pieces if piece.isdigit()]
        if any(port > LAST_PORT for port in counted):
            raise ValueError("write ports from 0 to 65535")
        if found and counted[0] > counted[1]:
            raise ValueError(f"write {counted[1]}:{counted[0]}: a range goes from low to high")
        numbers += len(counted)
    if numbers > MOST_PORTS:
        raise ValueError(f"write ranges, or several rules: PVE accepts {MOST_PORTS} numbers, a range counts as two")
