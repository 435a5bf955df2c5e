# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of a run as the lines that people read."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.output import closing, wording
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.output.progress import Progress

P = "phoenix.hypervisor."
PLAN = {
    "state": "defined",
    "final_state": "completed",
    "steps": [
        {"kind": "create", "name": "", "reason": "no container", "disrupts": "nothing", "state": "created",
         "entries": [{"op": "pve", "what": "POST /nodes/pve/lxc", "params": {"vmid": 950}}]},
        {"kind": "feature", "name": "vllm", "reason": "not applied yet", "disrupts": "nothing", "state": "customizing",
         "entries": []},
    ],
    "waiting": [],
    "notes": [],
}  # fmt: skip  # laid out to be read


def run(*hosts: tuple[str, str], check: bool = False, diff: bool = False) -> Progress:
    """A run in which these containers have begun."""
    progress = Progress(check, diff)
    for ctid, name in hosts:
        progress.began(ctid, name, "Bring one container to its target state", 0.0)
    return progress


def state(progress: Progress, host: str, now: float, **result: Any) -> list[str]:
    """The node's module has done its part."""
    progress.began(host, "x", "Create, configure and start", now - 2)
    return progress.ended(host, P + "phoenix_lxc_state", result, now, True)


def feature(progress: Progress, host: str, operation: str, now: float) -> list[str]:
    """The beginning or the end of a feature."""
    progress.began(host, "x", "Begin", now)
    result = {"operation": operation, "kind": "feature", "name": "vllm", "changed": True}
    return progress.ended(host, P + "phoenix_feature", result, now, True)


def test_a_line_for_each_step():
    progress = run(("950", "web"))
    assert state(progress, "950", 3.0, plan=PLAN, journal=[{}], changed=True) == [
        "950 web                   create  2.0 s"
    ]
    assert feature(progress, "950", "begin", 4.0) == []
    progress.began("950", "web", "Install packages", 5.0)
    assert progress.now_line(70.0) == "950 web vllm: Install packages 1:06 min"
    assert progress.ended("950", "ansible.builtin.apt", {"changed": True}, 70.0, False) == []
    assert feature(progress, "950", "record", 74.0) == ["950 web                   vllm  applied, 1 change  1:10 min"]


def test_a_feature_begins_and_ends_within_calls_on_the_container():
    progress = run(("950", "web"))
    begun = state(progress, "950", 3.0, plan=PLAN, journal=[{}], changed=True, begun="vllm")
    assert begun == ["950 web                   create  2.0 s"]
    progress.began("950", "web", "Install packages", 5.0)
    progress.ended("950", "ansible.builtin.apt", {"changed": True}, 70.0, False)
    assert state(progress, "950", 74.0, journal=[{}], changed=True, recorded="vllm", begun="next") == [
        "950 web                   vllm  applied, 1 change  1:11 min"
    ]
    assert state(progress, "950", 75.0, plan={"steps": [{"kind": "complete"}]}, changed=True, recorded="next") == [
        "950 web                   next  applied  1.0 s"
    ]


def test_a_clone_says_once_what_it_waits_for():
    progress = run(("900", "base"), ("950", "web"))
    assert progress.began("950", "web", "Wait", 1.0, "900") == ["950 web                   waits for 900 base"]
    assert progress.ended("950", P + "phoenix_lineage", {"outcome": "waiting"}, 60.0, True) == []
    assert progress.began("950", "web", "Wait", 60.0, "900") == []
    assert (
        progress.now_line(61.0)
        == "900 base Bring one container to its target state 1:01 min | 950 web waits for 900 base 1.0 s"
    )
    assert progress.ended("950", P + "phoenix_lineage", {"outcome": "finished"}, 70.0, True) == []
    assert progress.began("950", "web", "Wait", 71.0, "900") != []


def test_a_dry_run_shows_plans_in_the_order_of_the_play():
    progress = run(("900", "base"), ("950", "web"), check=True)
    for host in ("950", "900"):
        assert state(progress, host, 1.0, plan=PLAN, journal=[{}], changed=True) == []
    lines = progress.plan_lines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "900 base: defined -> completed",
        "950 web: defined -> completed",
    ]
    assert "  2. feature vllm => customizing: not applied yet" in lines
    assert not any("POST" in line for line in lines)
    assert progress.plan_lines() == []
    progress = run(("950", "web"), check=True, diff=True)
    state(progress, "950", 1.0, plan=PLAN, journal=[{}], changed=True)
    assert any("pve: POST /nodes/pve/lxc vmid=950" in line for line in progress.plan_lines())


def test_a_failure_is_shown_once():
    progress = run(("950", "web"))
    feature(progress, "950", "begin", 1.0)
    result = {"msg": "non-zero return code", "stderr": "disk full\x1b[31m\x07"}
    assert progress.failed("950", "Install packages", result, 3.0) == ["950 web                   vllm  FAILED  2.0 s"]
    told = {"msg": "Feature vllm failed in container 950, in the task 'Install packages': non-zero return code"}
    assert progress.failed("950", "Fail with the reason", told, 4.0, by_rescue=True) == []
    lines = closing.failure_lines(
        progress.failures.values(), "/var/log/x.log", {"950": "ansible-playbook site.yml --limit 950"}
    )
    assert lines == [
        "",
        "FAILED: 950 web, in the task 'vllm, Install packages'",
        "    Feature vllm failed in container 950, in the task 'Install packages': non-zero return code",
        "    disk full\ufffd",
        "  Log: /var/log/x.log",
        "  Resume: ansible-playbook site.yml --limit 950",
        "",
    ]


def test_a_settled_fleet_is_a_table():
    progress = Progress()
    observed = {
        str(ctid): {"name": f"c{ctid}", "held": ctid == 901, "plan": {"waiting": ["memory"] if ctid == 902 else []}}
        for ctid in range(900, 1100)
    }
    progress.observed([{"ansible_facts": {"phoenix_due": [], "phoenix_faults": {}, "phoenix_observed": observed}}])
    assert closing.table(progress, [], [], 4.25) == [
        "            changed  settled  waiting for a restart  held  failed  unreachable  seconds",
        "containers        0      200                      1     1       0            0    4.2 s",
    ]


def test_lost_and_failed_containers_are_counted_once():
    progress = run(("950", "web"), ("951", "db"), ("952", "x"))
    facts = {"phoenix_due": ["950", "951", "952"], "phoenix_faults": {"952": "unreachable"}, "phoenix_observed": {}}
    progress.observed([{"ansible_facts": facts}])
    progress.began("950", "web", "t", 1.0)
    progress.ended("950", "ansible.builtin.copy", {"changed": True}, 2.0, False)
    rows = closing.table(progress, ["951", "952"], [], 1.0)
    assert rows[1].split()[:7] == ["containers", "1", "0", "0", "0", "2", "0"]


def test_text_of_a_guest_is_harmless_and_short():
    progress = run(("950", "web"))
    evil = "\x1b]0;title\x07\x1b[2J" + "\n".join(f"line {n}" for n in range(1000)) + "\u202e"
    progress.failed("950", "Run\x1b[1m it", {"msg": evil}, 1.0)
    text = "\n".join(closing.failure_lines(progress.failures.values(), "", {}))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text.splitlines()) <= wording.MOST_LINES + 5
    assert "lines are left out" in text


def test_changes_of_a_node_are_lines():
    progress = Progress()
    progress.began("pve", None, "Install packages", 0.0)
    assert progress.ended("pve", "ansible.builtin.apt", {"changed": True}, 3.0, False) == [
        "pve                       Install packages  changed  3.0 s"
    ]
    progress.began("pve", None, "Look", 3.0)
    assert progress.ended("pve", "ansible.builtin.stat", {"changed": False}, 4.0, False) == []
    assert closing.table(progress, [], [], 4.0)[1].split()[:3] == ["hosts", "1", "0"]


def test_a_dry_run_without_observation_counts_what_its_tasks_would_change() -> None:
    progress = run(("950", "web"), ("951", "db"), check=True)
    state(progress, "950", 3.0, plan=PLAN, journal=[{}], changed=True)
    state(progress, "951", 3.0, plan={**PLAN, "steps": []}, journal=[], changed=False)
    assert closing.table(progress, set(), set(), 1.0)[-1].split()[:3] == ["containers", "1", "1"]


def test_an_update_is_a_line_for_its_guard_and_one_for_its_end() -> None:
    progress = run(("950", "web"))
    kinds = ("guard", "update", "health", "release")
    plan = {**PLAN, "steps": [{**PLAN["steps"][1], "kind": kind} for kind in kinds]}  # type: ignore[index, dict-item]  # steps
    (line,) = state(progress, "950", 3.0, plan=plan, journal=[{}], changed=True)
    assert line.split() == ["950", "web", "guard", "2.0", "s"]
    rest = {**plan, "steps": plan["steps"][3:]}  # type: ignore[index]  # steps
    (line,) = state(progress, "950", 5.0, plan=rest, journal=[{}], changed=True)
    assert line.split()[:3] == ["950", "web", "release"]
