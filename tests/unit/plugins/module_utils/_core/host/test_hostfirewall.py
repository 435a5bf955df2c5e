# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall of datacenter and node: any two configurations, one after the other, come to what is wanted."""

from __future__ import annotations

import copy
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import node_firewall
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.node_firewall import (
    COMMENT,
    FirewallPlan,
    Seen,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.fwfile import rule_of_answer

NODE, CLUSTER = "/nodes/pve/firewall", "/cluster/firewall"
OPEN = f"IN ACCEPT -p tcp -dport 22,8006 # {COMMENT}"
EMPTY: dict[str, Any] = {
    "options": {"datacenter": {}, "node": {}},
    "rules": {"datacenter": [], "node": []},
    "groups": {},
    "ipsets": {},
    "aliases": {},
}


def rule(port: int, action: str = "ACCEPT", **more: Any) -> dict[str, Any]:
    """A rule of the configuration, or as the API shows it."""
    return {"type": "in", "action": action, "proto": "tcp", "dport": str(port), **more}


def seen(state: dict[str, Any]) -> Seen:
    """What the API shows of it."""
    return Seen(
        options=state["options"],
        rules=state["rules"],
        groups=state["groups"],
        ipsets=state["ipsets"],
        aliases=[{"name": name, **value} for name, value in state["aliases"].items()],
        guests=state.get("guests", ""),
    )


def carried_out(state: dict[str, Any], plan: FirewallPlan) -> dict[str, Any]:
    """The firewall after the calls, as PVE does them; it refuses to delete what is not empty."""
    state = copy.deepcopy(state)
    for call in plan.calls:
        level = "datacenter" if call.path.startswith(CLUSTER) else "node"
        part, *rest = call.path.removeprefix(CLUSTER).removeprefix(NODE).strip("/").split("/")
        rest = [unquote(one) for one in rest]
        params = dict(call.params)
        if part == "options":
            for key in params.pop("delete", "").split(","):
                state["options"][level].pop(key, None)
            state["options"][level].update(params)
        elif part == "rules":
            _rules(state["rules"][level], call.method, rest, params)
        elif part == "groups" and call.method == "POST" and not rest:
            assert state["groups"].setdefault(params["group"], []) == []
        elif part == "groups" and call.method == "DELETE" and len(rest) == 1:
            assert state["groups"].pop(rest[0]) == []
        elif part == "groups":
            _rules(state["groups"][rest[0]], call.method, rest[1:], params)
        elif part == "ipset":
            _sets(state["ipsets"], call.method, rest, params)
        elif call.method == "DELETE":
            del state["aliases"][rest[0]]
        else:
            state["aliases"][rest[0] if rest else params.pop("name")] = params
    return state


def _sets(sets: dict[str, Any], method: str, rest: list[str], params: dict[str, Any]) -> None:
    if method == "POST":
        target = sets.setdefault(rest[0] if rest else params["name"], [])
        if rest:
            assert params["cidr"] not in [entry["cidr"] for entry in target]
            target.append(params)
    elif len(rest) == 1:
        assert sets.pop(rest[0]) == []
    else:
        sets[rest[0]] = [one for one in sets[rest[0]] if one["cidr"] != rest[1]]


def _rules(rules: list[dict[str, Any]], method: str, rest: list[str], params: dict[str, Any]) -> None:
    if method == "POST":
        rules.insert(0, params)
    elif method == "DELETE":
        del rules[int(rest[0])]
    elif "moveto" in params:
        item, before = rules.pop(int(rest[0])), int(params["moveto"])
        rules.insert(before - 1 if before > int(rest[0]) else before, item)
    else:
        for key in params.pop("delete", "").split(","):
            rules[int(rest[0])].pop(key, None)
        rules[int(rest[0])].update(params)


def plan(wanted: dict[str, Any], state: dict[str, Any], applied: Any = None, ports: Any = ()) -> FirewallPlan:
    """The comparison, which must be possible."""
    result = node_firewall.plan("pve", wanted, seen(state), applied, ports)
    assert result.refusals == []
    return result


def lines(state: dict[str, Any], level: str = "datacenter") -> list[str]:
    """The rules of a level."""
    return [rule_of_answer(row).line() for row in state["rules"][level]]


WANTED = {
    "options": {"datacenter": {"enable": True, "policy_in": "DROP"}, "node": {"enable": True}},
    "rules": {"datacenter": [rule(80), {"type": "group", "action": "web"}], "node": [rule(22, "DROP")]},
    "groups": {"web": [rule(443, source="+office")]},
    "ipsets": {"office": ["10.1.0.0/16", "!10.1.9.0/24", "lan"]},
    "aliases": {"lan": {"cidr": "10.2.0.0/16"}},
    "management": [],
}


def test_first_of_all_and_on_at_last():
    theirs = copy.deepcopy(EMPTY)
    theirs["rules"] = {"datacenter": [rule(22, "DROP")], "node": [rule(8006, "DROP")]}
    result = plan(WANTED, theirs)
    assert [call.path for call in result.calls[:2]] == [f"{NODE}/rules", f"{CLUSTER}/rules"]
    assert result.calls[-1].text() == f"PUT {CLUSTER}/options enable=1 policy_in=DROP"
    after = carried_out(theirs, result)
    assert lines(after)[0] == lines(after, "node")[0] == OPEN
    assert "IN DROP -p tcp -dport 22" in lines(after)
    assert plan(WANTED, after, result.applied).calls == []


def test_off_at_first_and_everything_of_ours_gone():
    on = plan(WANTED, EMPTY)
    state = carried_out(EMPTY, on)
    off = plan({}, state, on.applied)
    assert off.calls[0].text() == f"PUT {CLUSTER}/options delete=enable,policy_in"
    assert carried_out(state, off) == EMPTY
    assert off.applied == {}


def test_a_rule_that_others_put_before_ours_or_switched_off_is_set_right():
    state = carried_out(EMPTY, first := plan(WANTED, EMPTY))
    state["rules"]["node"][0]["enable"] = 0
    state["rules"]["node"].insert(0, rule(22, "DROP", source="10.0.0.0/8"))
    after = carried_out(state, plan(WANTED, state, first.applied))
    assert lines(after, "node")[0] == OPEN


def test_networks_that_may_and_the_port_of_this_connection():
    result = plan({**WANTED, "management": ["10.0.0.0/24", "fd00::/64", "10.0.1.7"]}, EMPTY, ports=[2222])
    after = lines(carried_out(EMPTY, result), "node")
    assert after[0] == f"IN ACCEPT -source 10.0.0.0/24,10.0.1.7 -p tcp -dport 22,2222,8006 # {COMMENT}"
    assert after[1] == f"IN ACCEPT -source fd00::/64 -p tcp -dport 22,2222,8006 # {COMMENT}"


def test_what_pve_spells_differently_is_no_difference():
    state = {
        **copy.deepcopy(EMPTY),
        "rules": {
            "datacenter": [rule(22, dport="8006,22", proto="6", comment=COMMENT), rule(80, source="2001:db8::1")],
            "node": [rule(22, dport="22,8006", comment=COMMENT)],
        },
        "groups": {"web": [rule(80, dport="8000:8010,80")]},
        "ipsets": {"office": [{"cidr": "192.0.2.9"}, {"cidr": "2001:db8::/64", "nomatch": 1}]},
        "aliases": {"Lan": {"cidr": "192.0.2.1"}},
    }
    wanted = {
        "options": {},
        "rules": {"datacenter": [rule(80, source="2001:DB8:0::1/128")], "node": []},
        "groups": {"Web": [rule(80, dport="80,8000:8010")]},
        "ipsets": {"Office": ["192.0.2.9/32", "!2001:0DB8::/64"]},
        "aliases": {"lan": {"cidr": "192.0.2.1/32"}},
    }
    plan = node_firewall.plan("pve", wanted, seen(state), {})
    assert [call.text() for call in plan.calls] == []
    # What goes is named as PVE spells it.
    less = {**wanted, "ipsets": {"office": ["192.0.2.9"]}}
    gone = node_firewall.plan("pve", less, seen(state), plan.applied)
    assert [call.text() for call in gone.calls] == ["DELETE /cluster/firewall/ipset/office/2001%3Adb8%3A%3A%2F64"]


def test_comments_of_a_sets_entries():
    state = {
        **copy.deepcopy(EMPTY),
        "ipsets": {"office": [{"cidr": "192.0.2.9", "comment": "old"}, {"cidr": "10.0.0.0/8"}]},
    }
    wanted = {
        "ipsets": {"office": ["192.0.2.9/32", "10.0.0.0/8", "!10.1.0.0/16"]},
        "entry_comments": {"office": {"192.0.2.9/32": "printer", "!10.1.0.0/16": "guests"}},
    }
    made = node_firewall.plan("pve", wanted, seen(state), {})
    assert [call.text() for call in made.calls if "/ipset" in call.path] == [
        "PUT /cluster/firewall/ipset/office/192.0.2.9 comment=printer",
        "POST /cluster/firewall/ipset/office cidr=10.1.0.0/16 comment=guests nomatch=1",
    ]


def test_what_is_forwarded_has_rules_and_a_policy():
    rules = [{"type": "forward", "action": "ACCEPT", "proto": "tcp", "dport": 443}]
    wanted = {
        "options": {"datacenter": {"policy_forward": "DROP"}, "node": {"nftables": True}},
        "rules": {"datacenter": rules, "node": []},
    }
    texts = [call.text() for call in plan(wanted, EMPTY).calls]
    assert "PUT /cluster/firewall/options policy_forward=DROP" in texts
    assert "PUT /nodes/pve/firewall/options nftables=1" in texts
    assert any(text.startswith("POST /cluster/firewall/rules") and "type=forward" in text for text in texts)


@pytest.mark.parametrize(
    ("part", "guests"),
    [("groups", "GROUP web -i net0"), ("ipsets", "IN ACCEPT -source +dc/office"), ("aliases", "-dest lan")],
)
def test_what_a_guest_uses_stays_and_is_told(part: str, guests: str):
    on = plan(WANTED, EMPTY)
    state = {**carried_out(EMPTY, on), "guests": guests}
    less = {**WANTED, "rules": {"datacenter": [], "node": []}, "groups": {}, "ipsets": {}, "aliases": {}}
    result = plan(less, state, on.applied)
    assert len(result.notes) == 1
    assert carried_out(state, result)[part] != {}
    assert result.applied[part] == on.applied[part]


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({"type": "group", "action": "wbe"}, "names wbe"),
        (rule(80, source="+offcie"), "names offcie"),
        (rule(80, dest="lna"), "names lna"),
    ],
)
def test_names_that_nobody_has(item: dict[str, Any], told: str):
    result = node_firewall.plan("pve", {**WANTED, "rules": {"node": [item]}}, seen(EMPTY), None)
    assert [told in refusal for refusal in result.refusals] == [True]


PORTS = st.lists(st.integers(1, 6), unique=True, max_size=5)
RULES = st.builds(
    lambda ports, action: [rule(port, action) for port in ports], PORTS, st.sampled_from(["ACCEPT", "DROP"])
)
ENTRIES = st.lists(st.integers(1, 4), unique=True, max_size=3).flatmap(
    lambda hosts: st.tuples(*[st.sampled_from([f"10.0.0.{h}", f"!10.0.0.{h}"]) for h in hosts]).map(list)
)
CONFIGS = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {
            "options": st.fixed_dictionaries(
                {"datacenter": st.dictionaries(st.just("enable"), st.booleans()), "node": st.just({})}
            ),
            "rules": st.fixed_dictionaries({"datacenter": RULES, "node": RULES}),
            "groups": st.dictionaries(st.sampled_from(["web", "db"]), RULES, max_size=2),
            "ipsets": st.dictionaries(st.sampled_from(["one", "two"]), ENTRIES, max_size=2),
            "aliases": st.dictionaries(st.sampled_from(["a1", "a2"]), st.just({"cidr": "10.9.0.1"}), max_size=2),
            "management": st.sampled_from([[], ["10.0.0.0/24"], ["10.0.0.0/24", "fd00::/64"]]),
        }
    ),
)


@settings(max_examples=200, deadline=None)
@given(CONFIGS, CONFIGS, RULES, st.integers(0, 5))
def test_any_two_configurations(first: Any, second: Any, theirs: list[Any], place: int):
    state = copy.deepcopy(EMPTY)
    state["rules"]["datacenter"] = [{**one, "sport": "9"} for one in theirs]
    one = plan(first, state)
    state = carried_out(state, one)
    state["rules"]["node"].insert(min(place, len(state["rules"]["node"])), rule(9, "DROP", sport="9"))
    two = plan(second, state, one.applied)
    state = carried_out(state, two)
    assert plan(second, state, two.applied).calls == []
    for level in ("datacenter", "node"):
        ways = node_firewall.keeping_open(second["management"], ()) if second else []
        ours = [rule_of_answer(row).key for row in state["rules"][level] if row.get("sport") != "9"]
        assert [way.key for way in ways] == ours[: len(ways)]
        assert ours[len(ways) :] == [rule_of_answer(row).key for row in (second.get("rules") or {}).get(level, ())]
        if second:
            assert [way.line() for way in ways] == lines(state, level)[: len(ways)]
    kept = [row for row in state["rules"]["datacenter"] if row.get("sport") == "9"]
    assert [rule_of_answer(row).key for row in kept] == [rule_of_answer({**r, "sport": "9"}).key for r in theirs]
    assert set(state["groups"]) == set(second.get("groups", ()))
    for name, entries in second.get("ipsets", {}).items():
        assert {("!" if e.get("nomatch") else "") + e["cidr"] for e in state["ipsets"][name]} == set(entries)
