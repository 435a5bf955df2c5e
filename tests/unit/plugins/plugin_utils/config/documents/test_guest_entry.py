# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry `guest_ssh` of a node: what is wrong with it."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents import guest_entry
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.source import SourceChecker

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOurPublicKey automation"
PLACE = ("nodes", "pve", "guest_ssh")


@pytest.mark.parametrize(
    "entry",
    [
        {"public_key": KEY},
        {"private_key_file": "~/.ssh/guests"},
        {"private_key_file": "{{ place }}", "public_key": KEY, "port": 2222, "common_args": "-o ProxyJump=jump"},
    ],
)
def test_what_is_accepted(entry):
    assert list(guest_entry.faults(entry, PLACE, True)) == []


@pytest.mark.parametrize(
    ("entry", "place", "words"),
    [
        ("key", "", "an object"),
        ({}, "", "the key that containers get"),
        ({"public_key": KEY, "privat_key_file": "x"}, "/privat_key_file", "private_key_file"),
        ({"public_key": "-----BEGIN OPENSSH PRIVATE KEY-----"}, "/public_key", "a public SSH key"),
        ({"public_key": "{{ key }}"}, "/public_key", "a public SSH key"),
        ({"public_key": KEY, "private_key_file": 7}, "/private_key_file", "the path of a file"),
        ({"public_key": KEY, "port": True}, "/port", "1 to 65535"),
        ({"public_key": KEY, "common_args": "-o 'ProxyJump=jump"}, "/common_args", "one text"),
        ({"public_key": KEY, "common_args": ["-v"]}, "/common_args", "one text"),
    ],
)
def test_a_fault_names_its_place(entry, place, words):
    node = {"api": {}, "guest_ssh": entry}
    source = {"plugin": "phoenix.hypervisor.phoenix", "lxc_config": "lxc.json", "nodes": {"pve": node}}
    (finding,) = SourceChecker("phoenix.yml", "").findings(source)
    assert finding.pointer == f"/nodes/pve/guest_ssh{place}"
    assert words in finding.expected + str(finding.remedy)
    assert "BEGIN" not in str(finding)


def test_only_a_node_with_a_token_has_one():
    ((place, _got, expected, _remedy, _near),) = guest_entry.faults({"public_key": KEY}, PLACE, False)
    assert (place, expected) == (PLACE, "a node with the entry api")
