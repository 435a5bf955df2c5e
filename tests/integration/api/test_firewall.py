# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container's firewall against the control plane: predicted calls, order, three-way, clones, a cut at any call."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from fake_node import Cut, normal, pve_calls, wanted
from test_executor import Cutting, predicted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.executor import StepError

NET = {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}
SSH = {"type": "in", "action": "ACCEPT", "macro": "ssh", "source": "10.0.0.0/24", "comment": "from the office"}
WEB = {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": 8000, "log": "info"}
DROP = "IN DROP"
PING = "OUT ACCEPT -p icmp -icmp-type echo-request"
BASE = {"network_config": NET, "memory_mb": 512}
RULES = "/nodes/pve/lxc/950/firewall/rules"


def walled(*rules, enabled=True, **config):
    section = {"rules": list(rules)} if enabled is None else {"enabled": enabled, "rules": list(rules)}
    return wanted(**{**BASE, **config, "firewall": section})


def file_of(node, ctid=950):
    path = node.pve_dir / "firewall" / f"{ctid}.fw"
    return path.read_text(encoding="utf-8") if path.exists() else None


def lines(node, ctid=950):
    text = file_of(node, ctid) or ""
    return [line for line in text.partition("[RULES]")[2].splitlines() if line]


def settle(node, want):
    """Check, run, and see that both were the same and nothing is left."""
    node.forget_requests()
    check = node.apply(want, check=True)
    assert node.mutations() == []
    real = node.apply(want)
    made = node.mutations()
    assert real.last.error is None
    if check.first.state != "defined":  # else the play's part makes two runs of it
        assert real.journal == predicted(check)
    assert normal(made) == normal(pve_calls(predicted(check)))
    node.forget_requests()
    again = node.apply(want)
    assert again.first.steps == ()
    assert node.mutations() == []
    assert again.last.state == "completed"
    return made, again.last


def test_a_new_container_gets_its_rules_in_order_and_its_switches(node):
    settle(node, walled(SSH, WEB, PING, DROP))
    assert lines(node) == [
        "IN SSH(ACCEPT) -source 10.0.0.0/24 # from the office",
        "IN ACCEPT -p tcp -dport 8000 -log info",
        "OUT ACCEPT -p icmp -icmp-type echo-request",
        "IN DROP",
    ]
    assert "enable: 1" in file_of(node)
    assert "firewall=1" in node.conf(950)


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [DROP],
        [WEB, SSH, DROP],
        [DROP, WEB, SSH],
        [SSH, PING, WEB, DROP],
        [PING, SSH, WEB],
        [PING],
        [SSH, DROP, WEB],
    ],
    ids=str,
)
def test_from_one_list_to_another(node, rules):
    settle(node, walled(SSH, WEB, DROP))
    settle(node, walled(*rules))
    settle(node, walled(SSH, WEB, DROP))


def test_it_is_hot(node):
    settle(node, walled(SSH))
    plan = node.apply(walled(SSH, WEB), check=True).first
    assert [(step.kind, step.disrupts) for step in plan.steps] == [("firewall", "hot")]


def test_a_rule_set_by_hand_stays_where_it_is_and_is_told(node):
    settle(node, walled(SSH, DROP))
    node.call("POST", RULES, {"type": "in", "action": "ACCEPT", "proto": "udp", "dport": "53", "enable": 1})
    _made, plan = settle(node, walled(SSH, WEB, DROP))
    assert lines(node)[0] == "IN ACCEPT -p udp -dport 53"
    assert any("-dport 53" in note for note in plan.notes)
    settle(node, wanted(**BASE))
    assert lines(node) == ["IN ACCEPT -p udp -dport 53"]
    assert "enable" not in file_of(node)
    assert "firewall=" not in node.conf(950)


def test_what_was_turned_by_hand_is_turned_back(node):
    settle(node, walled(SSH, WEB))
    node.call("PUT", f"{RULES}/0", {"enable": 0, "comment": "by hand"})
    node.call("PUT", "/nodes/pve/lxc/950/firewall/options", {"enable": 0, "policy_in": "ACCEPT"})
    made, _plan = settle(node, walled(SSH, WEB))
    assert (f"{RULES}/0", {"enable": "1", "comment": "from the office"}) in [
        (path, params) for _m, path, params in made
    ]
    assert "policy_in: ACCEPT" in file_of(node)


def test_a_comment_that_goes_from_the_file_goes(node):
    settle(node, walled(SSH, WEB))
    settle(node, walled({**SSH, "comment": None}, {**WEB, "log": None, "enable": False}))
    assert lines(node) == ["IN SSH(ACCEPT) -source 10.0.0.0/24", "|IN ACCEPT -p tcp -dport 8000"]


def test_rules_without_the_switch_leave_the_switch_alone(node):
    settle(node, walled(SSH, enabled=None))
    assert "enable" not in file_of(node)
    node.call("PUT", "/nodes/pve/lxc/950/firewall/options", {"enable": 1})
    settle(node, walled(SSH, WEB, enabled=None))
    assert "enable: 1" in file_of(node)


def test_a_clone_has_its_sources_rules_and_its_own_in_front(node):
    source = dataclasses.replace(walled(DROP, is_template=True), ctid=900)
    node.apply(source)
    clone = walled(SSH, template=None, clone_from_ctid="900", storage_pool=None)
    _made, plan = settle(node, clone)
    assert lines(node, 900) == ["IN DROP"]
    assert lines(node) == ["IN SSH(ACCEPT) -source 10.0.0.0/24 # from the office", "IN DROP"]
    assert any("IN DROP" in note for note in plan.notes)


def test_a_clones_source_that_is_still_to_come_is_predicted_with_its_rules(node):
    source = dataclasses.replace(walled(DROP, is_template=True), ctid=900)
    clone = walled(SSH, DROP, template=None, clone_from_ctid="900", storage_pool=None)
    check = node.apply(dataclasses.replace(clone, source=source), check=True)
    node.apply(source)
    node.forget_requests()
    node.apply(clone)
    assert normal(node.mutations()) == normal(pve_calls(predicted(check)))


def test_the_interface_of_a_source_is_switched_without_touching_the_rest(node):
    node.apply(dataclasses.replace(wanted(**BASE, is_template=True), ctid=900))
    clone = walled(SSH, template=None, clone_from_ctid="900", storage_pool=None, network_config=None)
    settle(node, clone)
    assert "bridge=vmbr0,firewall=1" in node.conf(950)
    without = wanted(memory_mb=512, template=None, clone_from_ctid="900", storage_pool=None)
    settle(node, without)
    assert "bridge=vmbr0,hwaddr" in node.conf(950)


def test_nothing_is_left_of_it_when_the_container_is_destroyed(node):
    settle(node, walled(SSH))
    node.apply(wanted(target="absent"))
    assert file_of(node) is None


def test_rules_changed_by_somebody_else_meanwhile_are_looked_at_again(node):
    settle(node, walled(SSH, WEB, DROP))
    made = []

    class Meddling(Cutting):
        def request(self, method, path, params=None):
            if method == "GET" and path == RULES and not made:
                made.append(1)
                node.call("POST", RULES, {"type": "in", "action": "REJECT", "proto": "tcp", "enable": 1})
            return self._client.request(method, path, params)

    real = node.apply(walled(DROP), client=lambda: Meddling(node.connect, 0, False))
    assert real.last.state == "completed"
    assert lines(node) == ["IN REJECT -p tcp", "IN DROP"]


def test_a_macro_that_this_node_does_not_know_fails_in_pves_words(node):
    with pytest.raises(StepError, match=r"unknown macro 'Nonsense'"):
        node.apply(walled({"type": "in", "action": "ACCEPT", "macro": "Nonsense"}))


def test_the_datacenters_switch_is_told_as_long_as_it_is_off(node):
    settle(node, walled(SSH))
    assert any("datacenter" in note for note in node.apply(walled(SSH)).last.notes)
    node.call("PUT", "/cluster/firewall/options", {"enable": 1})
    assert not any("datacenter" in note for note in node.apply(walled(SSH)).last.notes)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 10))
def test_a_cut_at_any_call_is_resumed(node, at, after):
    settle(node, walled(SSH, WEB, DROP))
    want = walled(DROP, PING, {**WEB, "comment": "new"})
    with contextlib.suppress(Cut):
        node.apply(want, client=lambda: Cutting(node.connect, at, after))
    settle(node, want)
    assert lines(node) == ["IN DROP", PING, "IN ACCEPT -p tcp -dport 8000 -log info # new"]
