# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers in play by their nodes, found by one look at each host."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.vault import EncryptedString
from ansible.vars import clean

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container import selecting
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.in_play import in_play
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.read_once import (
    HostsReadOnce,
    is_plain,
    many_hosts,
)

GROUPS = {"containers": ["950", "951", "952", "953"], "hypervisors": ["pve"]}
NODES = {"pve": {}, "pve2": {}}


class HostVars(dict):
    """Hosts' variables that count the looks."""

    looks = 0

    def __getitem__(self, host: str) -> Any:
        self.looks += 1
        return super().__getitem__(host)


def container(node: str, **more: Any) -> dict[str, Any]:
    return {"phoenix_ctid": 950, "phoenix_node": node, "phoenix_nodes": NODES, "group_names": [], **more}


@pytest.fixture
def hostvars() -> HostVars:
    there = {"950": container("pve"), "951": container("pve2"), "952": container("pve"), "953": container("gone")}
    return HostVars({**there, "pve": {"group_names": ["hypervisors"]}})


def test_containers_are_found_by_node_in_one_look(hostvars: HostVars) -> None:
    found = in_play(["pve", "950", "951", "952", "953"], hostvars, GROUPS, reach=False)
    assert found.as_fact() == {"nodes": {"pve": ["950", "952"]}, "lacking": [], "stranded": ["951", "953"]}
    assert hostvars.looks == 5


def test_a_lacking_node_may_be_reached_where_its_containers_know_how(hostvars: HostVars) -> None:
    found = in_play(["953", "951"], hostvars, GROUPS, reach=True)
    assert found.as_fact() == {"nodes": {"pve2": ["951"]}, "lacking": ["pve2"], "stranded": ["953"]}


def test_nothing_is_read_of_a_container_that_sets_variables(hostvars: HostVars) -> None:
    dict.__setitem__(hostvars, "952", container("pve", ansible_facts={"phoenix_node": "pve2"}))
    found = in_play(["950", "952"], hostvars, GROUPS, reach=False)
    assert found.nodes == {"pve": ["950"]}
    assert len(found.foreign) == 1
    assert 'got the facts "phoenix_node"' in found.foreign[0]


MERGED = [
    # Of two sources with a node each, the second one has set the nodes of all containers.
    ({"950": "pve", "960": "pve2"}, {"pve2": {}}, {"pve": [950], "pve2": [960]}, ["950"]),
    # Of two sources with the same node, the second one has set its containers.
    ({"950": "pve", "960": "pve"}, {"pve": {}}, {"pve": [960]}, ["950"]),
    # One source, also where a job has a slice of its hosts.
    ({"950": "pve", "960": "pve2"}, {"pve": {}, "pve2": {}}, {"pve": [950, 951], "pve2": [960]}, []),
    # A node that the plugin has not set up.
    ({"950": "pve"}, {}, {}, []),
]


@pytest.mark.parametrize(("containers", "nodes", "ctids", "expected"), MERGED)
@pytest.mark.parametrize("limited", [False, True])
def test_two_sources_merged_into_one_inventory_are_found(
    containers: dict[str, str], nodes: dict[str, Any], ctids: dict[str, list[int]], expected: list[str], limited: bool
) -> None:
    of_nodes = {node: {"phoenix_node_ctids": ctids[node]} if node in ctids else {} for node in ("pve", "pve2")}
    guests = {ctid: container(node, phoenix_nodes=nodes) for ctid, node in containers.items()}
    groups = {"containers": list(containers), "hypervisors": ["pve", "pve2"]}
    hosts = [*containers, *([] if limited else of_nodes)]
    assert in_play(hosts, HostVars({**of_nodes, **guests}), groups, reach=False).merged == expected


def test_a_play_runs_for_one_container_of_each_node() -> None:
    fleet = {"nodes": {"pve": ["950", "952"], "pve2": ["951"]}, "lacking": ["pve2"], "stranded": []}
    assert [selecting.hosts(play, fleet, ()) for play in ("observe", "reach", "stranded")] == [
        ["950", "951"],
        ["951"],
        ["!all"],
    ]
    none = {"nodes": {}, "lacking": [], "stranded": ["950"]}
    assert [selecting.hosts(play, none, ()) for play in ("observe", "reach", "stranded")] == [
        ["!all"],
        ["!all"],
        ["950"],
    ]
    assert [selecting.hosts(play, {}, ()) for play in ("observe", "reach")] == [["containers"], ["!all"]]


def test_the_plays_that_follow_run_for_those_that_the_nodes_report() -> None:
    fleet = {"nodes": {"pve": ["950", "951"]}, "lacking": [], "stranded": ["953"]}
    settled = {"phoenix_due": [], "phoenix_observed": {"950": {"plan": {}}}, "phoenix_downloads": []}
    assert [selecting.hosts(play, {}, [settled, {}]) for play in ("download", "notes", "work")] == [["!all"]] * 3
    waits = {
        "phoenix_due": ["951"],
        "phoenix_observed": {"950": {"plan": {"notes": ["held"]}}, "951": {"plan": {}}},
        "phoenix_downloads": [{"ctids": [951, 952]}],
    }
    assert selecting.hosts("download", fleet, [settled, waits]) == ["951"]
    assert selecting.hosts("notes", fleet, [settled, waits]) == ["951", "950"]
    assert selecting.hosts("work", fleet, [settled, waits]) == ["951", "953"]


def test_a_host_and_its_values_are_read_once(hostvars: HostVars) -> None:
    once = HostsReadOnce(hostvars)
    for _turn in range(3):
        assert once["950"]["phoenix_node"] == "pve"
        assert once["950"].get("missing", "x") == "x"
    assert hostvars.looks == 1
    assert "950" in once
    assert "954" not in once


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"name": "web", "cores": 2, "features": ["docker"], "mac": None, "on": True, "share": 0.5}, True),
        ("{{ other }}", False),
        ("a {% if x %}", False),
        ("#jinja2: variable_start_string: '[['", False),
        ({"deep": [{"name": "{{ other }}"}]}, False),
        ({"{{ key }}": 1}, False),
        (EncryptedString(ciphertext="$ANSIBLE_VAULT;1.1;AES256\n00"), False),
        (object(), False),
    ],
)
def test_a_value_is_taken_as_it_is_where_templating_would_give_the_same(value: Any, plain: bool) -> None:
    assert is_plain(value) is plain


class Raw(HostVars):
    """Hosts' variables with those that are not templated, as Ansible has them."""

    def raw_get(self, host: str) -> Any:
        return {"phoenix_name": "web", "phoenix_node": "{{ node }}"}


def test_variables_without_a_template_need_no_view_of_the_host() -> None:
    hosts = Raw({"950": {"phoenix_name": "other", "phoenix_node": "pve"}})
    once = HostsReadOnce(hosts)
    assert (once["950"]["phoenix_name"], once["950"].get("missing", "x"), hosts.looks) == ("web", "x", 0)
    assert [once["950"]["phoenix_node"] for _turn in range(3)] == ["pve"] * 3
    assert hosts.looks == 1


def test_the_files_of_connection_plugins_are_listed_once_for_many_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    class Loader:
        @staticmethod
        def all(**options: Any) -> Any:
            calls.append(options)
            return iter(["/usr/connection/ssh.py"])

    real = Loader()
    monkeypatch.setattr(clean, "connection_loader", real)
    facts = {"ansible_ssh_port": 1, "ansible_kernel": "6.8"}
    with many_hosts():
        assert [set(clean.clean_facts(facts)) for _host in range(3)] == [{"ansible_kernel"}] * 3
        assert list(clean.connection_loader.all(class_only=True)) == ["/usr/connection/ssh.py"]
    assert calls == [{"path_only": True}, {"class_only": True}]
    assert clean.connection_loader is real
