# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""System accounts: what a run makes, what a dry run announces, and the right to sudo."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import accounts
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import host_config

PASSWD = {"here": ["x", "1000"], "former": ["x", "1001"]}
GROUP = {"sudo": ["x", "27", "here,former"], "users": ["x", "100", ""]}


def shape(*users: dict[str, Any]) -> dict[str, Any]:
    return host_config({"users": list(users)})


def plan(*users: dict[str, Any], dry: bool = False) -> dict[str, list[Any]]:
    return accounts.plan(shape(*users)["users"], PASSWD, GROUP, dry)


def names(rows: list[Any]) -> list[str]:
    return [row["username"] for row in rows]


def test_a_run_makes_groups_and_then_all_accounts() -> None:
    found = plan(
        {"username": "here", "groups": ["ops", "users"], "ssh_public_key": "k"},
        {"username": "new", "ssh_public_key": "k"},
    )
    assert found["groups"] == ["ops"]
    assert names(found["accounts"]) == names(found["keys"]) == ["here", "new"]
    assert found["accounts"][0]["all_groups"] == ["ops", "users"]
    assert found["later"] == []


def test_a_dry_run_announces_what_waits_for_groups_and_accounts() -> None:
    found = plan(
        {"username": "here", "groups": ["ops"], "ssh_public_key": "k"},
        {"username": "new", "ssh_public_key": "k"},
        dry=True,
    )
    assert names(found["accounts"]) == ["new"]
    assert names(found["keys"]) == ["here"]
    assert found["later"] == ["here would join ops", "new would have 1 of the file's keys in its authorized_keys"]


def test_the_right_to_sudo_is_a_drop_in_each_and_goes_with_the_group() -> None:
    users = (
        {"username": "here", "sudo_access": True, "sudo_nopasswd": True},
        {"username": "new", "sudo_access": True, "password_hash": "$6$x"},
        {"username": "former", "sudo_access": False},
        {"username": "silent"},
    )
    found = shape(*users)
    assert found["sudoers"] == [
        {
            "path": f"/etc/sudoers.d/phoenix_{name}",
            "content": f"# Written by phoenix.hypervisor\n{name} ALL=(ALL:ALL) {rights}\n",
            "mode": "0440",
            "validate": "/usr/sbin/visudo -cf %s",
        }
        for name, rights in (("here", "NOPASSWD: ALL"), ("new", "ALL"))
    ]
    assert found["sudoers_revoked"] == ["/etc/sudoers.d/phoenix_former"]
    planned = plan(*users)
    assert planned["accounts"][0]["all_groups"] == ["sudo"]
    assert planned["leave"] == ["former"]
    assert planned["powerless"] == []


def test_membership_that_the_file_names_as_a_group_stays() -> None:
    assert plan({"username": "former", "sudo_access": False, "groups": ["sudo"]})["leave"] == []


def test_only_a_member_leaves_the_group() -> None:
    assert plan({"username": "outsider", "sudo_access": False})["leave"] == []


def test_sudo_with_a_password_that_nobody_has_is_noted() -> None:
    (note,) = plan({"username": "here", "sudo_access": True})["powerless"]
    assert note.startswith("here may use sudo, which asks for a password")
