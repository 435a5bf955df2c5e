# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry `api` of a node: what is wrong with it, and what of it becomes a variable."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents import api_entry
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.source import SourceChecker

GOOD = {
    "host": "192.0.2.1",
    "user": "a@pve",
    "token_id": "x",
    "token_secret": "s3cret",
    "fingerprint": "AB:" * 31 + "AB",
}


@pytest.mark.parametrize(
    "entry", [{}, GOOD, {"host": "{{ place }}", "port": 8006, "validate_certs": False, "ca": None}]
)
def test_what_is_accepted(entry):
    assert list(api_entry.faults(entry, ("nodes", "pve", "api"))) == []


@pytest.mark.parametrize(
    ("entry", "place", "words"),
    [
        ("192.0.2.1", "/nodes/pve/api", "an object"),
        ({"token": "s3cret"}, "/nodes/pve/api/token", "one of host"),
        ({"fingerprnt": "AB"}, "/nodes/pve/api/fingerprnt", "fingerprint"),
        ({"fingerprint": "AB:CD"}, "/nodes/pve/api/fingerprint", "SHA-256"),
        ({"port": "8006"}, "/nodes/pve/api/port", "1 to 65535"),
        ({"validate_certs": "no"}, "/nodes/pve/api/validate_certs", "true or false"),
        ({"token_secret": 12345}, "/nodes/pve/api/token_secret", "a text"),
    ],
)
def test_a_fault_names_its_place_and_no_value_of_a_secret(entry, place, words):
    source = {"plugin": "phoenix.hypervisor.phoenix", "lxc_config": "lxc.json", "nodes": {"pve": {"api": entry}}}
    (finding,) = SourceChecker("phoenix.yml", "").findings(source)
    assert finding.pointer == place
    assert words in finding.expected + str(finding.remedy)
    assert "s3cret" not in str(finding)
    assert "12345" not in str(finding)


def test_the_secret_becomes_a_reference():
    found = api_entry.variables("pve", GOOD)
    assert found["token_secret"] == {
        "phoenix_secret": {"file": "inventory_source", "pointer": "/nodes/pve/api/token_secret"}
    }
    assert {**found, "token_secret": "s3cret"} == GOOD


def test_the_key_of_records_becomes_a_reference_too():
    found = api_entry.variables("pve", {**GOOD, "record_key": "k3y"})
    assert "k3y" not in str(found)
    assert found["record_key"]["phoenix_secret"]["pointer"] == "/nodes/pve/api/record_key"
