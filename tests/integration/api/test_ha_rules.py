# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HA manager's rules that a container joins and leaves, on a node of version 9."""

from __future__ import annotations

import dataclasses
import threading
from types import SimpleNamespace

import pytest
from fake_node import Cut, predicted, pve_calls, wanted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.importing import read_container
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import judgement, privileges
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api import api_survey
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api.api_gatherer import ApiGatherer
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.outcome import StepError

ENTRIES = "/cluster/ha/resources"
RULES = "/cluster/ha/rules"
MAIN = f"{RULES}/main"


pytestmark = pytest.mark.parametrize("version", [9], indirect=True)  # test_ha.py has what a run says of rules on 8


@pytest.fixture
def cluster(node):
    """A node with two managed guests, and rules that have them."""
    for name in (101, 102):
        node.place(name, f"hostname: other\nrootfs: tank:subvol-{name}-disk-0,size=8G\n", running=True)
        node.call("POST", ENTRIES, {"sid": f"ct:{name}", "state": "ignored"})
    node.call("POST", RULES, {"rule": "main", "type": "node-affinity", "nodes": "pve", "resources": "ct:101"})
    node.call("POST", RULES, {"rule": "other", "type": "node-affinity", "nodes": "pve", "resources": "ct:102"})
    together = {"type": "resource-affinity", "affinity": "positive", "resources": "ct:101,ct:102"}
    node.call("POST", RULES, {"rule": "together", **together})
    return node


def resources(node, rule="main"):
    """The list of a rule."""
    return node.call("GET", f"{RULES}/{rule}")["resources"].split(",")


def planned_rules(plan):
    """The calls of a plan on rules."""
    return [call for call in pve_calls(predicted(plan)) if call[1].startswith(RULES)]


def made_rules(node):
    """The calls that changed rules."""
    return [call for call in node.mutations() if call[1].startswith(RULES)]


def is_settled(node, asked):
    """The run after it does nothing and asks nothing."""
    node.forget_requests()
    return node.apply(asked).first.steps == () and node.settled_calls() == []


def findings(node, asked):
    """What the preflight says of the rules and groups of a run: (path, what is wrong, what to do)."""
    plan = node.apply(asked, check=True).first.as_dict()
    items = [Candidate.from_options({"ctid": 950, "config": asked.config, "plan": plan})]
    found = judgement.judge(items, node.gatherer().gather(items)).findings
    return [(item.path[2:], item.got, item.expected, item.remedy) for item in found if "ha" in item.path]


def test_a_container_joins_its_rules_and_leaves_them(cluster):
    node, asked = cluster, wanted(features=(), ha={"rules": ["main", "together"]})
    plan = node.apply(asked, check=True).first
    assert node.mutations() == []
    outcome = node.apply(asked)
    assert outcome.last.error is None
    assert planned_rules(plan) == [
        ("PUT", MAIN, {"resources": "+ct:950"}),
        ("PUT", f"{RULES}/together", {"resources": "+ct:950"}),
    ]
    assert made_rules(node) == [
        ("PUT", MAIN, {"type": "node-affinity", "resources": "ct:101,ct:950"}),
        ("PUT", f"{RULES}/together", {"type": "resource-affinity", "resources": "ct:101,ct:102,ct:950"}),
    ]
    journal = [entry for entry in outcome.journal if entry["op"] == "pve"]
    assert [pve_calls([entry])[0] for entry in journal][-2:] == planned_rules(plan)
    assert node.call("GET", MAIN)["nodes"] == "pve"
    assert is_settled(node, asked)
    less = wanted(features=(), ha={"rules": ["together"]})
    assert planned_rules(node.apply(less, check=True).first) == [("PUT", MAIN, {"resources": "-ct:950"})]
    node.apply(less)
    assert resources(node) == ["ct:101"]
    assert is_settled(node, less)
    assert node.apply(wanted(ha={})).last.error is None
    assert resources(node, "together") == ["ct:101", "ct:102"]
    assert is_settled(node, wanted(ha={}))


def test_a_container_changes_between_two_rules_of_which_pve_allows_one(cluster):
    node = cluster
    node.apply(wanted(ha={"rules": ["main"]}))
    node.apply(wanted(ha={"rules": ["other"]}))
    assert (resources(node), resources(node, "other")) == (["ct:101"], ["ct:102", "ct:950"])
    assert is_settled(node, wanted(ha={"rules": ["other"]}))


def test_what_somebody_added_to_a_rule_stays(cluster):
    node = cluster
    node.apply(wanted(ha={}))
    node.call("PUT", MAIN, {"type": "node-affinity", "resources": "ct:101,ct:950"})
    assert is_settled(node, wanted(ha={"rules": ["main"]}))
    assert is_settled(node, wanted(ha={}))
    assert resources(node) == ["ct:101", "ct:950"]


def test_a_rule_without_which_pve_keeps_nothing_is_left_with_a_note(cluster):
    node = cluster
    node.apply(wanted(ha={"rules": ["main"]}))
    node.call("PUT", MAIN, {"type": "node-affinity", "resources": "ct:950"})
    outcome = node.apply(wanted(ha={}))
    assert [note for note in outcome.first.notes if "ha-manager rules remove main" in note]
    assert resources(node) == ["ct:950"]
    node.call("PUT", MAIN, {"type": "node-affinity", "resources": "ct:101,ct:950"})
    node.apply(wanted(ha={}))
    assert resources(node) == ["ct:101"]


def test_the_words_with_which_pve_refuses_a_rule_reach_the_user(cluster):
    node = cluster
    with pytest.raises(StepError) as failed:
        node.apply(wanted(ha={"rules": ["main", "other"]}))
    words = str(failed.value)
    assert "resource 'ct:950' is already used in another node affinity rule" in words
    assert f"PUT {RULES}/other" in words
    assert resources(node) == ["ct:101", "ct:950"]


def test_a_rule_that_is_changed_between_look_and_call_is_read_again(cluster):
    """A write of another user between the two makes the digest stale; what that wrote stays."""
    node, meddled = cluster, []

    def request(client, method, path, params=None):
        if (method, path) == ("PUT", MAIN) and not meddled:
            meddled.append(path)
            node.call("PUT", MAIN, {"type": "node-affinity", "resources": "ct:101", "comment": "by hand"})
            together = {"type": "resource-affinity", "resources": "ct:101,ct:102"}
            node.call("PUT", f"{RULES}/together", {**together, "affinity": "negative"})
        return client.request(method, path, params)

    def connect():
        client = node.connect()
        return SimpleNamespace(request=lambda *args, **more: request(client, *args, **more))

    outcome = node.apply(wanted(ha={"rules": ["main"]}), client=connect)
    assert outcome.last.error is None
    assert meddled
    assert len(made_rules(node)) == 2
    assert resources(node) == ["ct:101", "ct:950"]
    assert node.call("GET", MAIN)["comment"] == "by hand"
    assert is_settled(node, wanted(ha={"rules": ["main"]}))


def test_containers_that_join_a_rule_at_the_same_time_are_all_in_it(cluster):
    node = cluster
    ctids = (950, 951, 952)
    asked = [wanted(ctid, ha={"rules": ["main"]}) for ctid in ctids]
    plans = [planned_rules(node.apply(each, check=True).first) for each in asked]
    jobs = [threading.Thread(target=node.apply, args=(each,)) for each in asked]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert plans == [[("PUT", MAIN, {"resources": f"+ct:{ctid}"})] for ctid in ctids]
    assert resources(node) == ["ct:101", *(f"ct:{ctid}" for ctid in ctids)]
    for each in asked:
        assert is_settled(node, each)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_that_is_killed_at_a_rule_is_resumed(cluster, after):
    node = cluster

    def cut(asked):
        def request(client, method, path, params=None):
            if (method, path) != ("PUT", MAIN):
                return client.request(method, path, params)
            if after:
                client.request(method, path, params)
            raise Cut

        def connect():
            client = node.connect()
            return SimpleNamespace(request=lambda *args, **more: request(client, *args, **more))

        with pytest.raises(Cut):
            node.apply(asked, client=connect)

    cut(wanted(ha={"rules": ["main"]}))
    node.apply(wanted(ha={"rules": ["main"]}))
    assert resources(node) == ["ct:101", "ct:950"]
    assert is_settled(node, wanted(ha={"rules": ["main"]}))
    cut(wanted(ha={}))
    node.apply(wanted(ha={}))
    assert resources(node) == ["ct:101"]
    assert is_settled(node, wanted(ha={}))


def test_a_container_that_is_recreated_stays_in_its_rules(cluster):
    node, asked = cluster, wanted(ha={"rules": ["main"]})
    node.apply(asked)
    node.forget_requests()
    again = dataclasses.replace(asked, recreate=True, run="second")
    plan = node.apply(again, check=True).first
    node.apply(again)
    assert made_rules(node) == planned_rules(plan) == []
    assert resources(node) == ["ct:101", "ct:950"]
    node.apply(wanted(ha={}))
    assert resources(node) == ["ct:101"]


def test_a_container_that_leaves_ha_leaves_its_rules(cluster):
    node = cluster
    node.apply(wanted(ha={"rules": ["main"]}))
    node.apply(wanted())
    assert resources(node) == ["ct:101"]
    assert node.store.load(950).ha_rules == {}
    assert is_settled(node, wanted())


def test_import_names_the_rules(cluster):
    node, asked = cluster, wanted(ha={"rules": ["main"]})
    node.apply(asked)
    seen = node.executor().look(asked)[0]
    found = read_container.read_container(seen, "pve", "9.2")
    assert found.config["ha"] == {"rules": ["main"]}


def test_by_the_api_alone_its_rules_are_seen(cluster):
    node, asked = cluster, wanted(features=(), ha={"rules": ["main"]})
    item = {"ctid": 950, "config": dict(asked.config), "features": [], "state": "completed"}
    before = api_survey.survey(node.connect(), "pve", [item])["containers"]["950"]["plan"]
    assert planned_rules(node.apply(asked, check=True).first) == [("PUT", MAIN, {"resources": "+ct:950"})]
    assert [entry["what"] for step in before["steps"] for entry in step["entries"]][-1] == f"PUT {MAIN}"
    node.apply(asked)
    after = api_survey.survey(node.connect(), "pve", [item])["containers"]["950"]["plan"]
    assert [step for step in after["steps"] if step["kind"] == "ha"] == []
    items = [Candidate.from_options({"ctid": 950, "config": asked.config, "plan": before})]
    gathered = ApiGatherer(node.connect(), "pve").gather(items, (), "root@pam")
    assert gathered.ha_rules == {"main", "other", "together"}


def test_a_rule_that_does_not_exist_is_named_with_those_that_do(cluster):
    found = findings(cluster, wanted(ha={"rules": ["main", "no"]}))
    assert [(path, got, expected) for path, got, expected, _remedy in found] == [
        (("ha", "rules", 1), 'HA rule "no" does not exist', "one of main, other, together")
    ]
    assert "ha-manager rules add node-affinity no --resources ct:950 --nodes pve" in found[0][3]
    assert findings(cluster, wanted(ha={"rules": ["main"]})) == []


def test_it_needs_to_read_what_the_cluster_has(cluster):
    asked = wanted(ha={"rules": ["main"]})
    plan = cluster.apply(asked, check=True).first.as_dict()
    items = [Candidate.from_options({"ctid": 950, "config": asked.config, "plan": plan})]
    needs = [need.privilege for need in privileges.needs(items, (), {}) if need.where == "/"]
    assert needs == ["Sys.Console", "Sys.Audit"]
    assert "--roles PVEAuditor,PVESysAdmin" in privileges.grant("ops@pve!run", "/", needs)
