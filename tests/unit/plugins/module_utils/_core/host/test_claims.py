# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who set what on a node: what an inventory may undo, what contradicts, and what the operator lets go."""

from __future__ import annotations

import copy
import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import ownership, sections
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import hostshape

ITEMS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), max_size=4)


def run(records: Any, inventory: str, wanted: Any, node: dict[str, Any]) -> dict[str, Any]:
    """One real run: the node's items and the records afterwards. A conflict changes nothing."""
    verdict = ownership.judge("nfs", inventory, wanted, records)
    if verdict.conflicts:
        return records
    for item in verdict.gone:
        node.pop(item, None)
    node.update(wanted)
    return ownership.after(records, inventory, wanted, verdict)


@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), ITEMS), max_size=8), ITEMS)
def test_no_inventory_undoes_what_another_or_an_unknown_one_set(steps: Any, unknown: Any):
    records: Any = {ownership.UNKNOWN: unknown} if unknown else {}
    node, latest, adopted = dict(unknown), {}, set()
    for inventory, wanted in steps:
        conflicts = ownership.judge("nfs", inventory, wanted, records).conflicts
        records = run(records, inventory, wanted, node)
        if not conflicts:
            latest[inventory] = wanted
            adopted |= wanted.keys()
        for items in latest.values():
            assert items.items() <= node.items()
        assert set(unknown) - adopted <= set(node)
        again = ownership.judge("nfs", inventory, latest.get(inventory, {}), records)
        assert (again.gone, again.conflicts) == ({}, [])
        assert ownership.after(records, inventory, latest.get(inventory, {}), again) == records


def test_a_conflict_names_the_item_and_both_inventories():
    found = ownership.judge("sysctl", "two", {"vm.swappiness": "10"}, {"one": {"vm.swappiness": "60"}})
    assert len(found.conflicts) == 1
    for word in ("sysctl", "vm.swappiness", "inventory one (60)", "two (10)"):
        assert word in found.conflicts[0]


def test_who_keeps_a_shared_item_may_undo_it_later():
    records = {"one": {"vmbr1": {"made": True, "params": {}}}, "two": {"vmbr1": {"made": False, "params": {}}}}
    verdict = ownership.judge("network", "one", {}, records)
    assert (verdict.gone, verdict.shared, verdict.earlier) == ({}, {"vmbr1": ["two"]}, {})
    left = ownership.after(records, "one", {}, verdict)
    assert left == {"two": {"vmbr1": {"made": True, "params": {}}}}
    assert ownership.judge("network", "two", {}, left).gone == left["two"]


def test_an_unknown_item_goes_only_when_it_is_named():
    records = {ownership.UNKNOWN: {"vmbr9": {"made": True}}}
    assert ownership.judge("network", "one", {}, records).gone == {}
    named = ownership.parse_consent("network:vmbr9", ownership.SECTIONS).named("network")
    verdict = ownership.judge("network", "one", {}, records, named=named)
    assert list(verdict.gone) == ["vmbr9"]
    assert ownership.after(records, "one", {}, verdict) == {}


@pytest.mark.parametrize(
    ("value", "covered"),
    [
        (None, []),
        ("", []),
        ([], []),
        (" network , nfs:/srv/a@*", ["network:x", "nfs:/srv/a@*"]),
        (["nfs"], ["nfs:/srv/a@*", "nfs:y"]),
        ('["nfs:y", "network"]', ["network:x", "nfs:y"]),
    ],
)
def test_consent_is_a_list_or_the_text_of_a_survey(value: Any, covered: list[str]):
    consent = ownership.parse_consent(value, ownership.SECTIONS)
    for name in ("network:x", "nfs:/srv/a@*", "nfs:y"):
        assert consent.covers(*name.split(":", 1)) == (name in covered)


@pytest.mark.parametrize("value", ["netwrok", "network,users", {"network": True}, 5])
def test_an_unknown_word_of_a_consent_is_refused(value: Any):
    with pytest.raises(ValueError, match="phoenix_host_consent"):
        ownership.parse_consent(value, ownership.SECTIONS)


def test_the_option_survives_the_shell_and_consents_to_nothing_else():
    for names in (["network:vmbr1"], ["nfs:/srv/a@*", "network:vmbr1"], ["nfs:/srv/a b@*", "samba:o'clock"]):
        word, text = shlex.split(ownership.option(names))
        assert word == "-e"
        value: Any = text.partition("=")[2]
        if text.startswith("{"):
            value = json.loads(text)["phoenix_host_consent"]
        assert ownership.parse_consent(value, ownership.SECTIONS).items == frozenset(names)


RULE = {"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": "80", "source": "192.0.2.9/32"}
HOST: dict[str, Any] = {
    "network": {"interfaces": [{"name": "vmbr1", "address": "10.0.0.1/24", "bridge_ports": "none"}]},
    "nfs": {"exports": [{"path": "/srv/a", "clients": ["10.0.0.0/24", "*"], "options": "ro"}]},
    "samba": {"workgroup": "LAB", "shares": [{"name": "Work", "path": "/srv/w"}]},
    "firewall": {
        "enabled": True,
        "rules": [RULE],
        "groups": {"Web": [RULE]},
        "ipsets": {"Office": ["192.0.2.9/32"]},
        "aliases": {"lan": "10.0.0.0/8"},
    },
    "ntp": {"servers": ["192.0.2.1"]},
    "sysctl": {"vm.swappiness": 10},
}


def items(document: Any) -> dict[str, dict[str, Any]]:
    """The items of each section of a file."""
    return {name: sections.wanted(name, shape) for name, shape in hostshape.sections(document).items()}


def test_a_section_that_is_absent_is_not_managed_and_an_empty_one_has_no_items():
    assert items({}) == {}
    assert items({name: {} for name in HOST}) == {name: {} for name in HOST}
    assert set(items(HOST)) == set(ownership.SECTIONS)
    assert all(items(HOST).values())


def test_what_cuts_somebody_off():
    found = items(HOST)
    found["network"]["vmbr1"]["made"] = True
    cut = {f"{n}:{i}" for n, rows in found.items() for i, value in rows.items() if sections.cuts_off(n, i, value)}
    assert cut == {
        "network:vmbr1", "nfs:/srv/a@10.0.0.0/24", "nfs:/srv/a@*", "samba:work", "firewall:datacenter/enable",
        "firewall:management",
    }  # fmt: skip  # laid out to be read


CHANGES: list[tuple[str, list[Any], Any, bool]] = [
    ("network", ["network", "interfaces", 0, "address"], "10.0.0.2/24", True),
    ("nfs", ["nfs", "exports", 0, "options"], "rw", True),
    ("samba", ["samba", "shares", 0, "path"], "/srv/x", True),
    ("samba", ["samba", "workgroup"], "OTHER", True),
    ("firewall", ["firewall", "enabled"], False, True),
    ("firewall", ["firewall", "management"], ["10.0.0.0/8"], True),
    ("firewall", ["firewall", "rules"], [{**RULE, "log": "info"}], True),
    ("firewall", ["firewall", "groups", "Web"], [{**RULE, "dport": "81"}], True),
    ("firewall", ["firewall", "ipsets", "Office"], ["192.0.2.8"], True),
    ("firewall", ["firewall", "aliases", "lan"], "10.0.0.0/9", True),
    ("sysctl", ["sysctl", "vm.swappiness"], 60, True),
    # The same in another spelling, or a part that the other file does not have.
    ("firewall", ["firewall", "rules"], [{**RULE, "source": "192.0.2.9", "proto": "6"}], False),
    ("firewall", ["firewall", "ipsets"], {"office": ["192.0.2.9"]}, False),
    ("network", ["network", "interfaces", 0], {"name": "vmbr1", "bridge_ports": "none", "mtu": 9000}, False),
    ("ntp", ["ntp", "servers"], ["192.0.2.2"], False),
]


@pytest.mark.parametrize(("section", "path", "value", "conflict"), CHANGES)
def test_two_inventories_that_set_an_item_differently(section: str, path: list[Any], value: Any, conflict: bool):
    other = copy.deepcopy(HOST)
    place: Any = other
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    def differs(mine: Any, theirs: Any) -> bool:
        return sections.differs(section, mine, theirs)

    verdict = ownership.judge(section, "two", items(other)[section], {"one": items(HOST)[section]}, differs)
    assert bool(verdict.conflicts) == conflict, verdict.conflicts
    assert verdict.gone == {}


def test_a_firewall_survives_its_record():
    wanted = items(HOST)["firewall"]
    applied = sections.firewall_applied(wanted)
    shape = hostshape.sections(HOST)["firewall"]
    back = sections.firewall_items(applied, shape)
    bare = {key: {k: v for k, v in one.items() if k != "made"} if isinstance(one, dict) else one
            for key, one in back.items()}  # fmt: skip  # laid out to be read
    assert bare == wanted
