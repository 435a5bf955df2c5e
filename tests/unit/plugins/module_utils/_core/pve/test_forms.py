# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two texts that mean the same to PVE have one form, and one function says what a container's address is."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import options
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.registry import addresses
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import forms, properties


@pytest.mark.parametrize(
    ("form", "left", "right"),
    [
        (forms.path, "/x", "/x/"),
        (forms.path, "/x/y", "//x//y/"),
        (forms.path, "/x/./y", "/x/y"),
        (forms.mac, "bc:24:11:aa:bb:cc", "BC:24:11:AA:BB:CC"),
        (forms.address, "FD00:0:0::5/64", "fd00::5/64"),
        (forms.address, "2001:DB8::1", "2001:db8:0:0::1"),
        (forms.addresses, "1.1.1.1,9.9.9.9", "1.1.1.1  9.9.9.9"),
        (forms.addresses, "FD00::1", "fd00:0::1"),
        (forms.flag, "yes", "1"),
        (forms.flag, "off", "0"),
    ],
)
def test_both_have_one_form(form, left, right):
    assert form(left) == form(right)


@pytest.mark.parametrize(
    ("form", "left", "right"),
    [
        (forms.path, "/x", "/X"),
        (forms.address, "10.0.0.5/24", "10.0.0.5/25"),
        (forms.address, "10.0.0.5/32", "10.0.0.5/24"),
        (forms.address, "dhcp", "manual"),
        (forms.addresses, "1.1.1.1 9.9.9.9", "9.9.9.9 1.1.1.1"),  # the first is asked first
    ],
)
def test_what_differs_keeps_its_form(form, left, right):
    assert form(left) != form(right)


@pytest.mark.parametrize(
    ("key", "left", "right"),
    [
        ("mp0", "local:1/a.raw,mp=/x/,size=1024M", "local:1/a.raw,size=1G,mp=/x"),
        ("mp0", "/srv//a/,mp=/x", "/srv/a,mp=/x/"),
        (
            "net0",
            "name=eth0,hwaddr=bc:24:11:00:00:01,ip6=FD00::5/64",
            "ip6=fd00::5/64,name=eth0,hwaddr=BC:24:11:00:00:01",
        ),
        ("nameserver", "1.1.1.1 fd00::1", "1.1.1.1,FD00:0::1"),
        ("tags", "b;A", "a b"),
        ("features", "nesting=1,keyctl=1", "keyctl=1,nesting=1"),
    ],
)
def test_options_are_compared_in_these_forms(key, left, right):
    assert options.same_option(key, left, right)


def test_a_sub_option_that_is_not_there_is_not_the_root_folder():
    assert not properties.same_value("mp", "", "/")


@pytest.mark.parametrize(
    ("config", "found", "static"),
    [
        ({"static_ip": "10.0.0.5/24"}, "10.0.0.5/24", "10.0.0.5"),
        ({"network_config": {"ip": "10.0.0.6/24"}}, "10.0.0.6/24", "10.0.0.6"),
        ({"static_ip": "10.0.0.5/24", "network_config": {"bridge": "vmbr0"}}, "10.0.0.5/24", "10.0.0.5"),
        ({"static_ip": "10.0.0.5/24", "network_config": {"ip": "dhcp"}}, "10.0.0.5/24", "10.0.0.5"),
        ({"network_config": {"ip": "dhcp"}}, "dhcp", ""),
        ({"network_config": {"ip": "manual"}}, "manual", ""),
        ({"static_ip": ""}, "", ""),
        ({}, "", ""),
    ],
)
def test_one_function_says_what_the_address_is(config, found, static):
    assert (addresses.configured(config), addresses.static(config)) == (found, static)
