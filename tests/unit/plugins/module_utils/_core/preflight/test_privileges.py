# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which privileges a run's calls need, which of them lack, and the command that grants each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Entry, on_container
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import judgement, privileges
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.judgement import Facts, Room
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.apicalls import Kind
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.storagecfg import parse_storages

TOKEN = "automation@pve!phoenix"
TEMPLATE = "debian-12-standard_12.7-1_amd64.tar.zst"
CREATE = {"vmid": 950, "ostemplate": f"local:vztmpl/{TEMPLATE}", "rootfs": "tank:8"}
NET = "name=eth0,bridge=vmbr0,ip=dhcp,type=veth"


def call(kind, params=None, ctid=950):
    return on_container(kind, "pve", ctid, params, snapshot="x")


def plan(*made):
    entries = [entry.as_dict() for entry in made]
    return Candidate.from_options({"ctid": 950, "config": {}, "plan": {"steps": [{"entries": entries}]}})


CREATION = plan(
    call(Kind.CREATE, CREATE),
    call(Kind.CONFIG, {"net0": NET, "memory": "512", "cores": "2", "onboot": "1"}),
    call(Kind.START, {}),
)
FACTS = Facts(
    node="pve",
    storages=parse_storages("zfspool: tank\n\tpool tank\n"),
    rooms={"local": Room(1 << 40), "tank": Room(1 << 40)},
    templates={"local": {TEMPLATE: 1}},
    bridges=frozenset({"vmbr0"}),
    credential=TOKEN,
)
BACKUP = "nas:backup/vzdump-lxc-920-2026_11_23-18_32_10.tar.zst"
RESTORE = plan(call(Kind.CREATE, {"vmid": 950, "ostemplate": BACKUP, "restore": 1, "rootfs": "tank:8"}))
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
    ("made", "what"),
    [
        (call(Kind.CONFIG, {"features": "keyctl=1,nesting=1"}), "keyctl"),
        (call(Kind.CONFIG, {"mp0": "/srv,mp=/srv"}), "bind mount /srv"),
        (call(Kind.CONFIG, {"dev0": "/dev/nvidia0"}), "/dev/nvidia0"),
        (Entry("conf", "edit raw lines", {"add": [], "remove": []}), "raw lines"),
    ],
)
def test_what_only_root_may_set_is_told(made, what):
    everything = {"/": dict.fromkeys(("VM.Config.Options", "VM.Config.Disk"), 1)}
    (finding,) = judge(everything, plan(made)).findings
    assert what in finding.got
    assert "root@pam" in finding.expected


def test_nesting_alone_needs_no_root():
    nesting = plan(call(Kind.CONFIG, {"features": "nesting=1"}))
    assert list(privileges.only_root([nesting])) == []
    assert list(privileges.only_root([nesting], {950: {"unprivileged": "1"}})) == []


@pytest.mark.parametrize(
    ("calls", "heads"),
    [
        ([call(Kind.CONFIG, {"features": "nesting=1"})], {950: {"unprivileged": "0"}}),
        ([call(Kind.CONFIG, {"delete": "cores,features"})], {950: {}}),
        ([call(Kind.CONFIG, {"revert": "features"})], {950: {}}),
        ([call(Kind.CREATE, {"unprivileged": 0}), call(Kind.CONFIG, {"features": "nesting=1"})], {}),
    ],
)
def test_flags_of_a_privileged_container_need_root(calls, heads):
    ((_place, what),) = privileges.only_root([plan(*calls)], heads)
    assert what == "a feature flag of a privileged container"


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
    ("kind", "ctid", "params", "where", "privilege"),
    [
        (Kind.CLONE, 920, {"newid": 950, "full": 1}, "/vms/920", "VM.Clone"),
        (Kind.CLONE, 920, {"newid": 950, "full": 1}, "/vms/950", "VM.Allocate"),
        (Kind.SNAPSHOT, 920, {}, "/vms/920", "VM.Snapshot"),
        (Kind.SNAPSHOT_DELETE, 920, {}, "/vms/920", "VM.Snapshot"),
        (Kind.TEMPLATE, 950, {}, "/vms/950", "VM.Allocate"),
        (Kind.RESIZE, 950, {"disk": "rootfs"}, "/vms/950", "VM.Config.Disk"),
        (Kind.CONFIG, 950, {"delete": "swap,mp3"}, "/vms/950", "VM.Config.Memory"),
        (Kind.CONFIG, 950, {"delete": "swap,mp3"}, "/vms/950", "VM.Config.Disk"),
        (Kind.CONFIG, 950, {"startup": "order=1", "digest": "x"}, "/vms/950", "VM.Config.Options"),
        (Kind.FIREWALL_OPTIONS, 950, {"enable": 1}, "/vms/950", "VM.Config.Network"),
        (Kind.DESTROY, 950, {}, "/vms/950", "VM.Allocate"),
    ],
)
def test_each_call_needs_its_privilege(kind, ctid, params, where, privilege):
    found = {(need.where, need.privilege) for need in privileges.needs([plan(call(kind, params, ctid))], [], {})}
    assert (where, privilege) in found


@pytest.mark.parametrize(
    ("version", "params", "asked"),
    [
        ("9.0.3", {"unprivileged": 0}, True),
        ("9.0.3", {"unprivileged": 1}, False),
        ("9.0.3", {"restore": 1}, False),
        ("9.0.3", {"restore": 1, "unprivileged": 0}, True),
        ("8.4.1", {"unprivileged": 0}, False),
    ],
)
def test_a_privileged_container_needs_more_of_version_9(version, params, asked):
    found = privileges.needs([plan(call(Kind.CREATE, {"vmid": 950, **params}, 950))], [], {}, version)
    assert (("/", "Sys.Modify") in {(need.where, need.privilege) for need in found}) is asked


def test_a_privilege_of_no_fitting_role_gets_one_of_its_own():
    assert privileges.grant("a@pve", "/", ["Sys.Modify"]) == (
        "pveum role add PhoenixSysModify --privs Sys.Modify"
        " && pveum acl modify / --users a@pve --roles PhoenixSysModify"
    )


def test_an_empty_plan_needs_nothing():
    assert privileges.needs([Candidate(950)], [], {}) == []


def test_a_restore_reads_the_backup_of_another_container():
    storages = parse_storages("nfs: nas\n\tserver x\n\texport /x\n\tcontent backup\n\nzfspool: tank\n\tpool tank\n")
    facts = replace(FACTS, storages=storages, rooms={"nas": Room(1), "tank": Room(1 << 40)}, permissions=GRANTED)
    lacking = {finding.got for finding in judgement.judge([RESTORE], facts).findings}
    assert lacking == {
        f"{TOKEN} has no VM.Backup on /vms/920",
        f"{TOKEN} has no Datastore.AllocateSpace on /storage/nas",
    }
    assert privileges.role_for("VM.Backup") == "PVEVMAdmin"
