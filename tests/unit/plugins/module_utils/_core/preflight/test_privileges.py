# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which privileges a run's calls need, which of them lack, and the command that grants each."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import judgement, privileges
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.demands import (
    Candidate,
    candidate_from,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.judgement import Facts, Room
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.storagecfg import parse_storages

TOKEN = "automation@pve!phoenix"
TEMPLATE = "debian-12-standard_12.7-1_amd64.tar.zst"
CREATE = {"vmid": 950, "ostemplate": f"local:vztmpl/{TEMPLATE}", "rootfs": "tank:8"}
NET = "name=eth0,bridge=vmbr0,ip=dhcp,type=veth"


def plan(*calls):
    entries = [{"op": op, "what": what, "params": params} for op, what, params in calls]
    return candidate_from({"ctid": 950, "config": {}, "plan": {"steps": [{"entries": entries}]}})


CREATION = plan(
    ("pve", "POST /nodes/pve/lxc", CREATE),
    ("pve", "PUT /nodes/pve/lxc/950/config", {"net0": NET, "memory": "512", "cores": "2", "onboot": "1"}),
    ("pve", "POST /nodes/pve/lxc/950/status/start", {}),
)
FACTS = Facts(
    node="pve",
    storages=parse_storages("zfspool: tank\n\tpool tank\n"),
    rooms={"local": Room(1 << 40), "tank": Room(1 << 40)},
    templates={"local": {TEMPLATE: 1}},
    bridges=frozenset({"vmbr0"}),
    credential=TOKEN,
)
# What PVE facts, 'Other', names as needed by a service account.
GRANTED = {
    "/vms": dict.fromkeys(
        ("VM.Allocate", "VM.Config.Network", "VM.Config.Memory", "VM.Config.CPU", "VM.Config.Options", "VM.PowerMgmt"),
        1,
    ),
    "/storage/local": {"Datastore.AllocateSpace": 1},
    "/storage/tank": {"Datastore.AllocateSpace": 1},
    "/sdn/zones/localnetwork": {"SDN.Use": 1},
}


def judge(permissions, candidate=CREATION, **facts):
    return judgement.judge([candidate], Facts(**{**vars(FACTS), "permissions": permissions, **facts}))


def test_root_is_not_asked():
    assert judge(None).findings == ()


def test_all_that_is_needed_suffices():
    assert judge(GRANTED).findings == ()


@pytest.mark.parametrize(
    ("without", "privilege", "grant"),
    [
        ("/vms", "VM.Allocate", "/vms/950 --users automation@pve --tokens 'automation@pve!phoenix' --roles PVEVMAdmin"),
        ("/storage/tank", "Datastore.AllocateSpace", "/storage/tank --users automation@pve"),
        ("/storage/local", "Datastore.AllocateSpace", "--roles PVEDatastoreUser"),
        ("/sdn/zones/localnetwork", "SDN.Use", "/sdn/zones/localnetwork --users automation@pve"),
    ],
)
def test_each_missing_privilege_has_the_command_that_grants_it(without, privilege, grant):
    (finding,) = judge({path: held for path, held in GRANTED.items() if path != without}).findings
    assert privilege in finding.got
    assert "pveum acl modify" in finding.remedy
    assert grant in finding.remedy


def test_nothing_granted_is_one_finding_for_each_place():
    places = [finding.got.rpartition(" ")[2] for finding in judge({}).findings]
    assert sorted(places) == ["/sdn/zones/localnetwork/vmbr0", "/storage/local", "/storage/tank", "/vms/950"]


def test_a_download_needs_more_than_the_use_of_a_storage():
    facts = {"templates": {"local": {}}, "appliances": frozenset({TEMPLATE})}
    (finding,) = judge(GRANTED, **facts).findings
    assert "Datastore.AllocateTemplate" in finding.got
    assert finding.remedy.endswith("--roles PVEDatastoreAdmin")


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (("pve", "PUT /nodes/pve/lxc/950/config", {"features": "keyctl=1,nesting=1"}), "keyctl"),
        (("pve", "PUT /nodes/pve/lxc/950/config", {"mp0": "/srv,mp=/srv"}), "bind mount /srv"),
        (("pve", "PUT /nodes/pve/lxc/950/config", {"dev0": "/dev/nvidia0"}), "/dev/nvidia0"),
        (("conf", "edit raw lines", {"add": [], "remove": []}), "raw lines"),
    ],
)
def test_what_only_root_may_set_is_told(call, what):
    everything = {"/": dict.fromkeys(("VM.Config.Options", "VM.Config.Disk"), 1)}
    (finding,) = judge(everything, plan(call)).findings
    assert what in finding.got
    assert "root@pam" in finding.expected


def test_nesting_alone_needs_no_root():
    nesting = plan(("pve", "PUT /nodes/pve/lxc/950/config", {"features": "nesting=1"}))
    assert list(privileges.only_root([nesting])) == []


@pytest.mark.parametrize(
    ("permissions", "where", "expected"),
    [
        ({"/": {"A": 1}}, "/vms/950", {"A"}),
        ({"/": {"A": 0}}, "/vms/950", set()),
        ({"/": {"A": 0}}, "/", {"A"}),
        ({"/vms": {"A": 1}, "/vms/950": {"B": 0}}, "/vms/950", {"B"}),
        ({"/vms": {"A": 1, "B": 0}}, "/vms/950", {"A"}),
        ({"/vms/9": {"A": 1}}, "/vms/950", set()),
        ({}, "/vms/950", set()),
    ],
)
def test_the_nearest_path_decides_and_only_what_propagates_comes_down(permissions, where, expected):
    assert privileges.held(permissions, where) == expected


@pytest.mark.parametrize(
    ("credential", "who"),
    [
        ("a@pve", "--users a@pve"),
        ("a@pve!t", "--users a@pve --tokens 'a@pve!t'"),
        ("root@pam!t", "--tokens 'root@pam!t'"),
    ],
)
def test_who_is_granted(credential, who):
    command = privileges.grant(credential, "/vms/950", ["VM.Clone"])
    assert command == f"pveum acl modify /vms/950 {who} --roles PVEVMAdmin"


@pytest.mark.parametrize(
    ("what", "params", "where", "privilege"),
    [
        ("POST /nodes/pve/lxc/920/clone", {"newid": 950, "full": 1}, "/vms/920", "VM.Clone"),
        ("POST /nodes/pve/lxc/920/clone", {"newid": 950, "full": 1}, "/vms/950", "VM.Allocate"),
        ("POST /nodes/pve/lxc/920/snapshot", {}, "/vms/920", "VM.Snapshot"),
        ("DELETE /nodes/pve/lxc/920/snapshot/x", {}, "/vms/920", "VM.Snapshot"),
        ("POST /nodes/pve/lxc/950/template", {}, "/vms/950", "VM.Allocate"),
        ("PUT /nodes/pve/lxc/950/resize", {"disk": "rootfs"}, "/vms/950", "VM.Config.Disk"),
        ("PUT /nodes/pve/lxc/950/config", {"delete": "swap,mp3"}, "/vms/950", "VM.Config.Memory"),
        ("PUT /nodes/pve/lxc/950/config", {"delete": "swap,mp3"}, "/vms/950", "VM.Config.Disk"),
        ("PUT /nodes/pve/lxc/950/config", {"startup": "order=1", "digest": "x"}, "/vms/950", "VM.Config.Options"),
        ("PUT /nodes/pve/lxc/950/firewall/options", {"enable": 1}, "/vms/950", "VM.Config.Network"),
        ("DELETE /nodes/pve/lxc/950", {}, "/vms/950", "VM.Allocate"),
    ],
)
def test_each_call_needs_its_privilege(what, params, where, privilege):
    found = {(need.where, need.privilege) for need in privileges.needs([plan(("pve", what, params))], [])}
    assert (where, privilege) in found


def test_an_empty_plan_needs_nothing():
    assert privileges.needs([Candidate(950, {})], []) == []
