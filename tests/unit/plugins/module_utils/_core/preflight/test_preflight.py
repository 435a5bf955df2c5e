# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preflight's judgement: plans made by the planner itself, against nodes that lack one thing each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import devices, memory_budget
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import judgement, node_faults
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.judgement import Facts, Room
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.storagecfg import parse_storages

GIB = 1024**3
ARCHIVE = "debian-12-standard_12.7-1_amd64.tar.zst"
TEMPLATE = f"local:vztmpl/{ARCHIVE}"
STORAGES = parse_storages(
    """dir: local
    path /var/lib/vz
    content iso,vztmpl,backup

lvm: thick
    vgname data
    content rootdir,images

zfspool: tank
    pool tank/data

zfspool: off
    pool off
    disable

dir: there
    path /srv
    nodes other,third
    content rootdir,vztmpl

nfs: share
    server nas
    export /x
    content vztmpl,rootdir
""".replace("    ", "\t")
)
ROOMS = {name: Room(100 * GIB) for name in STORAGES}
FACTS = Facts(
    node="pve",
    storages=STORAGES,
    rooms=ROOMS,
    templates={"local": {ARCHIVE: 120 * 1024**2, "alpine-3.20-default_20240908_amd64.tar.xz": 3}},
    appliances=frozenset({"debian-13-standard_13.1-2_amd64.tar.zst"}),
    bridges=frozenset({"vmbr0", "vmbr1"}),
    folders=frozenset({"/srv/models"}),
)
NETWORK = {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}
BASE = {"name": "web", "template": TEMPLATE, "storage_pool": "tank", "storage_size_gb": 8, "network_config": NETWORK}


def item(ctid=950, conf=None, record=None, source=None, backup=None, **config):
    """A container as the run hands it to the preflight: with the plan that the planner makes for it."""
    merged = {key: value for key, value in {**BASE, **config}.items() if value is not None}
    head = parse_conf(conf) if conf is not None else None
    seen = Observation(ctid, exists=head is not None, **({"conf": head} if head else {}), source=source)
    seen = replace(seen, backup=parse_conf(backup) if backup else None)
    plan = planner.plan(Wanted(ctid, "pve", merged), seen, record or Record(ours=head is not None))
    return {"ctid": ctid, "config": merged, "plan": plan.as_dict()}


def judge(*items, check=False, **changed):
    return judgement.judge([Candidate.from_options(one) for one in items], replace(FACTS, **changed), check)


def only(verdict):
    (finding,) = verdict.findings
    return finding


def test_what_is_all_there_has_no_finding():
    volumes = [{"name": "data", "pool": "thick", "size_gb": 20, "mount_point": "/data"}]
    mounts = [{"host_path": "/srv/models", "container_path": "/models"}]
    verdict = judge(item(volumes=volumes, mount_points=mounts), item(951, name="db", storage_pool="thick"))
    assert verdict == judgement.Verdict()
    assert node_faults.report("pve", verdict.findings) == ""


# (config, pointer below the container, the fault, remedy, nearest)
FAULTS = [
    ({"storage_pool": "tnak"}, "storage_pool", "does not exist on node pve", "pvesm add", "tank"),
    ({"storage_pool": "local"}, "storage_pool", "and not rootdir", "--content backup,iso,rootdir,vztmpl", None),
    ({"storage_pool": None}, "storage_pool", "PVE's default, since storage_pool is not set", "pvesm set local", None),
    ({"storage_pool": "off"}, "storage_pool", "is disabled", "pvesm set off --disable 0", None),
    ({"storage_pool": "there"}, "storage_pool", "restricted to other, third", "--nodes other,third,pve", None),
    (
        {"network_config": {**NETWORK, "bridge": "vmbr2"}},
        "network_config/bridge",
        "does not exist on node pve",
        "network.interfaces",
        "vmbr1",
    ),
    ({"template": f"tank:vztmpl/{ARCHIVE}"}, "template", "and not vztmpl", "--content images,rootdir,vztmpl", None),
    ({"template": f"nowhere:vztmpl/{ARCHIVE}"}, "template", "does not exist on node pve", "pvesm add", None),
    ({"template": "local:vztmpl/debian-12-standrad_12.7-1_amd64.tar.zst"}, "template", ARCHIVE, TEMPLATE, ARCHIVE),
    (
        {"template": "local:vztmpl/debian-13-standard_13.0-1_amd64.tar.zst"},
        "template",
        "alpine-3.20",
        "pveam update",
        "debian-13-standard_13.1-2_amd64.tar.zst",
    ),
    (
        {"volumes": [{"name": "data", "pool": "tonk", "size_gb": 1, "mount_point": "/data"}]},
        "volumes/0/pool",
        '"tonk"',
        "pvesm",
        "tank",
    ),
    (
        {"mount_points": [{"host_path": "/srv/model", "container_path": "/models"}]},
        "mount_points/0/host_path",
        "not on node pve",
        "mkdir -p '/srv/model'",
        None,
    ),
    ({"template": None}, "", "has no template, clone_from_ctid or restore_from", "Add one of them", None),
    ({"clone_from_ctid": 920, "template": None}, "clone_from_ctid", "not on node pve", "--limit lineage_950", None),
]


@pytest.mark.parametrize(("config", "pointer", "got", "remedy", "nearest"), FAULTS, ids=lambda value: str(value)[:40])
def test_each_fault_has_its_key_its_value_and_its_remedy(config, pointer, got, remedy, nearest):
    finding = only(judge(item(**config)))
    assert finding.pointer == f"/lxc_configs/950/{pointer}".rstrip("/")
    assert got in finding.got
    assert remedy in finding.remedy
    assert finding.nearest == nearest
    assert finding.line().startswith(finding.pointer)


def test_all_faults_of_all_containers_at_once_in_the_order_of_the_run():
    faulty = [item(950 + n, **config) for n, (config, *_rest) in enumerate(FAULTS)]
    verdict = judge(*faulty)
    assert [finding.path[1] for finding in verdict.findings] == [str(950 + n) for n in range(len(FAULTS))]
    text = node_faults.report("pve", verdict.findings)
    assert f"{len(FAULTS)} errors" in text
    assert "nothing was touched" in text
    assert len(text.splitlines()) == len(FAULTS) + 4


def test_a_storage_that_does_not_answer():
    finding = only(judge(item(storage_pool="share"), rooms={**ROOMS, "share": Room(problem="no route to nas")}))
    assert "no route to nas" in finding.got
    assert "pvesm status --storage share" in finding.remedy


def test_what_is_not_to_be_changed_is_not_judged():
    """A container that has a bridge and a storage which are gone meanwhile, and gets only memory."""
    conf = "hostname: web\nmemory: 512\nnet0: name=eth0,bridge=gone0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth\n"
    conf += "rootfs: vanished:vm-950-disk-0,size=8G\nunprivileged: 1\n"
    there = item(conf=conf, memory_mb=1024, storage_pool="vanished", network_config={**NETWORK, "bridge": "gone0"})
    assert any(step["kind"] == "configure" for step in there["plan"]["steps"])
    assert judge(there).findings == ()


def test_a_bridge_that_is_changed_is_judged():
    conf = "hostname: web\nnet0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth\n"
    conf += "rootfs: tank:subvol-950-disk-0,size=8G\nunprivileged: 1\n"
    changed = item(conf=conf, network_config={**NETWORK, "bridge": "vmbr7"})
    assert only(judge(changed)).pointer == "/lxc_configs/950/network_config/bridge"


class TestRoom:
    def test_a_sum_that_does_not_fit_is_a_fault_where_sizes_are_exact(self):
        three = [item(950 + n, name=f"n{n}", storage_pool="thick", storage_size_gb=40) for n in range(3)]
        assert judge(*three[:2]).findings == ()
        finding = only(judge(*three))
        assert finding.pointer == "/lxc_configs/950/storage_size_gb"
        assert "100 GiB free" in finding.got
        assert "120 GiB" in finding.got
        assert "952: 40 GiB" in finding.got
        assert finding.concerned == (950, 951, 952)

    def test_it_is_a_warning_where_volumes_begin_small(self):
        verdict = judge(item(storage_size_gb=400))
        assert verdict.findings == ()
        (warning,) = verdict.warnings
        assert "may grow to 400 GiB" in warning

    def test_less_than_the_templates_archives_is_a_fault_everywhere(self):
        finding = only(judge(item(storage_size_gb=400), rooms={**ROOMS, "tank": Room(100 * 1024**2)}))
        assert "at least" in finding.got

    def test_volumes_and_growth_count(self):
        conf = "hostname: web\nrootfs: thick:vm-950-disk-0,size=8G\nunprivileged: 1\n"
        volumes = [{"name": "data", "size_gb": 60, "mount_point": "/data"}]
        grows = item(conf=conf, storage_pool="thick", storage_size_gb=60, volumes=volumes, network_config=None)
        heads = {950: parse_conf(conf).head}
        assert "112 GiB" in only(judge(grows, heads=heads)).got
        assert judge(grows, heads=heads, rooms={**ROOMS, "thick": Room(112 * GIB)}).findings == ()

    def test_a_restore_counts_as_its_backup_and_needs_a_storage_for_backups(self):
        saved = "hostname: web\nrootfs: gone:x,size=80G\nmp0: gone:y,mp=/data,size=40G\nunprivileged: 1\n"
        volume = "local:backup/vzdump-lxc-950-2026_11_23-18_32_10.tar.zst"
        asked = {"template": None, "storage_pool": "thick", "storage_size_gb": None, "network_config": None}
        restored = item(backup=saved, restore_from=volume, **asked)
        found = only(judge(restored))
        assert "120 GiB" in found.got
        assert judge(restored, rooms={**ROOMS, "thick": Room(120 * GIB)}).findings == ()
        elsewhere = item(backup=saved, restore_from=volume.replace("local", "share"), **asked)
        found = only(judge(elsewhere, rooms={**ROOMS, "thick": Room(120 * GIB)}))
        assert found.pointer == "/lxc_configs/950/restore_from"
        assert "a storage for backups (backup)" in found.expected
        missing = only(judge(item(restore_from=volume, **asked)))
        assert "can't read the config in the backup" in missing.got

    def test_a_full_clone_counts_as_its_source_and_a_linked_one_does_not(self):
        source = parse_conf("hostname: base\ntemplate: 1\nrootfs: thick:base-920-disk-0,size=80G\nunprivileged: 1\n")
        full = item(clone_from_ctid=920, template=None, storage_pool=None, storage_size_gb=None, source=source)
        facts = {"heads": {920: source.head}}
        assert judge(full, **facts).findings == ()
        other = {**full, "ctid": 951}
        finding = only(judge(full, other, **facts))
        assert "160 GiB" in finding.got
        linked = parse_conf("hostname: base\ntemplate: 1\nrootfs: tank:base-920-disk-0,size=800G\nunprivileged: 1\n")
        seen = Observation(950, source=linked, storages={"tank": "zfspool"})
        plan = planner.plan(Wanted(950, "pve", {"name": "w", "clone_from_ctid": 920}), seen, Record())
        made = {"ctid": 950, "config": {"clone_from_ctid": 920}, "plan": plan.as_dict()}
        assert judge(made, heads={920: linked.head}) == judgement.Verdict()

    def test_what_a_recreated_container_gives_back_counts(self):
        conf = parse_conf("hostname: web\nrootfs: thick:vm-950-disk-0,size=80G\n").head
        again = item(storage_pool="thick", storage_size_gb=120)
        destroy = {
            "entries": [
                {"op": "pve", "what": "DELETE /nodes/pve/lxc/950", "params": {}, "kind": "destroy", "ctid": 950}
            ]
        }
        again["plan"]["steps"].insert(0, destroy)
        assert judge(again, heads={950: conf}).findings == ()
        assert only(judge(again, heads={})).pointer.endswith("storage_size_gb")


class TestDownloads:
    WANTED = "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst"

    def test_a_template_of_the_index_is_one_step_however_many_want_it(self):
        verdict = judge(item(template=self.WANTED), item(951, name="two", template=self.WANTED))
        assert verdict.findings == ()
        (step,) = verdict.steps
        (entry,) = step.entries
        assert entry.what == "POST /nodes/pve/aplinfo"
        assert entry.params == {"storage": "local", "template": self.WANTED.rpartition("/")[2]}
        assert verdict.plan().as_dict()["steps"][0]["kind"] == "download"

    def test_only_a_container_without_a_fault_gets_its_template(self):
        other = "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst"
        facts = {"appliances": frozenset(volume.rpartition("/")[2] for volume in (self.WANTED, other))}
        sound, faulty = item(template=self.WANTED), item(951, name="two", template=other, storage_pool="off")
        verdict = judge(sound, faulty, **facts)
        assert [finding.concerned for finding in verdict.findings] == [(951,)]
        assert [step.name for step in verdict.steps] == [self.WANTED.rpartition("/")[2]]
        both = judge(item(template=other), faulty, **facts)
        assert [step.name for step in both.steps] == [other.rpartition("/")[2]]

    def test_an_index_that_cannot_be_read_is_told(self):
        finding = only(judge(item(template=self.WANTED), appliances=None, appliances_problem="no answer at all"))
        assert "no answer at all" in finding.remedy


class TestToCome:
    """In check mode what the hypervisor's own play would have made by then is no fault."""

    COMING = frozenset({"new", "vmbr5", "/srv/new"})
    CONFIG = {
        "storage_pool": "new",
        "network_config": {**NETWORK, "bridge": "vmbr5"},
        "mount_points": [{"host_path": "/srv/new", "container_path": "/new"}],
    }

    def test_in_check_mode_it_is_told(self):
        verdict = judge(item(**self.CONFIG), check=True, coming=self.COMING)
        assert verdict.findings == ()
        assert len(verdict.warnings) == 3

    def test_in_a_real_run_it_has_to_be_there(self):
        assert len(judge(item(**self.CONFIG), coming=self.COMING).findings) == 3


class TestRefusals:
    def test_a_foreign_container_is_told_with_the_others(self):
        theirs = item(conf="hostname: theirs\nrootfs: tank:x,size=1G\n", record=Record())
        verdict = judge(theirs, item(951, storage_pool="off"))
        assert verdict.findings[0].path == ("lxc_configs", "950")
        assert "theirs" in verdict.findings[0].got
        assert "phoenix_adopt" in verdict.findings[0].remedy

    def test_what_an_earlier_run_began_is_left_to_the_containers_own_module(self):
        theirs = item(conf="hostname: web\nrootfs: tank:x,size=1G\nlock: create\n", record=Record())
        assert theirs["plan"]["error"]
        assert judge(theirs, ours_to_be=frozenset({950})).findings == ()

    def test_a_refusal_that_names_a_key_points_at_it(self):
        conf = "hostname: web\nrootfs: tank:subvol-950-disk-0,size=80G\nunprivileged: 1\n"
        finding = only(judge(item(conf=conf)))
        assert finding.pointer == "/lxc_configs/950/storage_size_gb"
        assert finding.remedy.startswith("Set it to 80")
        assert "storage_size_gb" not in finding.got  # the pointer before it says that


def test_control_characters_of_a_value_do_not_reach_the_terminal():
    finding = only(judge(item(network_config={**NETWORK, "bridge": "x\x1b[2J"})))
    assert "\x1b" not in finding.line()


DEVICE = {
    "op": "pve",
    "what": "PUT /nodes/pve/lxc/950/config",
    "kind": "config",
    "ctid": 950,
    "params": {"dev0": "/dev/nvidia0,mode=0666", "dev1": "a"},
}


@pytest.mark.parametrize(
    ("version", "fine"),
    [
        ("7.4-3", False),
        ("8.0.3", False),
        ("8.1.10", False),
        ("8.2.2", True),
        ("8.4.1", True),
        ("9.0.0~11", True),
        ("", True),
    ],
)
def test_devices_need_a_proxmox_that_has_them(version, fine):
    """One finding, however many devices; a node whose version nobody can read is left to PVE."""
    one = {"ctid": 950, "config": BASE, "plan": {"steps": [{"entries": [DEVICE]}]}}
    findings = judge(one, version=version).findings
    assert (findings == ()) == fine
    if not fine:
        (finding,) = findings
        assert finding.pointer == "/lxc_configs/950/gpu_assignment"
        assert finding.got == f"node pve has Proxmox VE {version}, which can't pass devices on as devN"
        assert '"gpu_passthrough": "raw"' in finding.remedy


@pytest.mark.parametrize(
    ("params", "asked"),
    [
        ({"entrypoint": "/sbin/init"}, ["entrypoint"]),
        ({"env": "A=b\0C=d"}, ["env"]),
        ({"cpulimit": "1.5", "timezone": "host"}, []),
    ],
)
@pytest.mark.parametrize(("version", "fine"), [("8.4.21", False), ("9.0.3", False), ("9.1.1", True), ("9.2.11", True)])
def test_a_later_option_needs_a_proxmox_that_has_it(params, asked, version, fine):
    entry = {**DEVICE, "params": params}
    config = {**BASE, "entrypoint": "/sbin/init", "env": {"A": "b", "C": "d"}}
    findings = judge(
        {"ctid": 950, "config": config, "plan": {"steps": [{"entries": [entry]}]}}, version=version
    ).findings
    assert [finding.pointer for finding in findings] == [f"/lxc_configs/950/{key}" for key in asked if not fine]
    for finding in findings:
        assert "9.1 or later" in finding.expected


@pytest.mark.parametrize(("version", "fine"), [("8.1.10", False), ("8.2.2", False), ("8.3.1", False), ("8.4.1", True)])
def test_a_device_that_is_only_read_needs_a_newer_proxmox(version, fine):
    """The schema of 8.4 has deny-write. The finding names the entry, and the way that every version has."""
    entry = {**DEVICE, "params": {"dev3": "/dev/sdb,deny-write=1"}}
    own = {**BASE, "devices": [{"path": "/dev/fuse"}, {"path": "/dev/sdb", "deny_write": True}]}
    one = {"ctid": 950, "config": own, "plan": {"steps": [{"entries": [entry]}]}}
    findings = judge(one, version=version).findings
    assert (findings == ()) == fine
    if not fine:
        assert findings[0].pointer == "/lxc_configs/950/devices/1/path"
        assert "can't deny /dev/sdb writes (deny-write)" in findings[0].got
        assert findings[0].expected == "Proxmox VE 8.4 or later"
        assert '"device_passthrough": "raw"' in findings[0].remedy


@pytest.mark.parametrize(
    ("entry", "device"),
    [
        ({"path": "/dev/ttyUSB0", "gid": 20}, "/dev/ttyUSB0,gid=20"),
        ({"class": "nvidia-gpu", "gid": 20}, "/dev/nvidia0,gid=20,mode=0666"),
    ],
)
def test_what_raw_lines_cant_say_is_named_on_an_old_proxmox(entry, device):
    params = {**DEVICE, "params": {"dev0": device}}
    own = {**BASE, "devices": [{"path": "/dev/fuse"}, entry]}
    (finding,) = judge(
        {"ctid": 950, "config": own, "plan": {"steps": [{"entries": [params]}]}}, version="8.0.3"
    ).findings
    assert finding.pointer == "/lxc_configs/950/devices/1/gid"
    assert finding.got.endswith("can't pass devices on as devN, and raw lines can't set gid")
    assert finding.remedy.startswith("Upgrade the node, or remove gid: raw lines leave mode and owner")


def test_a_folder_that_the_run_makes_needs_the_folder_around_it():
    """Not the whole way: below a file system that is not mounted it would lie on the root disk."""
    mount = {"host_path": "/srv/nas/media", "container_path": "/media", "owner_uid": 1000}
    made = {"op": "folder", "what": "make /srv/nas/media", "params": {"path": "/srv/nas/media", "uid": 1, "gid": 1}}
    put = {**DEVICE, "params": {"mp0": "/srv/nas/media,mp=/media"}}
    one = {"ctid": 950, "config": {**BASE, "mount_points": [mount]}, "plan": {"steps": [{"entries": [made, put]}]}}
    assert only(judge(one)).got == 'got "/srv/nas", which is not on node pve'
    assert judge(one, folders=frozenset({"/srv/nas"})).findings == ()
    without = {**one, "plan": {"steps": [{"entries": [put]}]}}
    assert only(judge(without, folders=frozenset({"/srv/nas"}))).got.startswith('got "/srv/nas/media"')


def test_what_the_hypervisors_play_makes_is_not_made_by_hand():
    """A run limited to containers comes before it: such as the store of models on a new node."""
    mounts = [{"host_path": "/srv/store", "container_path": "/srv/store", "read_only": True}]
    missing = only(judge(item(mount_points=mounts), coming=frozenset({"/srv/store"})))
    assert "run the playbook hypervisor first" in missing.remedy
    assert judge(item(mount_points=mounts), coming=frozenset({"/srv/store"}), check=True).findings == ()


def test_what_is_started_on_a_gpu_is_judged_with_its_key():
    """The report has it among the others; a node whose GPUs were not looked at is not judged."""
    server = Server("one", memory_share="vllm_gpu_memory_utilization")
    claimed = {**item(vllm_gpu_memory_utilization=0.7), "assignment": None, "servers": [server.to_json()]}
    node = devices.Gpus(version="1", gpus=(devices.Gpu("0000:01:00.0", 0, "GPU-1"),))
    load = memory_budget.Load(node, {951: frozenset({0})})
    finding = only(judge(claimed, loads=(load,), shares={951: 0.5}))
    assert finding.pointer == "/lxc_configs/950/vllm_gpu_memory_utilization"
    assert judge(claimed, shares={951: 0.5}).findings == ()
    assert judge(item(vllm_gpu_memory_utilization=0.7), loads=(load,), shares={951: 0.5}).findings == ()


def test_a_guest_that_the_file_has_not_is_looked_for_on_the_node():
    waiting = {**item(), "outside": ["1002", 1003]}
    verdict = judge(waiting, guests=frozenset({1003}))
    assert verdict.findings == ()
    (warning,) = verdict.warnings
    assert warning.startswith("container 950 depends on 1002, and no guest of node pve or its cluster")
    assert judge(waiting, guests=frozenset({1002, 1003})).warnings == ()
