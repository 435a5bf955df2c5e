# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall's file format, and the calls from one list of rules to another."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.cluster import firewall_changes
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.desired import understand
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import fwfile
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.apicalls import Kind
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.fwfile import Firewall, Rule

FILE = """# by hand
[OPTIONS]

enable: 1
policy_in: DROP

[ALIASES]

office 10.0.0.0/24 # not a rule

[RULES]

IN SSH(ACCEPT) -i net0 -source +dc/admins -log nolog # from home # and the office
|OUT DROP -dest 10.0.0.9 -p tcp -dport 80,443 -sport 1024:65535
GROUP web -i net0
IN NONSENSE
IN ACCEPT -unknown 1
IN ACCEPT -p
IN ACCEPT --proto icmp --icmp-type echo-request
"""


def test_a_file_of_pve_is_read_and_unreadable_lines_do_not_count():
    found = fwfile.parse_file(FILE)
    assert found.options == {"enable": "1", "policy_in": "DROP"}
    assert [rule.line() for rule in found.rules] == [
        "IN SSH(ACCEPT) -i net0 -source +dc/admins -log nolog # from home # and the office",
        "|OUT DROP -dest 10.0.0.9 -p tcp -dport 80,443 -sport 1024:65535",
        "GROUP web -i net0",
        "IN ACCEPT -p icmp -icmp-type echo-request",
    ]


def test_a_comment_may_hold_what_looks_like_the_end_of_a_line():
    rule = Rule("in", "ACCEPT", comment="a\u2028OUT DROP\x0bb")
    assert fwfile.parse_file(f"[RULES]\n\n{rule.line()}\n").rules == (rule,)


@pytest.mark.parametrize(
    ("item", "line"),
    [
        ("in accept -p tcp -dport 80", "IN ACCEPT -p tcp -dport 80"),
        ("|GROUP web", "|GROUP web"),
        ({"type": "IN", "action": "accept", "proto": "tcp", "port": 80}, "IN ACCEPT -p tcp -dport 80"),
        ({"type": "out", "action": "DROP", "dest": "10.0.0.1, 10.0.0.2"}, "OUT DROP -dest 10.0.0.1,10.0.0.2"),
        ({"type": "in", "action": "ACCEPT", "macro": "SSH", "enable": False}, "|IN SSH(ACCEPT)"),
        ({"type": "in", "action": "ACCEPT", "comment": "  a b  "}, "IN ACCEPT # a b"),
    ],
)
def test_rules_of_the_configuration_in_both_forms(item, line):
    assert fwfile.rule_of(item).line() == line


@pytest.mark.parametrize("item", ["IN", "SIDE ACCEPT", "IN ACCEPT -p", "GROUP web -p tcp", {"type": "in"}])
def test_what_is_no_rule_is_refused(item):
    with pytest.raises(ValueError, match=r"\w"):
        fwfile.rule_of(item)


words = st.sampled_from(["", "10.0.0.0/24", "office"])
comments = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), max_size=6).map(str.strip)
rules = st.builds(
    Rule,
    st.sampled_from(["in", "out"]),
    st.sampled_from(["ACCEPT", "DROP"]),
    macro=st.sampled_from(["", "SSH"]),
    source=words,
    dport=st.sampled_from(["", "80"]),
    log=st.sampled_from(["", "info", "nolog"]),
    enable=st.booleans(),
    comment=comments,
)


@given(rules)
def test_a_rule_survives_its_line(rule):
    assert fwfile.parse_rule(rule.line()) == dataclasses.replace(rule, comment=rule.comment.lstrip("#").strip()) or (
        rule.comment.startswith("#")
    )


def config_of(wanted, enabled):
    section = {"rules": [rule.line() for rule in wanted]}
    return {"firewall": section if enabled is None else {**section, "enabled": enabled}}


def obey(there: Firewall, calls) -> Firewall:
    """PVE on paper: a new rule at the top, a moved one in front of another (PVE/API2/Firewall/Rules.pm)."""
    items, options = list(there.rules), dict(there.options)
    for call in calls:
        if call.kind is Kind.FIREWALL_OPTIONS:
            options.pop(call.params.get("delete"), None)
            options.update({key: str(value) for key, value in call.params.items() if key != "delete"})
            continue
        if call.kind is Kind.RULE_ADD:
            fields = {key.replace("-", "_"): value for key, value in call.params.items()}
            items.insert(0, Rule(**{**fields, "enable": bool(fields["enable"])}))
            continue
        position = call.position
        rule = items[position]
        if call.kind is Kind.RULE_DELETE:
            del items[position]
        elif "moveto" in call.params:
            target = call.params["moveto"]
            moved = []
            for index, entry in enumerate(items):
                if index == position:
                    continue
                if index == target:
                    moved.append(rule)
                moved.append(entry)
            items = moved if target < len(items) else [*moved, rule]
        else:
            gone = dict.fromkeys(filter(None, str(call.params.get("delete", "")).split(",")), "")
            fields = {key: value for key, value in call.params.items() if key != "delete"}
            if "enable" in fields:
                fields["enable"] = bool(fields["enable"])
            items[position] = dataclasses.replace(rule, **gone, **fields)
    return Firewall(options, tuple(items))


@settings(max_examples=400, deadline=None)
@given(
    there=st.lists(rules, max_size=7),
    before=st.lists(rules, max_size=5),
    wanted=st.lists(rules, max_size=6),
    enabled=st.sampled_from([None, True, False]),
    switch=st.sampled_from([{}, {"enable": "1"}, {"enable": "0", "policy_in": "DROP"}]),
)
def test_one_apply_leaves_nothing_and_keeps_what_is_not_ours(there, before, wanted, enabled, switch):
    applied = firewall_changes.changes(understand(config_of(before, True)).firewall, Firewall(), None).applied
    actual = Firewall(switch, tuple(there))
    config = config_of(wanted, enabled)
    change = firewall_changes.changes(understand(config).firewall, actual, applied)
    result = obey(actual, change.calls)
    assert result == change.after
    followed = actual.rules
    for call in change.calls:
        followed = firewall_changes.follow(followed, call)
    assert followed == result.rules
    again = firewall_changes.changes(understand(config).firewall, result, change.applied)
    assert not again
    # Ours are all there, in the configuration's order; foreign ones keep theirs.
    mine = understand(config).firewall.rules
    keys = [rule.key for rule in mine]
    seen = list(dict.fromkeys(rule.key for rule in result.rules if rule.key in keys))
    assert sorted(seen) == sorted(keys)
    first = {}
    for place, rule in enumerate(result.rules):
        first.setdefault(rule.key, place)
    if len({rule.key for rule in there}) == len(there):
        assert seen == keys
        ours = {*keys, *(rule.key for rule in understand(config_of(before, None)).firewall.rules)}
        foreign = [rule for rule in there if rule.key not in ours]
        assert [rule for rule in result.rules if rule.key not in ours] == foreign
    assert result.options.get("policy_in") == switch.get("policy_in")


def test_moves_are_as_few_as_there_can_be():
    names = ["1", "2", "3", "4", "5"]
    there = Firewall({}, tuple(Rule("in", "ACCEPT", source=name) for name in names))
    wanted = [f"IN ACCEPT -source {name}" for name in ("5", "1", "2", "3", "4")]
    change = firewall_changes.changes(understand({"firewall": {"rules": wanted}}).firewall, there, None)
    assert change.calls == (firewall_changes.Change(Kind.RULE_CHANGE, {"moveto": 0}, 4),)


@pytest.mark.parametrize(
    ("there", "enabled", "first"), [("0", True, Kind.RULE_ADD), ("1", False, Kind.FIREWALL_OPTIONS)]
)
def test_it_is_switched_on_last_and_off_first(there, enabled, first):
    change = firewall_changes.changes(
        understand({"firewall": {"enabled": enabled, "rules": ["IN DROP"]}}).firewall, Firewall({"enable": there}), None
    )
    assert change.calls[0].kind is first
    assert len(change.calls) == 2


def test_what_is_moved_stands_right_behind_the_one_before_it():
    there = Firewall({}, tuple(Rule("in", "ACCEPT", source=name) for name in ("3", "4", "1", "2", "foreign")))
    wanted = [f"IN ACCEPT -source {name}" for name in ("1", "2", "3", "4")]
    change = firewall_changes.changes(understand({"firewall": {"rules": wanted}}).firewall, there, None)
    assert [rule.source for rule in change.after.rules] == ["1", "2", "3", "4", "foreign"]
    assert obey(there, change.calls) == change.after
