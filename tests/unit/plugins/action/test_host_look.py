# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only a role whose look finds nothing at all is left out, and only while no role before it has work."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.playbook.task import Task

from ansible_collections.phoenix.hypervisor.plugins.action import phoenix_host_look

CONFIG = {
    "packages": ["jq"],
    "storage": [{"id": "a", "type": "dir", "path": "/a"}],
    "zfs": {"arc_max": "1G"},
    "users": [{"username": "a"}],
    "pve": {"groups": [{"groupid": "a"}]},
    "network": {"dns": ["192.0.2.1"]},
    "firewall": {},
}
BASE, STORAGE, USERS, NETWORK, FIREWALL = (
    f"hypervisor_{name}" for name in ("base", "storage", "users", "network", "firewall")
)
ROLES = [BASE, FIREWALL, NETWORK, STORAGE, USERS]  # as the filter sorts them
UNLOOKED = [FIREWALL]


class Node(phoenix_host_look.ActionModule):
    """Answers instead of a node."""

    def __init__(self, answers: dict[str, Any], args: dict[str, Any]) -> None:
        self.answers, self.asked = answers, list[str]()
        self._loader = None
        self._task = Task.load({"name": "look", "debug": {}})
        self._task.args = {"roles": ROLES, "config": CONFIG, **args}
        self._task.check_mode = False

    def _execute_module(self, module_name: str = "", **more: Any) -> dict[str, Any]:
        name = module_name.removeprefix("phoenix.hypervisor.")
        assert self._task.check_mode is True, "a look must change nothing"
        self.asked.append(name)
        answer = self.answers.get(name, {})
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def nothing_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phoenix_host_look.packed, "lay", lambda: None)
    monkeypatch.setattr(phoenix_host_look.ActionBase, "run", lambda *_args: {})


def look(answers: dict[str, Any], variables: dict[str, Any] | None = None, **args: Any) -> tuple[list[str], Node]:
    node = Node(answers, args)
    result = node.run(task_vars=variables or {})
    assert result["changed"] is False
    return result["roles"], node


def test_a_settled_node_enters_none_that_is_looked_at() -> None:
    roles, node = look({})
    assert roles == UNLOOKED
    assert node.asked == [
        "phoenix_host_look",
        "phoenix_zfs_arc",
        "phoenix_initramfs",
        "phoenix_pve_storage",
        "phoenix_pve_access",
        "phoenix_pve_network",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {"changed": True},
        {"failed": True, "msg": "no"},
        {"warnings": ["left as it is"]},
        {"due": ["nfs"]},
        {"record_due": True},
        AnsibleActionFail("no such file"),
    ],
)
def test_a_role_with_work_and_all_after_it_are_entered(answer: Any) -> None:
    roles, node = look({"phoenix_pve_storage": answer})
    assert roles == [FIREWALL, NETWORK, STORAGE, USERS]
    assert node.asked[-1] == "phoenix_pve_storage", "what comes after it decides by itself"


def test_a_difference_of_the_state_counts_in_the_order_of_the_roles() -> None:
    roles, node = look({"phoenix_host_look": {"due": {USERS: ["there is no account a"]}}})
    assert roles == [FIREWALL, NETWORK, USERS]
    assert "phoenix_pve_access" not in node.asked


def test_a_look_that_fails_enters_all() -> None:
    assert look({"phoenix_host_look": {"failed": True, "msg": "no"}})[0] == ROLES


def test_a_variable_of_a_role_enters_it() -> None:
    assert look({}, {"hypervisor_storage_config": {}})[0] == [FIREWALL, NETWORK, STORAGE, USERS]


def test_what_no_later_role_sees_enters_its_role_alone() -> None:
    config = {**CONFIG, "hostname": "pve"}
    roles, node = look({}, config=config)
    assert roles == [BASE, FIREWALL]
    assert node.asked[-1] == "phoenix_pve_network"
    assert look({"phoenix_host_look": {"due": {BASE: ["it differs"]}}}, config=config)[0] == ROLES
    assert look({"phoenix_pve_access": {"changed": True}}, config=config)[0] == [BASE, FIREWALL, NETWORK, USERS]


def test_roles_that_the_tags_leave_out_are_not_looked_at_and_stay_named() -> None:
    roles, node = look({}, {"ansible_run_tags": ["hypervisor_network"]})
    assert node.asked == ["phoenix_pve_network"]
    assert roles == [BASE, FIREWALL, STORAGE, USERS]


def test_a_node_that_is_lost_is_unreachable() -> None:
    with pytest.raises(AnsibleConnectionFailure):
        look({"phoenix_pve_network": AnsibleConnectionFailure("gone")})
