# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look covers all that a role does: each of its tasks is named here, with what stands for it in the look."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.role_declarations import host_roles
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostlooks import RoleLook, looks

ROLES = Path(__file__).resolve().parents[6] / "roles"
CLAIMS = {"inventory": "office", "consent": []}
CONFIG: dict[str, Any] = {
    "timezone": "UTC",
    "packages": ["jq"],
    "repositories": [{"name": "pve-enterprise", "enabled": False}],
    "users": [
        {"username": "admin", "password_hash": "$6$x", "sudo_access": True},
        {"username": "plain", "sudo_access": False},
    ],
    "pve": {"api_token": {"userid": "a@pve", "tokenid": "t"}, "users": [{"userid": "b@pve", "password": "p"}]},
    "network": {"interfaces": [], "dns": ["192.0.2.1"]},
    "zfs": {"pools": [], "datasets": [{"name": "a", "pool": "tank"}], "arc_max": "1G"},
    "storage": [{"id": "a", "type": "dir", "path": "/a"}],
    "nfs": {"exports": [{"path": "/srv/a"}]},
    "samba": {"shares": [{"path": "/srv/a"}], "users": [{"name": "share", "password": "p"}]},
    "shared_volumes": {"a": {"host_path": "/srv/b"}},
}
STATE, NOTHING = "state", "nothing of its own: it follows another task, or only looks"
UNLOOKED = "a key of the file with which the role is always entered"
# Role, file of tasks, name of the task -> what stands for it.
COVERED = {
    "hypervisor_base/main": {
        "Compare with what other inventories have set": NOTHING,
        "Ask the node for its distribution and address": NOTHING,
        "Upgrade packages": "the variable hypervisor_base_upgrade",
        "Set the host name": UNLOOKED,
        "Record what is about to be set": UNLOOKED,
        "Record what is set": UNLOOKED,
    },
    "hypervisor_base/packages": {"Install packages": STATE},
    "hypervisor_base/repositories": {
        "Look for Proxmox's keyring, and for one-line files of the same sources": NOTHING,
        "Set the keys that the file names": UNLOOKED,
        "Write the sources, and remove one-line files that say the same": STATE,
        "Update the package lists": NOTHING,
    },
    "hypervisor_base/clock": {
        "Set the time zone": STATE,
        "Set the time servers": UNLOOKED,
        "Remove the time servers that left the file": UNLOOKED,
        "Restart chrony without the removed servers": UNLOOKED,
        "Run chrony": UNLOOKED,
    },
    "hypervisor_base/system": {
        "Keep the audit trail within bounds, and remove what is too old": STATE,
        "Reserve IDs for unprivileged containers": UNLOOKED,
        "Write the kernel parameters that each boot sets": UNLOOKED,
        "Set the kernel parameters now": UNLOOKED,
    },
    "hypervisor_storage/main": {"Manage storages of Proxmox VE": "phoenix_pve_storage"},
    "hypervisor_storage/arc": {
        "Limit the ARC, now and at boot": "phoenix_zfs_arc",
        "Update the initramfs": "phoenix_initramfs",
    },
    "hypervisor_storage/zfs": {
        "Compare disks, pools and datasets": "phoenix_zfs_survey",
        "Create pools": "phoenix_zfs_survey",
        "Set properties of pools": "phoenix_zfs_survey",
        "Create and set datasets": "phoenix_zfs_survey",
    },
    "hypervisor_users/main": {"Manage accounts of Proxmox VE": "phoenix_pve_access"},
    "hypervisor_users/system": {
        "Install sudo": STATE,
        "Read the accounts and groups": NOTHING,
        "Create the groups": STATE,
        "Manage the accounts": STATE,
        "Set their passwords": "phoenix_system_passwords",
        "Set their SSH keys": STATE,
        "Report what follows the new groups and accounts": STATE,
        "Set the right to sudo": STATE,
        "Remove those without the right from the group sudo": STATE,
        "Report who cannot use the right to sudo": STATE,
    },
    "hypervisor_network/main": {
        "Manage interfaces": "phoenix_pve_network",
        "Continue at the node's new address": NOTHING,
    },
    "hypervisor_shares/main": {
        "Compare exports, shares and folders": "phoenix_shares_survey",
        "Create the shared folders": "phoenix_shares_survey",
        "Record what is about to be exported and shared": "phoenix_shares_survey",
        "Record what is exported and shared": "phoenix_shares_survey",
    },
    "hypervisor_shares/nfs": {
        "Install the NFS server": STATE,
        "Create the folder of drop-in files": "phoenix_shares_survey",
        "Write the exports": "phoenix_shares_survey",
        "Run the NFS server": STATE,
        "Reload the exports of the NFS server": "phoenix_shares_survey",
        "Create the folder of the record of exports": NOTHING,
        "Record the exports of the NFS server": NOTHING,
        "Remove the file of exports that are gone": "a reason to enter the role",
    },
    "hypervisor_shares/samba": {
        "Install Samba": STATE,
        "Create the accounts that only share, without a login shell": "phoenix_shares_survey",
        "Write the shares": "phoenix_shares_survey",
        "Include the shares in smb.conf": STATE,
        "Remove the shares that are gone from the file": "a reason to enter the role",
        "Run Samba": STATE,
        "Reload the shares of Samba": NOTHING,
        "Set the passwords": "phoenix_samba_users",
    },
}
LOOKED = sorted({place.partition("/")[0] for place in COVERED})


def look(config: dict[str, Any], *variables: str) -> dict[str, RoleLook]:
    return looks(host_roles(), config, variables, CLAIMS)


def working(tasks: list[dict[str, Any]]) -> list[str]:
    """The names of the tasks that do something by themselves, without those of a rescue."""
    names = []
    for task in tasks:
        if "block" in task:
            names += working(task["block"])
        elif "ansible.builtin.include_tasks" not in task:
            names.append(task["name"])
    return names


@pytest.mark.parametrize("role", LOOKED)
def test_each_task_of_a_role_is_looked_at(role: str) -> None:
    found = {}
    for file in sorted((ROLES / role / "tasks").glob("*.yml")):
        if file.stem in ("hostname", "upgrade"):
            continue  # not entered without a key or a variable that enters the role
        found[f"{role}/{file.stem}"] = set(working(yaml.safe_load(file.read_text(encoding="utf-8"))))
    known = {place: set(tasks) for place, tasks in COVERED.items() if place.startswith(f"{role}/")}
    includes = {"hypervisor_base/main": {"Upgrade packages", "Set the host name"}}
    assert found == {place: tasks - includes.get(place, set()) for place, tasks in known.items()}


@pytest.mark.parametrize("role", LOOKED)
def test_each_module_that_stands_for_a_task_is_asked(role: str) -> None:
    named = {by for place, tasks in COVERED.items() if place.startswith(role) for by in tasks.values()}
    asked = {name.rpartition(".")[2] for name, _options in look(CONFIG)[role].modules}
    assert asked == {by for by in named if by.startswith("phoenix_")}
    assert bool(look(CONFIG)[role].state) == (STATE in named)
    assert look(CONFIG)[role].due == []


@pytest.mark.parametrize(
    ("role", "state"),
    [
        ("hypervisor_base", {"packages", "sources", "timezone", "files"}),
        ("hypervisor_users", {"packages", "accounts", "files", "absent"}),
        ("hypervisor_shares", {"packages", "services", "owned", "blocks"}),
    ],
)
def test_the_state_has_all_kinds(role: str, state: set[str]) -> None:
    assert {kind for kind, value in look(CONFIG)[role].state.items() if value} == state


def test_a_role_without_a_key_is_not_looked_at() -> None:
    assert list(look({"storage": []})) == ["hypervisor_storage"]
    assert look({}) == {}


@pytest.mark.parametrize("key", ["hostname", "ntp", "subids", "sysctl"])
def test_a_key_that_no_look_covers_enters_the_role(key: str) -> None:
    value: Any = {"hostname": "pve", "subids": []}.get(key, {})
    found = look({**CONFIG, key: value})["hypervisor_base"]
    assert found == replace(look(CONFIG)["hypervisor_base"], apart=[f"the file has {key}"])


def test_a_key_that_a_role_gets_later_enters_it_and_all_after_it() -> None:
    later = [replace(role, keys=(*role.keys, "later")) for role in host_roles()]
    found = looks(later, {**CONFIG, "later": 1}, (), CLAIMS)
    assert all(one == RoleLook(due=["the file has later"]) for one in found.values())


def test_a_repository_with_a_key_of_its_own_enters_the_role() -> None:
    rows = [{"name": "a", "uri": "https://a", "key": "x"}]
    assert look({**CONFIG, "repositories": rows})["hypervisor_base"].apart == ["the repository a brings a key"]


def test_a_variable_of_a_role_enters_it() -> None:
    found = look(CONFIG, "hypervisor_users_renew_token", "phoenix_host_roles", "hypervisor_reboot")
    assert {name: one.due for name, one in found.items() if one.due} == {
        "hypervisor_users": ["the variable hypervisor_users_renew_token is set"]
    }


@pytest.mark.parametrize(
    ("role", "part", "reason"),
    [
        ("hypervisor_shares", {"nfs": {}}, "the file has no exports"),
        ("hypervisor_shares", {"samba": {"users": [{"name": "a", "password": "p"}]}}, "the file has no shares"),
    ],
)
def test_what_is_in_doubt_enters_the_role(role: str, part: dict[str, Any], reason: str) -> None:
    assert look({**CONFIG, **part})[role].due == [reason]


def test_the_block_of_smb_conf_is_that_of_the_role() -> None:
    (row,) = look(CONFIG)["hypervisor_shares"].state["blocks"]
    text = (ROLES / "hypervisor_shares" / "tasks" / "samba.yml").read_text(encoding="utf-8")
    (step,) = [
        task["ansible.builtin.blockinfile"]
        for one in yaml.safe_load(text)
        for task in one.get("block", ())
        if "ansible.builtin.blockinfile" in task
    ]
    assert step["path"] == row["path"]
    assert [row["lines"][0], row["lines"][-1]] == [step["marker"].replace("{mark}", word) for word in ("BEGIN", "END")]
