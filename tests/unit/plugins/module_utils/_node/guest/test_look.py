# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses that a look inside a container finds, and when a started container counts as ready."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.registry import addresses
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import bounded, guest

STAT = "1 (init) S " + " ".join(str(number) for number in range(1, 40))
FIB = "Main:\n  +-- 192.0.2.0/24\n     |-- 192.0.2.50\n        /32 host LOCAL\n"
LOOPBACK = "00000000000000000000000000000001 01 80 10 80       lo\n"
LINK = "fe80000000000000be2411fffe000950 02 40 20 80     eth0\n"
GLOBAL = "20010db8000000000000000000000050 02 40 00 80     eth0\n"
TENTATIVE = "20010db8000000000000000000000050 02 40 00 c0     eth0\n"
TEMPORARY = "20010db8000000001234567812345678 02 40 00 01     eth0\n"


def answer(monkeypatch, fib, inet6, book=""):
    """What the container's kernel shows."""
    text = "\n\x1e\n".join((STAT, fib, inet6, book))
    monkeypatch.setattr(guest, "attach", lambda *_args, **_more: bounded.Answer(0, text.encode(), b""))


@pytest.mark.parametrize(
    ("fib", "inet6", "found"),
    [
        (FIB, LOOPBACK + LINK, ("192.0.2.50", None)),
        ("", LOOPBACK + LINK + GLOBAL, (None, "2001:db8::50")),
        (FIB, GLOBAL, ("192.0.2.50", "2001:db8::50")),
        ("", LOOPBACK + LINK, (None, None)),
        ("", TENTATIVE, (None, None)),
        ("", TEMPORARY + GLOBAL, (None, "2001:db8::50")),
        ("", "nonsense\n" + "x" * 4000 + "\n2001 1 2 3 4 5\n", (None, None)),
    ],
)
def test_the_addresses_that_others_can_reach(monkeypatch, fib, inet6, found):
    answer(monkeypatch, fib, inet6)
    view = guest.look(950, "0123456789")
    assert (view.address, view.address_6) == found
    assert view.boot == "01234567-19"


@pytest.mark.parametrize(
    ("awaits", "fib", "inet6", "ready"),
    [
        ("", "", "", True),
        (addresses.IPV4, FIB, "", True),
        (addresses.IPV4, "", GLOBAL, False),
        (addresses.IPV6, "", GLOBAL, True),
        (addresses.IPV6, FIB, LINK, False),
        (addresses.IPV6, "", TENTATIVE, False),
    ],
)
def test_a_container_is_ready_with_the_kind_of_address_that_it_is_to_have(monkeypatch, awaits, fib, inet6, ready):
    answer(monkeypatch, fib, inet6)
    assert guest.is_ready(950, awaits, "0123456789") is ready


STATIC = {"bridge": "vmbr0", "ip": "192.0.2.50/24"}


@pytest.mark.parametrize(
    ("config", "awaits", "static"),
    [
        ({}, "", ""),
        ({"network_config": STATIC}, "IPv4", "192.0.2.50"),
        ({"network_config": {"bridge": "vmbr0", "ip": "dhcp"}}, "IPv4", ""),
        ({"network_config": {"bridge": "vmbr0", "ip6": "auto"}}, "IPv6", ""),
        ({"network_config": {"bridge": "vmbr0", "ip": "manual", "ip6": "2001:DB8::50/64"}}, "IPv6", "2001:db8::50"),
        ({"network_config": {"bridge": "vmbr0", "ip": "dhcp", "ip6": "2001:db8::50/64"}}, "IPv4", ""),
        ({"network_config": {"bridge": "vmbr0", "ip": "manual"}}, "", ""),
        ({"network_config": {"bridge": "vmbr0"}, "networks": [{"name": "eth1", "ip": "dhcp"}]}, "IPv4", ""),
        ({"network_config": {**STATIC, "link_down": True}}, "", "192.0.2.50"),
        ({"network_config": {"bridge": "vmbr0"}, "static_ip": "192.0.2.51/24"}, "IPv4", "192.0.2.51"),
    ],
)
def test_the_address_that_a_configuration_promises(config, awaits, static):
    assert addresses.awaited(config) == awaits
    assert addresses.static(config) == static
