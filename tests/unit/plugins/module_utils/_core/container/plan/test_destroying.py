# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list of containers to destroy is judged whole: one refusal stops all of it."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan.destroying import judge

OURS = {"exists": True, "ours": True, "hostname": "web", "running": True, "volumes": ["local:950/vm-950-disk-0.raw"]}
GONE = {"exists": False, "ours": False, "recorded_state": None}


def refusals(seen, **more):
    return judge([950], {"pve": {"950": {**OURS, **seen}}}, {}, **more)[1]


def test_what_goes_is_named_with_its_volumes():
    targets, why = judge([951, 950], {"pve": {"950": OURS, "951": {**GONE, "ours": True}}}, {})
    assert why == []
    assert [(target.node, target.ctid) for target in targets] == [("pve", 950), ("pve", 951)]
    assert targets[0].text == "950 on pve: web, running, volumes local:950/vm-950-disk-0.raw"
    assert targets[1].text == "951 on pve: only remembered"


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"plan": {"error": "container 950 is protected; remove the protection first"}}, "protected"),
        ({"ha": True}, "ha-manager remove ct:950"),
        ({"lock": "backup"}, "locked by PVE (backup)"),
        ({"error": "records/950.json is not a regular file"}, "can't be observed on node pve"),
    ],
)
def test_each_refusal(seen, words):
    (why,) = refusals(seen)
    assert words in why


def test_a_container_that_a_run_put_into_ha_goes_with_its_entry():
    assert refusals({"ha": True, "ha_ours": True}) == []


def test_one_refusal_among_many_is_enough_and_all_are_told():
    nodes = {"pve": {"950": OURS, "951": {**OURS, "ha": True}, "952": GONE}}
    _targets, why = judge([950, 951, 952], nodes, {})
    assert len(why) == 2
    assert "951" in why[0]
    assert "container 952 exists on no node of the inventory (pve)" in why[1]


def test_a_node_without_an_answer_is_not_nowhere():
    _targets, why = judge([950], {"pve": {"950": GONE}, "pve2": {}}, {"pve2": "node pve2 is unreachable: refused"})
    assert why == ["node pve2 is unreachable: refused, so it can't be known what it has under these CTIDs"]


def test_the_same_ctid_on_two_nodes_is_the_one_of_the_inventory_or_refused():
    nodes = {"pve": {"950": OURS}, "pve2": {"950": OURS}}
    _targets, why = judge([950], nodes, {})
    assert "exists on the nodes pve, pve2" in why[0]
    targets, why = judge([950], nodes, {}, {"950": "pve2"})
    assert (why, [target.node for target in targets]) == ([], ["pve2"])


def test_clones_go_before_the_container_on_whose_volumes_they_live():
    seen = {"900": {**OURS, "linked_clones": [950, 951]}, "950": {**OURS, "linked_clones": [949]}, "951": OURS}
    seen["949"] = OURS
    targets, why = judge([900, 950, 951, 949], {"pve": seen}, {})
    assert why == []
    order = [target.ctid for target in targets]
    assert order.index(949) < order.index(950) < order.index(900)
    assert order.index(951) < order.index(900)
