# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the node's network and firewall, and what of both is given to the modules."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import Source, validate
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import host_config
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files.lenient import settled
from ansible_collections.phoenix.hypervisor.tests.unit.plugins.plugin_utils.config.documents.faults import GOOD, dump

SSH = {"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": 22}
BRIDGE = {"name": "vmbr1", "address": "10.0.0.5/24", "gateway": "10.0.0.1", "bridge_ports": "eno1"}


def findings(document: dict[str, Any], hidden: bool = False) -> list[Any]:
    """What validation finds in the host's file."""
    lxc = Source("lxc.json", parse(dump(GOOD)), load_schema("phoenix_lxc_configs"))
    host = Source("host.json", parse(dump(document)), load_schema("hypervisor_config"), hidden)
    return list(validate(lxc, host, ("pve",)).findings)


NETWORK = [
    ([BRIDGE, {"name": "vmbr1"}], "/network/interfaces/1/name", "Describe each interface once"),
    ([BRIDGE, {"name": "vmbr2", "bridge_ports": ["eno1"]}], "/network/interfaces/1/bridge_ports", "one of the two"),
    ([{"name": "vmbr1", "bridge_ports": "vmbr1"}], "/network/interfaces/0/bridge_ports", "own name"),
    ([{"name": "bond0", "bond_slaves": "a b", "vlan_aware": True}], "/network/interfaces/0/vlan_aware", "Remove vlan"),
    ([{"name": "vmbr1", "vlan_tag": 5}], "/network/interfaces/0/vlan_tag", "describe the vlan"),
    ([{**BRIDGE, "gateway": "10.0.1.1"}], "/network/interfaces/0/gateway", "Correct the gateway"),
    ([{**BRIDGE, "gateway": "224.0.0.1"}], "/network/interfaces/0/gateway", "a host can have"),
    ([{**BRIDGE, "address": "10.0.0.0/24"}], "/network/interfaces/0/address", "a host can have"),
    ([{**BRIDGE, "address6": "ff02::1/64"}], "/network/interfaces/0/address6", "a host can have"),
    ([{**BRIDGE, "gateway": "10.0.0.5"}], "/network/interfaces/0/gateway", "Correct the gateway"),
    ([BRIDGE, {"name": "eno2", "gateway": "10.0.2.1"}], "/network/interfaces/1/gateway", "one default gateway"),
    ([{"name": "a0", "dns_nameservers": "1.1.1.1 dns"}], "/network/interfaces/0/dns_nameservers", "not names"),
    (
        [
            {"name": "a0", "dns_nameservers": "1.1.1.1 1.1.1.2"},
            {"name": "a1", "dns_nameservers": ["1.1.1.3", "1.1.1.4"]},
        ],
        "/network/interfaces/1/dns_nameservers",
        "Remove some",
    ),
    ([{"name": "vmbr1", "mtu": 576}], "/network/interfaces/0/mtu", ""),
    ([{"name": "vmbr1", "bond_mode": "802.3"}], "/network/interfaces/0/bond_mode", '"802.3ad"'),
]
FIREWALL = [
    ({"rules": [SSH, {**SSH, "enable": False}]}, "/firewall/rules/1", "Remove one of the two"),
    ({"node": {"rules": [{**SSH, "proto": "tpc"}]}}, "/firewall/node/rules/0/proto", ""),
    ({"groups": {"web": [{**SSH, "macro": "HTPP", "dport": ""}]}}, "/firewall/groups/web/0/macro", "macros"),
    ({"groups": {"web": [{"type": "group", "action": "other"}]}}, "/firewall/groups/web/0/type", "don't nest"),
    ({"management": ["10.0.0.5/24"]}, "/firewall/management/0", "Write 10.0.0.0/24, or the address alone"),
    ({"ipsets": {"office": ["10.0.0.0/24", "!10.0.0.300"]}}, "/firewall/ipsets/office/1", "Write an address"),
    ({"aliases": {"lan": {"cidr": "10.0.0.5/24"}}}, "/firewall/aliases/lan/cidr", "host bits"),
    ({"ipsets": {"all": ["10.0.0.1", "0.0.0.0/0"]}}, "/firewall/ipsets/all/1", "two halves"),
    ({"ipsets": {"all": ["!::/0"]}}, "/firewall/ipsets/all/0", "two halves"),
    ({"ipsets": {"all": ["Any"]}, "aliases": {"any": "::/0"}}, "/firewall/ipsets/all/0", "Remove it"),
    ({"ipsets": {"two": ["10.0.0.1", "!10.0.0.1/32"]}}, "/firewall/ipsets/two/1", "Remove one"),
    ({"ipsets": {"two": ["10.0.0.1", {"cidr": "10.0.0.1/32"}]}}, "/firewall/ipsets/two/1", "Remove one"),
    ({"ipsets": {"one": [{"cidr": "10.0.0.300", "comment": "x"}]}}, "/firewall/ipsets/one/0", "Write an address"),
    ({"rules": [{"type": "forward", "action": "REJECT"}]}, "/firewall/rules/0", "Correct the rule"),
    ({"ipsets": {"Web": [], "web": []}}, "/firewall/ipsets/web", "Rename"),
    ({"aliases": {"lan": "10.0.0.0/8", "LAN": "10.0.0.0/8"}}, "/firewall/aliases/LAN", "Rename"),
    ({"rules": [{**SSH, "dport": "8000-8010"}]}, "/firewall/rules/0/dport", "Write 8000:8010"),
]
CASES = [({"network": {"interfaces": value}}, at, remedy) for value, at, remedy in NETWORK]
CASES += [({"firewall": value}, at, remedy) for value, at, remedy in FIREWALL]


@pytest.mark.parametrize(
    ("document", "at", "remedy"), CASES, ids=[f"{at}-{n}" for n, (_document, at, _remedy) in enumerate(CASES)]
)
def test_fault(document: dict[str, Any], at: str, remedy: str):
    found = [finding for finding in findings(document) if finding.pointer == at]
    assert len(found) == 1, findings(document)
    assert remedy in found[0].remedy
    assert (found[0].file, found[0].line > 0) == ("host.json", True)


def test_nothing_is_shown_of_an_encrypted_file():
    for document, _at, _remedy in CASES:
        assert "10.0" not in "".join(finding.got for finding in findings(document, hidden=True))


def test_what_is_good_is_good():
    interfaces = [
        BRIDGE,
        {"name": "bond0", "bond_slaves": ["eno2", "eno3"], "bond_mode": "active-backup", "bond_primary": "eno2"},
        {"name": "vmbr2", "bridge_ports": "bond0", "vlan_aware": True, "vlan_ids": "2-4094", "address6": "fd00::5/64"},
        {"name": "storage", "vlan_device": "vmbr2", "vlan_tag": 30, "address": "10.3.0.5/24"},
        {"name": "eno9", "address": "manual", "dns_nameservers": "9.9.9.9"},
    ]
    sets = {"office": ["10.0.0.0/24", "!10.0.0.9", "lan", "fd00::/64"]}
    rules = [SSH, {"type": "group", "action": "web"}]
    firewall = {
        "rules": rules,
        "groups": {"web": [{**SSH, "source": "+office"}]},
        "ipsets": sets,
        "aliases": {"lan": "10.1.0.0/16"},
    }
    assert findings({"network": {"interfaces": interfaces}, "firewall": firewall}) == []


def test_interfaces_in_the_words_of_pve():
    single = host_config({"network": {"interfaces": {**BRIDGE, "dns_nameservers": "9.9.9.9 1.1.1.1"}}})
    assert single["interfaces"] == [
        {
            "name": "vmbr1",
            "type": "bridge",
            "dhcp": False,
            "params": {"cidr": "10.0.0.5/24", "gateway": "10.0.0.1", "bridge_ports": "eno1"},
        }
    ]
    assert single["name_servers"] == ["9.9.9.9", "1.1.1.1"]
    shapes = {
        "eno1": ({"address": "manual"}, "", {"cidr": "", "gateway": ""}),
        "eno2": ({"address": "dhcp"}, "", {}),
        "vmbr3": ({"bridge_ports": "none"}, "bridge", {"bridge_ports": ""}),
        "bond0": ({"bond_slaves": ["a", "b"]}, "bond", {"slaves": "a b"}),
        "eno1.5": ({}, "vlan", {}),
        "lan": ({"vlan_device": "eno1", "vlan_tag": 7}, "vlan", {"vlan-raw-device": "eno1", "vlan-id": 7}),
    }
    given = [{"name": name, **keys} for name, (keys, _kind, _params) in shapes.items()]
    for shape, (name, (_keys, kind, params)) in zip(
        host_config({"network": {"interfaces": given}})["interfaces"], shapes.items(), strict=True
    ):
        assert (shape["name"], shape["type"], shape["params"]) == (name, kind, params)
        assert shape["dhcp"] == (name == "eno2")


def test_a_firewall_in_one_form():
    assert host_config({})["firewall"] == {}
    assert host_config({"firewall": {}})["firewall"] == {}
    assert host_config({"firewall": {"enabled": True}})["firewall"]["rules"] == {"datacenter": [], "node": []}
    shape = host_config(
        {
            "firewall": {
                "enabled": True,
                "default_input_policy": "DROP",
                "node": {"enabled": False},
                "aliases": {"a": "10.0.0.1", "b": {"cidr": "10.0.0.2", "comment": "two"}},
            }
        }
    )["firewall"]
    assert shape["options"] == {"datacenter": {"enable": True, "policy_in": "DROP"}, "node": {"enable": False}}
    assert shape["aliases"] == {"a": {"cidr": "10.0.0.1"}, "b": {"cidr": "10.0.0.2", "comment": "two"}}


@pytest.mark.parametrize("section", ["network", "nfs", "samba", "firewall", "ntp", "sysctl"])
def test_an_empty_section_is_kept_and_null_is_not_set(section: str):
    schema = load_schema("hypervisor_config")
    assert settled({section: {}}, schema) == {section: {}}
    if section not in ("ntp", "sysctl"):
        assert settled({section: None}, schema) == settled({section: ""}, schema) == {}
