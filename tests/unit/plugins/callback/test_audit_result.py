# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a result gets into the trail."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit import audit_result as audit


def anybody(_source: object) -> bool:
    """Every word counts."""
    return True


@pytest.mark.parametrize(
    ("host", "variable", "ctid"),
    [
        ("950", None, 950),
        ("web", 950, 950),
        ("web", "950", 950),
        ("951", 950, 950),
        ("pve", None, None),
        ("pve", True, None),
        ("web", "{{ x }}", None),
        ("10", None, None),
    ],
)
def test_ctid_of_a_host(host: str, variable: object, ctid: int | None) -> None:
    assert audit.ctid_of(host, variable) == ctid


@pytest.mark.parametrize(
    ("status", "result", "outcome", "level"),
    [
        ("ok", {}, "ok", "INFO"),
        ("ok", {"changed": True}, "changed", "INFO"),
        ("failed", {"changed": True}, "failed", "ERROR"),
        ("ignored", {}, "ignored", "WARNING"),
        ("skipped", {}, "skipped", "INFO"),
        ("unreachable", {}, "unreachable", "ERROR"),
    ],
)
def test_outcomes(status: str, result: dict, outcome: str, level: str) -> None:
    entry = audit.task_entry("t", "950", 950, status, result, 1.0, dry_run=False)
    assert (entry.outcome, entry.level) == (outcome, level)


def test_only_what_did_not_succeed_has_its_message() -> None:
    result = {"msg": "word", "invocation": {"module_args": {"password": "hunter2"}}, "stdout": "hunter2"}
    assert "hunter2" not in str(audit.task_entry("t", "950", 950, "failed", result, None, dry_run=False))
    assert audit.task_entry("t", "950", 950, "failed", result, None, dry_run=False).extras["msg"] == "word"
    assert "msg" not in audit.task_entry("t", "950", 950, "ok", result, None, dry_run=False).extras


def test_a_message_is_cut() -> None:
    entry = audit.task_entry("t", "950", 950, "failed", {"msg": "x" * 301}, None, dry_run=False)
    assert len(entry.extras["msg"]) == 300
    assert audit.shortened("x" * 300) == "x" * 300


def test_a_censored_result_says_only_that() -> None:
    result = {"censored": "hidden", "msg": "hunter2", "phoenix_audit": [{"event": "hunter2", "outcome": "ok"}]}
    assert audit.task_entry("t", "950", 950, "failed", result, None, dry_run=False).extras == {
        "host": "950",
        "no_log": "yes",
    }
    assert audit.module_entries(result, 950, dry_run=False, accepts=anybody) == []


@pytest.mark.parametrize(
    ("status", "changed", "extras"),
    [("ok", True, {"changed": "would"}), ("ok", False, {"result": "ok"}), ("failed", False, {"result": "failed"})],
)
def test_a_dry_run_says_so(status: str, changed: bool, extras: dict[str, str]) -> None:
    entry = audit.task_entry("t", "950", 950, status, {"changed": changed}, None, dry_run=True)
    assert entry.outcome == "dry-run"
    assert entry.extras == {"host": "950", **extras}


def test_lines_of_a_module_also_from_a_loop() -> None:
    first = {"event": "created->configured", "outcome": "changed", "seconds": 0.5, "calls": 2, "nested": {"no": 1}}
    second = {"event": "start", "outcome": "failed", "ctid": 920}
    result = {"phoenix_audit": [first], "results": [{"phoenix_audit": [second]}, {"censored": "x"}, "odd"]}
    assert audit.module_entries(result, 950, dry_run=False, accepts=anybody) == [
        audit.Entry(950, "created->configured", "changed", 0.5, "INFO", {"calls": "2"}),
        audit.Entry(920, "start", "failed", None, "ERROR", {}),
    ]
    assert [entry.outcome for entry in audit.module_entries(result, 950, dry_run=True, accepts=anybody)] == [
        "dry-run",
        "dry-run",
    ]


@pytest.mark.parametrize("value", [None, "text", 5, ["text"], [{}], [{"event": 1, "outcome": "ok"}], [{"event": "e"}]])
def test_what_is_no_audit_list_is_left_out(value: object) -> None:
    assert audit.module_entries({"phoenix_audit": value}, 950, dry_run=False, accepts=anybody) == []


def test_a_module_cannot_set_the_fixed_fields() -> None:
    raw = {"event": "e", "outcome": "ok", "seconds": True, "run": "other", "ctid": "x", "Bad-Key": "x", "level": "low"}
    (entry,) = audit.module_entries({"phoenix_audit": [raw]}, 950, dry_run=False, accepts=anybody)
    assert (entry.seconds, entry.ctid, entry.extras) == (None, None, {"level": "low"})


PCT = {"_ansible_delegated_vars": {"ansible_delegated_host": "951", "ansible_connection": "phoenix.hypervisor.pct"}}
SSH = {"_ansible_delegated_vars": {"ansible_delegated_host": "pve", "ansible_connection": "ssh"}}
UNSAID = {"_ansible_delegated_vars": {"ansible_host": "192.0.2.10"}}


@pytest.mark.parametrize(
    ("action", "on_container", "source", "accepted"),
    [
        ("phoenix.hypervisor.phoenix_lxc_state", True, SSH, True),
        ("phoenix.hypervisor.phoenix_lxc_state", True, UNSAID, True),
        ("phoenix.hypervisor.phoenix_lxc_state", False, {}, True),
        ("phoenix.hypervisor.phoenix_application", True, {}, False),
        ("phoenix.hypervisor.phoenix_lxc_state", True, {}, False),
        ("phoenix.hypervisor.phoenix_lxc_state", True, {"_ansible_delegated_vars": "pve"}, False),
        ("phoenix.hypervisor.phoenix_lxc_state", False, PCT, False),
        ("ansible.builtin.command", True, SSH, False),
        ("ansible.builtin.command", False, {}, False),
        ("phoenix_lxc_state", False, {}, False),
        (None, False, {}, False),
    ],
)
def test_whose_lines_count(action: str | None, on_container: bool, source: dict, accepted: bool) -> None:
    assert audit.is_of_node(action, on_container, source) is accepted
