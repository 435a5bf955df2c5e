# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the observation of a node is asked with, for the containers in play, by what the playbook says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.action import phoenix_lxc_info as action

CONTAINER = {"phoenix_ctid": 950, "phoenix_node": "pve", "phoenix_config": {"name": "web"}}
FLEET = {"nodes": {"pve": ["950"]}, "lacking": [], "stranded": []}


class HostVars(dict):
    def raw_get(self, host: str) -> Any:
        return self.get(host, {})


class Node:
    """A node that is reached by a token."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], dict[str, bool]]] = []

    def survey(self, options: dict[str, Any], **flags: bool) -> dict[str, Any]:
        self.asked.append((dict(options), flags))
        return {"containers": {"950": {"due": True, "plan": {}}}, "preflight": {"findings": [], "downloads": []}}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    found = Node()
    monkeypatch.setattr(action, "node_of", lambda *_args: found)
    monkeypatch.setattr(ActionBase, "run", lambda *_args: {})
    wanted = {"ctid": 950, "config": {}, "classes": []}
    monkeypatch.setattr(action.ActionModule, "_wanted", lambda *_args: dict(wanted))
    return found


def observe(fleet: Any, check_mode: bool = False, **variables: Any) -> dict[str, Any]:
    task = SimpleNamespace(args={"in_play": True}, delegate_to="pve", check_mode=check_mode)
    templar = SimpleNamespace(template=lambda value: value)
    module = action.ActionModule(task, None, None, None, templar, None)  # type: ignore[arg-type]  # what it uses of them
    local = {"ansible_facts": {"phoenix_fleet": fleet} if fleet else {}}
    hosts = HostVars({"950": CONTAINER, "localhost": local, "pve": {}})
    result: dict[str, Any] = module.run(task_vars={"hostvars": hosts, **variables})
    return result


def test_a_playbook_that_acts_has_the_node_checked_for_the_default_credential(node: Node) -> None:
    facts = observe(FLEET, phoenix_acts=True)["ansible_facts"]
    ((options, flags),) = node.asked
    assert (options["brief"], options["explain"], options["preflight"]["credential"]) == (True, False, "root@pam")
    assert flags == {"acts": True, "dry": False}
    assert (facts["phoenix_due"], facts["phoenix_downloads"]) == (["950"], [])


def test_a_dry_run_acts_on_nothing_and_a_credential_is_passed_on(node: Node) -> None:
    observe(FLEET, check_mode=True, phoenix_acts=True, phoenix_credential="me@pve!run")
    ((options, flags),) = node.asked
    assert (options["preflight"]["credential"], flags) == ("me@pve!run", {"acts": False, "dry": True})


def test_a_playbook_that_only_looks_asks_for_all_and_checks_nothing(node: Node) -> None:
    facts = observe(FLEET, phoenix_explain=True)["ansible_facts"]
    ((options, flags),) = node.asked
    assert (options["brief"], options["explain"], "preflight" in options) == (False, True, False)
    assert flags == {"acts": False, "dry": False}
    assert "phoenix_downloads" not in facts


@pytest.mark.parametrize("fleet", [None, {"nodes": {}, "lacking": [], "stranded": []}])
def test_nothing_is_asked_before_the_first_task_of_the_playbook(node: Node, fleet: Any) -> None:
    with pytest.raises(AnsibleActionFail, match="the first task of the playbook"):
        observe(fleet, phoenix_acts=True)
    assert node.asked == []
