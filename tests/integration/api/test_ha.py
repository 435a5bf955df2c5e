# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HA manager's entry of a container, on a node of either version."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from types import SimpleNamespace

import pytest
from fake_node import Cut, normal, predicted, pve_calls, wanted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import judgement, privileges
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate

ENTRIES = "/cluster/ha/resources"
ENTRY = f"{ENTRIES}/ct:950"
START = ("POST", "/nodes/pve/lxc/950/status/start")


def settled(node, asked):
    """Check mode predicts what a run does, and the run after it does nothing. Returns what was called."""
    check = node.apply(asked, check=True)
    assert node.mutations() == []
    outcome = node.apply(asked)
    assert outcome.last.error is None
    made = node.mutations()
    calls = pve_calls(predicted(check.first))
    # Once its entry says so, the HA manager may have started it before the run looks again.
    faster = (
        [call for call in calls if call[:2] != START] if any(call[:2] == ("PUT", ENTRY) for call in calls) else calls
    )
    assert normal(made) in (normal(calls), normal(faster))
    node.forget_requests()
    assert node.apply(asked).first.steps == ()
    assert node.settled_calls() == []
    return made


def entry(node):
    """What PVE has of the container, None for nothing."""
    found = [each for each in node.call("GET", ENTRIES) if each["sid"] == "ct:950"]
    return {key: value for key, value in found[0].items() if key not in ("sid", "type")} if found else None


def findings(node, asked):
    """What the preflight says of a run: (path, what was expected, what to do)."""
    plan = node.apply(asked, check=True).first.as_dict()
    items = [Candidate.from_options({"ctid": 950, "config": asked.config, "plan": plan})]
    found = judgement.judge(items, node.gatherer().gather(items)).findings
    return [(finding.path[2:], finding.expected, finding.remedy) for finding in found if "ha" in finding.path]


def test_a_container_comes_into_ha_changes_and_leaves(node):
    made = settled(node, wanted(ha={"state": "started", "max_restart": 2}))
    assert [call[:2] for call in made][-2:] == [("POST", "/nodes/pve/lxc/950/status/start"), ("POST", ENTRIES)]
    assert entry(node) == {"state": "started", "max_restart": "2"}
    made = settled(node, wanted(ha={"max_relocate": 3, "comment": "two words"}))
    assert made == [("PUT", ENTRY, {"max_relocate": "3", "comment": "two words", "delete": "max_restart"})]
    assert entry(node) == {"state": "started", "max_relocate": "3", "comment": "two words"}
    assert settled(node, wanted()) == [("DELETE", ENTRY, {})]
    assert entry(node) is None
    assert 950 in node.backend.running


def test_the_defaults_are_no_change(node):
    settled(node, wanted(ha={}))
    assert settled(node, wanted(ha={"state": "started", "max_restart": 1})) == []


def test_a_container_that_runs_comes_into_ha_without_a_stop(node):
    settled(node, wanted())
    assert settled(node, wanted(ha={})) == [("POST", ENTRIES, {"sid": "ct:950"})]
    assert 950 in node.backend.running


def test_a_container_of_ha_that_was_stopped_by_hand_starts_through_ha(node):
    settled(node, wanted(ha={"state": "started"}))
    node.call("POST", "/nodes/pve/lxc/950/status/stop")
    assert 950 not in node.backend.running
    made = settled(node, wanted(ha={"state": "started"}))
    assert made[0] == ("PUT", ENTRY, {"state": "started"})
    assert made[1:] in ([], [(*START, {})])
    assert entry(node) == {"state": "started"}
    assert 950 in node.backend.running


def test_an_entry_that_was_not_set_from_here_stays(node):
    settled(node, wanted())
    node.call("POST", ENTRIES, {"sid": "ct:950", "max_restart": 4})
    assert settled(node, wanted()) == []
    assert entry(node) == {"max_restart": "4"}


def test_an_entry_that_was_changed_by_hand_stays(node):
    settled(node, wanted(ha={"max_restart": 2}))
    node.call("PUT", ENTRY, {"max_restart": 4})
    assert settled(node, wanted()) == []
    assert entry(node) == {"max_restart": "4"}


def test_settings_by_hand_beside_ours_stay(node):
    settled(node, wanted(ha={"max_restart": 2}))
    node.call("PUT", ENTRY, {"max_relocate": 4})
    assert settled(node, wanted(ha={"max_restart": 3})) == [("PUT", ENTRY, {"max_restart": "3"})]
    assert entry(node) == {"max_restart": "3", "max_relocate": "4"}


def test_a_container_that_stays_stopped_is_in_ha(node):
    settled(node, wanted(target="configured", ha={"state": "stopped"}))
    assert entry(node) == {"state": "stopped"}
    assert 950 not in node.backend.running
    settled(node, wanted(ha={"state": "started"}))
    assert 950 in node.backend.running
    settled(node, wanted(target="configured", ha={"state": "disabled"}))
    assert 950 not in node.backend.running


def test_what_the_manager_starts_beyond_the_target_state_is_left_alone(node):
    settled(node, wanted(target="configured", ha={}))
    node.run(node.pve.settled())
    assert 950 in node.backend.running
    assert settled(node, wanted(target="configured", ha={})) == []


@pytest.mark.parametrize("state", ["stopped", "disabled"])
def test_a_state_against_the_target_state_is_refused(node, state):
    refused = node.apply(wanted(ha={"state": state}))
    assert "ha/state: the HA manager keeps a container from running" in refused.first.error
    assert node.mutations() == []


def test_a_template_is_not_for_ha(node):
    assert "remove ha, or is_template" in node.apply(wanted(ha={}, is_template=True)).first.error


def cut_at(node, asked, path, after):
    """A run that is killed at its first call of a path: before it is sent, or before its answer."""

    def request(client, method, called, params=None):
        if called != path or method == "GET":
            return client.request(method, called, params)
        if after:
            client.request(method, called, params)
        raise Cut

    def connect():
        client = node.connect()
        return SimpleNamespace(request=functools.partial(request, client))

    with contextlib.suppress(Cut):
        node.apply(asked, client=connect)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_that_is_killed_at_the_entry_is_resumed(node, after):
    cut_at(node, wanted(ha={"max_restart": 2}), ENTRIES, after)
    node.apply(wanted(ha={"max_restart": 2}))
    assert entry(node)["max_restart"] == "2"
    node.forget_requests()
    cut_at(node, wanted(), ENTRY, after)
    node.apply(wanted())
    assert entry(node) is None
    node.forget_requests()
    assert settled(node, wanted()) == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_recreation_that_is_killed_on_its_way_out_of_ha_is_resumed(node, after):
    asked = wanted(ha={"max_restart": 2})
    settled(node, asked)
    again = dataclasses.replace(asked, recreate=True, run="second")
    cut_at(node, again, ENTRY, after)
    node.apply(again)
    assert len([call for call in node.mutations() if call[:2] == ("POST", "/nodes/pve/lxc")]) == 1
    assert entry(node)["max_restart"] == "2"
    node.forget_requests()
    assert settled(node, asked) == []


def test_a_container_of_ha_is_recreated_and_is_in_ha_again(node):
    asked = wanted(ha={"max_restart": 2})
    settled(node, asked)
    again = dataclasses.replace(asked, recreate=True, run="second")
    check = node.apply(again, check=True)
    node.apply(again)
    made = node.mutations()
    assert normal(made) == normal(pve_calls(predicted(check.first)))
    assert [call[:2] for call in made[:3]] == [
        ("DELETE", ENTRY),
        ("POST", "/nodes/pve/lxc/950/status/shutdown"),
        ("DELETE", "/nodes/pve/lxc/950"),
    ]
    assert entry(node) == {"max_restart": "2"}
    assert 950 in node.backend.running


def test_a_rule_keeps_a_container_that_is_recreated(node, version):
    if version == 8:
        return  # it has no rules
    asked = wanted(ha={})
    settled(node, asked)
    rules = node.pve_dir / "ha" / "rules.cfg"
    text = "node-affinity: here\n\tnodes pve\n\tresources vm:100,ct:950\n"
    rules.write_text(text)
    node.apply(dataclasses.replace(asked, recreate=True, run="second"))
    assert node.mutations()[0] == ("DELETE", ENTRY, {"purge": "0"})
    assert rules.read_text() == text
    node.forget_requests()
    assert settled(node, wanted()) == [("DELETE", ENTRY, {})]
    assert "resources vm:100\n" in rules.read_text()


def test_a_container_that_somebody_put_into_ha_is_not_recreated(node):
    settled(node, wanted())
    node.call("POST", ENTRIES, {"sid": "ct:950"})
    refused = node.apply(dataclasses.replace(wanted(), recreate=True, run="second"))
    assert "ha-manager remove ct:950" in refused.first.error
    assert node.mutations() == []
    assert 950 in node.backend.running


@pytest.mark.parametrize("state", ["started", "ignored"])
def test_a_container_of_ha_is_destroyed_with_its_entry(node, state):
    settled(node, wanted(ha={"state": state}))
    node.apply(wanted(target="absent", ha={"state": state}))
    assert node.conf(950) is None
    assert entry(node) is None


def test_a_group_is_for_version_8(node, version):
    asked = wanted(ha={"group": "main"})
    found = findings(node, asked)
    if version == 9:
        ((path, _expected, remedy),) = found
        assert path == ("ha", "group")
        assert remedy.startswith('Write "rules": ["main"] in place of the group.')
        assert remedy.endswith("ha-manager rules add node-affinity main --resources ct:950 --nodes pve")
        return
    assert [(path, expected) for path, expected, _remedy in found] == [(("ha", "group"), "an HA group")]
    node.call("POST", "/cluster/ha/groups", {"group": "main", "nodes": "pve"})
    assert findings(node, asked) == []
    settled(node, asked)
    assert entry(node)["group"] == "main"


def test_rules_are_for_version_9(node, version):
    ((path, expected, remedy),) = findings(node, wanted(ha={"rules": ["main"]}))
    assert path == ("ha", "rules", 0)
    assert expected == ("no rules before Proxmox VE 9" if version == 8 else "an HA rule")
    assert remedy.startswith("Write group in place of rules" if version == 8 else "Write an existing rule.")


def test_failback_is_for_version_9(node, version):
    found = findings(node, wanted(ha={"failback": False}))
    if version == 8:
        assert [(path, expected) for path, expected, _remedy in found] == [
            (("ha", "failback"), "Proxmox VE 9.0 or later")
        ]
        return
    assert found == []
    settled(node, wanted(ha={"failback": False}))
    assert entry(node)["failback"] == "0"


def test_it_needs_a_privilege_for_the_whole_cluster(node):
    asked = wanted(ha={})
    plan = node.apply(asked, check=True).first.as_dict()
    items = [Candidate.from_options({"ctid": 950, "config": asked.config, "plan": plan})]
    needs = [need for need in privileges.needs(items, (), {}) if need.where == "/"]
    assert [(need.privilege, need.path[2:]) for need in needs] == [("Sys.Console", ("ha",))]
    assert "--roles PVESysAdmin" in privileges.grant("ops@pve!run", "/", ["Sys.Console"])
