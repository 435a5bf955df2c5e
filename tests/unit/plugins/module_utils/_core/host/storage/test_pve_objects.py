# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts and storages of PVE: which calls are made, which are not, and that no secret is shown."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import pve_access
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage import pve_storage
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.apicalls import Calls

DIR = {"storage": "iso", "type": "dir", "path": "/srv/iso", "content": ["vztmpl", "iso"]}
DIR_THERE = {"storage": "iso", "type": "dir", "path": "/srv/iso", "content": "iso,vztmpl", "digest": "x", "shared": 0}
EMPTY: dict[str, list[dict[str, Any]]] = {"groups": [], "roles": [], "users": [], "acls": []}


def texts(plan: Calls) -> list[str]:
    """The calls as they are shown."""
    return [call.text() for call in plan.calls]


def storages(*desired: dict[str, Any], there: tuple[dict[str, Any], ...] = (DIR_THERE,)) -> Calls:
    """The plan for storages."""
    return pve_storage.plan(desired, there)


def test_a_settled_storage_costs_nothing():
    assert not storages(DIR).calls
    assert not storages({**DIR, "shared": False}).calls
    assert not storages({**DIR, "nodes": []}).calls


def test_a_new_storage_is_made_and_its_password_not_shown():
    cifs = {"storage": "smb", "type": "cifs", "server": "192.0.2.1", "share": "x", "password": "hidden-one"}
    plan = storages(cifs)
    assert texts(plan) == ["POST /storage password=*** server=192.0.2.1 share=x storage=smb type=cifs"]
    assert plan.calls[0].params["password"] == "hidden-one"
    there = {"storage": "smb", "type": "cifs", "server": "192.0.2.1", "share": "x"}
    assert not storages(cifs, there=(there,)).calls


@pytest.mark.parametrize(
    ("change", "call"),
    [
        ({"content": "iso"}, "PUT /storage/iso content=iso"),
        ({"shared": True}, "PUT /storage/iso shared=1"),
        ({"disable": True}, "PUT /storage/iso disable=1"),
        ({"nodes": ["b", "a"]}, "PUT /storage/iso nodes=a,b"),
    ],
)
def test_drift_is_corrected(change: dict[str, Any], call: str):
    assert texts(storages({**DIR, **change})) == [call]


def test_the_last_node_of_a_list_is_taken_off():
    there = {**DIR_THERE, "nodes": "a"}
    assert texts(storages({**DIR, "nodes": []}, there=(there,))) == ["PUT /storage/iso delete=nodes"]


PBS = {
    "storage": "vault",
    "type": "pbs",
    "server": "192.0.2.9",
    "datastore": "main",
    "prune_backups": {"keep_last": 3, "keep_daily": 7},
    "encryption_key": "hidden-key",
    "password": "hidden-one",
}
PBS_THERE = {
    "storage": "vault",
    "type": "pbs",
    "server": "192.0.2.9",
    "datastore": "main",
    "content": "backup",
    "prune-backups": "keep-daily=7,keep-last=3",
}


def test_options_are_spelled_as_pve_does():
    plan = storages(PBS)
    expected = "datastore=main encryption-key=*** password=*** prune-backups=keep-daily=7,keep-last=3"
    assert texts(plan) == [f"POST /storage {expected} server=192.0.2.9 storage=vault type=pbs"]
    assert plan.calls[0].params["encryption-key"] == "hidden-key"
    assert not storages(PBS, there=(PBS_THERE,)).calls


@pytest.mark.parametrize(
    ("change", "call"),
    [
        ({"prune_backups": "keep-last=4"}, "PUT /storage/vault prune-backups=keep-last=4"),
        ({"prune_backups": {}}, "PUT /storage/vault delete=prune-backups"),
        ({"max_protected_backups": 5}, "PUT /storage/vault max-protected-backups=5"),
        ({"prune_backups": "keep-last=3,keep-daily=7"}, None),
    ],
)
def test_backup_rules_are_compared_by_their_parts(change: dict[str, Any], call: str | None):
    assert texts(storages({**PBS, **change}, there=(PBS_THERE,))) == ([call] if call else [])


def test_monitors_are_compared_as_a_list():
    ceph = {"storage": "c", "type": "rbd", "monhost": ["192.0.2.2", "192.0.2.1"], "data_pool": "ec", "krbd": True}
    there = {"storage": "c", "type": "rbd", "monhost": "192.0.2.1 192.0.2.2", "data-pool": "ec", "krbd": "1"}
    assert not storages(ceph, there=(there,)).calls


def test_what_a_storage_is_made_of_is_explained():
    plan = storages({**PBS, "datastore": "other"}, there=(PBS_THERE,))
    assert not plan.calls
    assert "datastore is main, not other" in plan.notes[0]


@pytest.mark.parametrize("change", [{"path": "/elsewhere"}, {"type": "btrfs"}])
def test_what_pve_never_changes_is_explained(change: dict[str, str]):
    plan = storages({**DIR, **change})
    assert not plan.calls
    assert "pvesm remove iso" in plan.notes[0]


def access(desired: dict[str, Any], **there: Any) -> Calls:
    """The plan for accounts."""
    return pve_access.plan(desired, {**EMPTY, **there})


def test_accounts_are_made_in_the_order_in_which_they_need_another():
    desired = {
        "groups": [{"groupid": "ops"}],
        "roles": [{"roleid": "Looker", "privs": ["VM.Audit", "Sys.Audit"]}],
        "users": [{"userid": "ann@pve", "groups": ["ops"], "password": "hidden-one"}],
        "acls": [{"path": "vms//", "role": "Looker", "token": "ann@pve!ci", "propagate": False}],
        "token": {"userid": "ann@pve", "tokenid": "ci", "file": "/x"},
    }
    assert texts(access(desired)) == [
        "POST /access/groups groupid=ops",
        "POST /access/roles privs=Sys.Audit,VM.Audit roleid=Looker",
        "POST /access/users groups=ops password=*** userid=ann@pve",
        "POST /access/users/ann@pve/token/ci comment=phoenix.hypervisor privsep=1",
        "PUT /access/acl path=/vms propagate=0 roles=Looker tokens=ann@pve!ci",
    ]


def test_settled_accounts_cost_nothing():
    desired = {
        "groups": [{"groupid": "ops"}],
        "roles": [{"roleid": "Looker", "privs": ["VM.Audit"]}],
        "users": [{"userid": "ann@pve", "groups": ["ops"], "password": "hidden-one", "enable": True}],
        "acls": [{"path": "/vms", "role": "Looker", "user": "ann@pve"}],
        "token": {"userid": "ann@pve", "tokenid": "ci", "file": "/x", "stored": True},
    }
    there = {
        "groups": [{"groupid": "ops", "comment": "by hand"}],
        "roles": [{"roleid": "Looker", "privs": "VM.Audit", "special": 0}],
        "users": [{"userid": "ann@pve", "groups": "ops", "enable": 1, "tokens": [{"tokenid": "ci"}]}],
        "acls": [{"path": "/vms", "roleid": "Looker", "type": "user", "ugid": "ann@pve", "propagate": 1}],
    }
    plan = access(desired, **there)
    assert texts(plan) == []
    assert plan.notes == []


def test_a_role_has_exactly_its_privileges():
    role = {"roleid": "Looker", "privs": "VM.Audit,VM.Console", "special": 0}
    plan = access({"roles": [{"roleid": "Looker", "privs": ["VM.Audit"]}]}, roles=[role])
    assert texts(plan) == ["PUT /access/roles/Looker append=0 privs=VM.Audit"]


def test_a_built_in_role_is_left():
    plan = access(
        {"roles": [{"roleid": "PVEAdmin", "privs": []}]}, roles=[{"roleid": "PVEAdmin", "privs": "x", "special": 1}]
    )
    assert not plan.calls
    assert "built into PVE" in plan.notes[0]


def test_a_token_without_its_secret_is_told_and_renewed_on_request():
    users = [{"userid": "ann@pve", "tokens": [{"tokenid": "ci"}]}]
    token = {"userid": "ann@pve", "tokenid": "ci", "file": "/x", "stored": False}
    plan = access({"token": token}, users=users)
    assert not plan.calls
    assert "hypervisor_users_renew_token" in plan.notes[0]
    assert [call.method for call in access({"token": {**token, "renew": True}}, users=users).calls] == [
        "DELETE",
        "POST",
    ]


def test_a_renewed_token_gets_its_permissions_again():
    """PVE drops them with the old one."""
    users = [{"userid": "ann@pve", "tokens": [{"tokenid": "ci"}]}]
    wanted = [
        {"path": "/vms", "role": "PVEVMAdmin", kind: who}
        for kind, who in (("user", "ann@pve"), ("token", "ann@pve!ci"))
    ]
    there = [
        {"path": "/vms", "roleid": "PVEVMAdmin", "type": kind, "ugid": who}
        for kind, who in (("user", "ann@pve"), ("token", "ann@pve!ci"))
    ]
    token = {"userid": "ann@pve", "tokenid": "ci", "file": "/x", "stored": True}
    desired = {"token": token, "acls": wanted}
    assert not access(desired, users=users, acls=there).calls
    renewed = access({**desired, "token": {**token, "renew": True}}, users=users, acls=there)
    assert [(call.method, call.path) for call in renewed.calls][2:] == [("PUT", "/access/acl")]
    assert renewed.calls[2].params["tokens"] == "ann@pve!ci"
