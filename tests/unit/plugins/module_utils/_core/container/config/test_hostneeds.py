# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of an assignment in a container's config, and the node's driver in the digests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import digest
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import hostneeds, mounts
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config.changes import Changes
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config.compare import RAW, Comparison
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import devices, vendors
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile

COMMON = {"/dev/nvidiactl": (195, 255), "/dev/nvidia-uvm": (511, 0), "/dev/nvidia-uvm-tools": (511, 1)}
NODE = devices.Gpus(
    version="570.124.06",
    gpus=(devices.Gpu("0000:01:00.0", 0), devices.Gpu("0000:02:00.0", 1)),
    majors={"nvidia-uvm": 511},
    devices={**COMMON, "/dev/nvidia0": (195, 0), "/dev/nvidia1": (195, 1)},
)


def feature(name: str, under: list[tuple[str, str]], **container: Any) -> Feature:
    parts = digest.components("f" * 64, {"a": 1}, under=under)
    return Feature(name, digest.digest(parts), parts, container)


FACTS = {"version": "nvidia-driver"}


def stack() -> tuple[Feature, ...]:
    base = feature("base", [])
    driver = feature(
        "driver", [("base", base.digest)], devices=[vendors.NVIDIA.device_class], facts={"version": "nvidia-driver"}
    )
    return base, driver, feature("serve", [("base", base.digest), ("driver", driver.digest)])


def wanted(assignment: str | None = "0", node: devices.Gpus = NODE, **config: Any) -> Wanted:
    return hostneeds.complete(Wanted(950, "pve", config, stack(), assignment=assignment), node)


def write(want: Wanted, actual: dict[str, str], applied: dict[str, Any] | None = None) -> Changes:
    return Comparison(want, ConfFile(head=actual), Record(applied=applied or {}), running=True).changes


def test_one_write_and_then_none() -> None:
    """PVE facts, 'Pending changes': a new devN is hotplugged."""
    changes = write(wanted(), {})
    assert changes.set["dev0"] == "/dev/nvidia0,mode=0666"
    assert len(changes.set) == 4
    assert changes.disrupts == "hot"
    assert not write(wanted(), changes.onto({}), dict(changes.applied))


def test_another_assignment_takes_the_old_device_away() -> None:
    """The deletion waits for a restart (PVE facts, 'Pending changes'); what both share keeps its slot."""
    first = write(wanted("0"), {})
    changes = write(wanted("1"), first.onto({}), dict(first.applied))
    assert changes.set == {"dev4": "/dev/nvidia1,mode=0666"}
    assert changes.delete == ("dev0",)
    assert changes.disrupts == "restart"


def test_a_clone_loses_the_cards_of_its_source_and_keeps_what_is_not_of_gpus() -> None:
    """PVE facts, 'Clones': devN lines are copied."""
    copied = {"dev0": "/dev/nvidia0,mode=0666", "dev1": "/dev/fuse", "dev7": "path=/dev/nvidiactl,mode=0666"}
    changes = write(wanted("1"), copied)
    assert changes.delete == ("dev0",)
    assert "dev1" not in changes.set
    assert "dev7" not in changes.set
    assert changes.set["dev2"] == "/dev/nvidia1,mode=0666"


def test_the_feature_is_gone_and_so_are_its_devices() -> None:
    """Only ours: what somebody put into the slot since stays."""
    first = write(wanted("0"), {})
    actual = {**first.onto({}), "dev1": "/dev/fuse"}
    changes = write(Wanted(950, "pve", {}), actual, dict(first.applied))
    assert changes.delete == ("dev0", "dev2", "dev3")


def test_a_device_that_a_manifest_names_by_its_path() -> None:
    """It needs nothing of GPUs, and takes none away that somebody passed on."""
    want = Wanted(950, "pve", {}, (feature("base", [], devices=["/dev/fuse"]),))
    assert not hostneeds.looks(want)
    want = hostneeds.complete(want, devices.Gpus())
    changes = write(want, {"dev0": "/dev/nvidia0"})
    assert (dict(changes.set), changes.delete) == ({"dev1": "/dev/fuse"}, ())
    assert not write(want, changes.onto({"dev0": "/dev/nvidia0"}), dict(changes.applied))


def test_the_devices_of_a_clone_source_count() -> None:
    """A clone that lists no GPU feature of its own has its source's."""
    assert hostneeds.looks(Wanted(950, "pve", {}, classes=(vendors.NVIDIA.device_class,)))
    assert not hostneeds.looks(Wanted(950, "pve", {}, stack()[:1]))


@pytest.mark.parametrize("exists", [False, True])
def test_what_is_missing_refuses_the_plan(exists: bool) -> None:
    """Before anything is created or started."""
    want = replace(wanted("3"), config={"template": "local:vztmpl/x.tar.zst"})
    plan = planner.plan(want, Observation(950, exists=exists), Record(ours=exists))
    assert (
        plan.error
        == "gpu_assignment: GPU 3 is assigned, but the node has GPUs 0 to 1 only; assign what nvidia-smi -L lists there"
    )
    assert not plan.steps


def test_a_driver_upgrade_changes_the_feature_and_what_lies_on_it() -> None:
    """And nothing under it; the reason names the variable."""
    before, after = wanted().features, wanted(node=replace(NODE, version="575.51.03")).features
    assert [old.digest == new.digest for old, new in zip(before, after, strict=True)] == [True, False, False]
    assert after[1].variables == {"version": "575.51.03"}
    assert digest.explain(before[1].components, after[1].components) == "variable version changed"
    assert digest.explain(before[2].components, after[2].components) == "driver under it changed"


LINES = [
    ("lxc.cgroup2.devices.allow", "c 195:0 rw"),
    ("lxc.mount.entry", "/dev/nvidia0 dev/nvidia0 none bind,create=file 0 0"),
    ("lxc.cgroup2.devices.allow", "c 195:255 rw"),
    ("lxc.mount.entry", "/dev/nvidiactl dev/nvidiactl none bind,create=file 0 0"),
    ("lxc.cgroup2.devices.allow", "c 511:0 rw"),
    ("lxc.mount.entry", "/dev/nvidia-uvm dev/nvidia-uvm none bind,create=file 0 0"),
    ("lxc.cgroup2.devices.allow", "c 511:1 rw"),
    ("lxc.mount.entry", "/dev/nvidia-uvm-tools dev/nvidia-uvm-tools none bind,create=file 0 0"),
]
OTHERS = [("lxc.cgroup2.devices.allow", "c 10:200 rwm"), ("lxc.mount.entry", "/dev/net/tun dev/net/tun none bind 0 0")]


def raw(want: Wanted, there: list[tuple[str, str]], applied: dict[str, Any] | None = None) -> tuple[Any, Any]:
    return Comparison(want, ConfFile(raw=tuple(there)), Record(applied=applied or {})).lines


def test_by_raw_lines_instead() -> None:
    """Each device with its number, which is dynamic for nvidia-uvm; no devN; and then nothing more."""
    want = wanted(gpu_passthrough="raw")
    changes = write(want, {})
    assert dict(changes.set) == {}
    assert raw(want, []) == (LINES, [])
    assert raw(want, LINES, dict(changes.applied)) == ([], [])


def test_raw_lines_follow_the_assignment() -> None:
    """Ours by our record, a clone's by what they are of; those of others stay."""
    first = write(wanted(gpu_passthrough="raw"), {})
    want = wanted("1", gpu_passthrough="raw")
    for applied in (dict(first.applied), {}):
        add, remove = raw(want, [*OTHERS, *LINES], applied)
        assert [value for _key, value in add] == [
            "c 195:1 rw",
            "/dev/nvidia1 dev/nvidia1 none bind,create=file 0 0",
        ]
        assert remove == LINES[:2]


def test_from_one_way_to_the_other_and_back() -> None:
    """Nothing of the old one stays."""
    lines, options = wanted(gpu_passthrough="raw"), wanted()
    by_lines = write(lines, {})
    assert raw(options, LINES, dict(by_lines.applied)) == ([], LINES)
    by_options = write(options, {})
    back = write(lines, by_options.onto({}), dict(by_options.applied))
    assert (dict(back.set), back.delete) == ({}, ("dev0", "dev1", "dev2", "dev3"))


def test_another_number_of_uvm_after_a_boot_of_the_node() -> None:
    """Its line is replaced, and no other."""
    moved = {"/dev/nvidia-uvm": (509, 0), "/dev/nvidia-uvm-tools": (509, 1)}
    node = replace(NODE, majors={"nvidia-uvm": 509}, devices={**NODE.devices, **moved})
    first = write(wanted(gpu_passthrough="raw"), {})
    add, remove = raw(wanted(gpu_passthrough="raw", node=node), LINES, dict(first.applied))
    assert [value for _key, value in add] == ["c 509:0 rw", "c 509:1 rw"]
    assert [value for _key, value in remove] == ["c 511:0 rw", "c 511:1 rw"]


@pytest.mark.parametrize("lines", [["lxc.mount.entry: /dev/nvidia7 dev/nvidia7 none bind 0 0"], []])
def test_the_step_names_the_key_that_is_behind_it(lines: list[str]) -> None:
    """lxc_options for what the file itself has."""
    want = wanted(lxc_options=lines, **({} if lines else {"gpu_passthrough": "raw"}))
    add, remove = raw(want, [])
    assert hostneeds.source_of(want, [*add, *remove]) == ("lxc_options" if lines else "gpu_passthrough")


def test_devices_and_gpus_share_the_slots() -> None:
    """What `devices` says of the path of a GPU's node holds; by a class it holds for all nodes of the assignment."""
    own = [{"path": "/dev/net/tun"}, {"path": "/dev/nvidia0", "mode": "0660", "gid": 44}]
    want = wanted("0", devices=own)
    changes = write(want, {"dev0": "/dev/fuse", "dev2": "/dev/net/tun,uid=3"})
    assert dict(changes.set) == {
        "dev1": "/dev/nvidia0,gid=44,mode=0660",
        "dev3": "/dev/nvidiactl,mode=0666",
        "dev4": "/dev/nvidia-uvm,mode=0666",
        "dev5": "/dev/nvidia-uvm-tools,mode=0666",
    }
    assert changes.reasons["dev1"].endswith("(devices)")
    assert changes.reasons["dev3"].endswith("(gpu_assignment)")
    by_class = hostneeds.complete(
        Wanted(950, "pve", {"devices": [{"class": "nvidia-gpu", "mode": "0660", "gid": 44}]}, assignment="1"), NODE
    )
    assert set(write(by_class, {}).set.values()) == {f"{path},gid=44,mode=0660" for path in ("/dev/nvidia1", *COMMON)}
    assert hostneeds.looks(by_class)


def test_a_device_of_a_gpu_that_is_named_stays_whatever_is_assigned() -> None:
    changes = write(wanted("0", devices=[{"path": "/dev/nvidia1"}]), {"dev0": "/dev/nvidia1"})
    assert "dev0" not in changes.delete


def test_writes_are_allowed_again() -> None:
    """False over a switch that somebody set by hand takes it away, and is written to no version that lacks it."""
    want = hostneeds.complete(Wanted(950, "pve", {"devices": [{"path": "/dev/sdb", "deny_write": False}]}))
    assert write(want, {}).set == {"dev0": "/dev/sdb"}
    assert write(want, {"dev0": "/dev/sdb,deny-write=1,gid=6"}).set == {"dev0": "/dev/sdb,gid=6"}


def test_raw_lines_of_a_device_follow_its_number() -> None:
    """The number of a stick that was plugged in again is another: its lines are replaced."""
    config = {"devices": [{"path": "/dev/ttyUSB0"}], "device_passthrough": "raw"}
    first, second = (
        hostneeds.complete(Wanted(950, "pve", config), there={"/dev/ttyUSB0": hostneeds.Node((188, minor))})
        for minor in (0, 1)
    )
    lines = hostneeds.wanted_lines(first)
    assert not hostneeds.desired_devices(first, ConfFile())
    record = Record(applied={RAW: [list(line) for line in lines]})
    foreign = ("lxc.cgroup2.devices.allow", "c 188:5 rw")
    add, remove = Comparison(second, ConfFile(raw=(foreign, *lines)), record).lines
    assert (add, remove) == (
        [("lxc.cgroup2.devices.allow", "c 188:1 rw")],
        [("lxc.cgroup2.devices.allow", "c 188:0 rw")],
    )
    assert hostneeds.source_of(second, add) == "device_passthrough"


@pytest.mark.parametrize(
    ("head", "raw", "expected"),
    [
        ({"unprivileged": "1"}, (), (101000, 100005)),
        ({}, (), (1000, 5)),
        (
            {"unprivileged": "1"},
            (("lxc.idmap", "u 0 100000 1000"), ("lxc.idmap", "u 1000 1000 1"), ("lxc.idmap", "g 0 300000 65536")),
            (1000, 300005),
        ),
        ({"unprivileged": "1"}, (("lxc.idmap", "b 0 100000 100"),), None),
    ],
)
def test_a_folder_is_made_for_the_owner_that_the_container_sees(head: Any, raw: Any, expected: Any) -> None:
    item = {"host_path": "/srv/a", "container_path": "/a", "owner_uid": 1000, "owner_gid": 5}
    want = hostneeds.complete(Wanted(950, "pve", {"mount_points": [item]}), there={})
    conf = ConfFile(head=head, raw=raw)
    places = Comparison(want, conf, Record()).places
    made = mounts.folders(places, {"mp0"}, want.missing, conf)
    assert [(entry.params["uid"], entry.params["gid"]) for entry in made] == ([expected] if expected else [])
    assert mounts.folders(places, {"mp0"}, (), conf) == []


@pytest.mark.parametrize(
    ("id_map", "expected"), [("passthrough", (1000, 5)), ("u:1000:33:1", (33, 100005)), ("g:0:500:10", (101000, 505))]
)
def test_the_mapping_of_the_mount_point_comes_first(id_map: str, expected: tuple[int, int]) -> None:
    item = {"host_path": "/srv/a", "container_path": "/a", "owner_uid": 1000, "owner_gid": 5, "id_map": id_map}
    want = hostneeds.complete(Wanted(950, "pve", {"mount_points": [item]}), there={})
    conf = ConfFile(head={"unprivileged": "1"})
    made = mounts.folders(Comparison(want, conf, Record()).places, {"mp0"}, want.missing, conf)
    assert [(entry.params["uid"], entry.params["gid"]) for entry in made] == [expected]
