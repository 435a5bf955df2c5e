# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one form of addresses, ports and names, and what PVE refuses."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import canonical


@pytest.mark.parametrize(
    ("form", "spellings"),
    [
        (canonical.network, ["192.0.2.9", "192.0.2.9/32", " 192.0.2.9 "]),
        (canonical.network, ["2001:db8::1", "2001:0DB8:0:0::1/128", "2001:DB8:0000::0001"]),
        (canonical.network, ["2001:db8::/32", "2001:DB8:0::/32"]),
        (canonical.set_entry, ["!192.0.2.9", "! 192.0.2.9/32"]),
        (canonical.set_entry, ["dc/office", "DC/Office".replace("DC", "dc")]),
        (canonical.addresses, ["192.0.2.0/24,198.51.100.1", "198.51.100.1/32,192.0.2.0/24,198.51.100.1"]),
        (canonical.addresses, ["+dc/web", "+dc/Web"]),
        (canonical.addresses, ["2001:db8::1-2001:db8::9", "2001:DB8::1-2001:DB8:0::9"]),
        (canonical.ports, ["443,80,8000:8010", "80,443,8000:8010", "8000:8010,0443,80:80"]),
        (canonical.protocol, ["tcp", "TCP", "6"]),
        (canonical.protocol, ["icmpv6", "ipv6-icmp", "58"]),
    ],
)
def test_spellings_of_one_value_are_equal(form, spellings: list[str]):
    assert {form(spelling) for spelling in spellings} == {spellings[0]}


@given(st.ip_addresses(), st.booleans())
def test_an_address_is_its_own_form_in_any_spelling(address, prefix: bool):
    text = address.exploded.upper() + (f"/{address.max_prefixlen}" if prefix else "")
    assert canonical.network(text) == str(address)
    assert canonical.check_network(canonical.network(text)) == ipaddress.ip_network(address)


@given(st.text(alphabet="0123456789:,- abc", max_size=12))
def test_a_form_is_stable_and_what_passes_the_check_keeps_passing(text: str):
    once = canonical.ports(text)
    assert canonical.ports(once) == once
    try:
        canonical.check_ports(text)
    except ValueError:
        return
    canonical.check_ports(once)


@pytest.mark.parametrize(
    ("check", "text", "remedy"),
    [
        (canonical.check_ports, "8000-8010", "write 8000:8010"),
        (canonical.check_ports, "80,", "write ports"),
        (canonical.check_ports, "8:9:10", "write ports"),
        (canonical.check_ports, "65536", "0 to 65535"),
        (canonical.check_ports, "90:80", "write 80:90"),
        (canonical.check_set_entry, "0.0.0.0/0", "two halves"),
        (canonical.check_set_entry, "!::/0", "two halves"),
        (canonical.check_network, "10.0.0.1/24", "write 10.0.0.0/24"),
        (canonical.check_network, "10.0.0.0/255.0.0.0", "write 10.0.0.0/8"),
        (canonical.check_addresses, "10.0.0.9-10.0.0.1", "from its first"),
    ],
)
def test_what_pve_refuses_comes_with_the_remedy(check, text: str, remedy: str):
    with pytest.raises(ValueError, match=remedy):
        check(text)
