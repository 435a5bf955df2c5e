# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the plays of a run, from the facts that its first tasks leave."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.lookup import play_hosts
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.plan import this_run

FLEET = {"nodes": {"pve": ["950", "951"]}, "lacking": [], "stranded": []}
SETTLED = {"phoenix_due": [], "phoenix_observed": {"950": {"plan": {}}}, "phoenix_downloads": []}
WAITS = {**SETTLED, "phoenix_due": ["951"], "phoenix_downloads": [{"ctids": [951]}]}


class HostVars(dict):
    """The variables of all hosts, which count the reads of a node."""

    reads = 0

    def raw_get(self, host: str) -> Any:
        self.reads += host == "pve"
        return self.get(host, {})


def variables(facts: dict[str, Any], fleet: Any = FLEET) -> dict[str, Any]:
    local = {"ansible_facts": {"phoenix_fleet": fleet} if fleet else {}}
    hosts = HostVars({"localhost": local, "pve": {"ansible_facts": facts}})
    return {"hostvars": hosts, "groups": {"hypervisors": ["pve"]}}


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is loaded for the tasks of containers."""
    calls: list[str] = []
    monkeypatch.setattr(play_hosts.preloading, "preload_work", lambda: calls.append("work"))
    return calls


def asked(known: dict[str, Any], *plays: str) -> list[list[str]]:
    lookup = play_hosts.LookupModule()
    return [lookup.run([play], known) for play in plays]


def test_a_settled_run_reads_the_facts_of_a_node_once_for_all_plays_that_follow(loaded: list[str]) -> None:
    known = variables(SETTLED)
    assert asked(known, "reach", "observe") == [["!all"], ["950"]]
    known["hostvars"].reads = 0
    assert asked(known, "download", "notes", "work") == [["!all"]] * 3
    assert (known["hostvars"].reads, loaded) == (1, [])


def test_work_is_found_also_after_an_earlier_part_of_the_run_was_settled(loaded: list[str]) -> None:
    asked(variables(SETTLED), "reach", "observe", "download")
    assert asked(variables(WAITS), "observe", "download", "notes", "work") == [["950"], ["951"], ["!all"], ["951"]]
    assert loaded == ["work"]


def test_a_container_without_its_node_is_work_and_a_listed_playbook_has_all_containers(loaded: list[str]) -> None:
    alone = {"nodes": {}, "lacking": [], "stranded": ["953"]}
    assert asked(variables({}, alone), "observe", "stranded", "download", "work") == [
        ["!all"],
        ["953"],
        ["!all"],
        ["953"],
    ]
    assert asked(variables({}, None), "reach", "observe", "work") == [["!all"], ["containers"], ["!all"]]


def test_what_is_shown_of_all_containers_is_shown_by_one_of_each_node(loaded: list[str]) -> None:
    mixed = {"nodes": {"pve": ["950", "951"], "pve2": ["960"]}, "lacking": [], "stranded": ["953", "954"]}
    known = variables(WAITS, mixed)
    assert asked(known, "show") == [["950", "960", "953"]]
    assert known["hostvars"].reads == 0  # their facts are large, and all of them are copied
    assert asked(variables(WAITS, {"nodes": {}, "lacking": [], "stranded": []}), "show") == [["!all"]]
    assert asked(variables({}, None), "show") == [["containers"]]


@pytest.mark.parametrize(
    ("reports", "part", "hosts"), [(True, False, "all"), (True, True, "!all"), (False, False, "!all")]
)
def test_the_report_is_for_a_run_that_was_asked_for_it_and_once_in_a_site(
    monkeypatch: pytest.MonkeyPatch, reports: bool, part: bool, hosts: str
) -> None:
    monkeypatch.setattr(this_run, "reports", lambda: reports)
    assert asked({"phoenix_part_of_site": part}, "report") == [[hosts]]
