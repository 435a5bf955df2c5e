# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who answers over SSH: the options, the file with the host key, and the words of ssh."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.remote import sshwords
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.remote.apiconf import fixed_address

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHostKey"


def test_a_key_is_never_accepted_unseen_once_one_is_known():
    assert "StrictHostKeyChecking=yes" in sshwords.options(950, "/place", known=True)
    assert "StrictHostKeyChecking=accept-new" in sshwords.options(950, "/place", known=False)
    for known in (True, False):
        given = sshwords.options(950, "/place", known)
        assert {"UserKnownHostsFile=/place", "GlobalKnownHostsFile=/dev/null", "ForwardAgent=no"} <= set(given)
        assert "StrictHostKeyChecking=no" not in given


def test_the_file_of_a_container_is_read_as_it_was_written():
    text = sshwords.place_text(950, "192.0.2.5", KEY)
    assert (sshwords.address_of(text), sshwords.learned(text, 950)) == ("192.0.2.5", KEY)
    assert sshwords.learned(text, 951) is None
    assert sshwords.learned(sshwords.place_text(950, "192.0.2.5", None), 950) is None


@pytest.mark.parametrize("text", ["", "# address -oProxyCommand=x\n", "192.0.2.5\n", "# address host.example\n"])
def test_an_address_is_an_address(text):
    assert sshwords.address_of(text) is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Host key verification failed.", "another SSH host key"),
        ("root@192.0.2.5: Permission denied (publickey).", "does not accept the key"),
        ("ssh: connect to host 192.0.2.5 port 22: Connection refused", "no SSH server"),
        ("ssh: connect to host 192.0.2.5 port 22: Connection timed out", "can't be reached"),
        ("something else", "can't be reached"),
    ],
)
def test_what_ssh_says_is_said_in_words(said, words):
    why, remedy = sshwords.trouble(said, 950)
    assert words in why
    assert remedy
    assert "{" not in remedy


@pytest.mark.parametrize(
    ("head", "address"),
    [
        ({"net0": "name=eth0,bridge=vmbr0,ip=192.0.2.5/24,type=veth"}, "192.0.2.5"),
        (
            {"net0": "name=eth0,bridge=vmbr0,ip=dhcp", "net1": "name=eth1,bridge=vmbr1,ip=198.51.100.7/24"},
            "198.51.100.7",
        ),
        ({"net0": "name=eth0,bridge=vmbr0,ip=dhcp,ip6=2001:db8::5/64"}, "2001:db8::5"),
        ({"net0": "name=eth0,bridge=vmbr0,ip=dhcp,ip6=auto"}, None),
        ({}, None),
    ],
)
def test_a_static_address_comes_from_the_configuration(head, address):
    assert fixed_address(head) == address
