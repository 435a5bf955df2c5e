# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools and datasets: what is made, what is set, and above all what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage.zpools import (
    Disk,
    Survey,
    groups,
    survey,
)

OPENZFS = """  pool: tank
 state: ONLINE
  scan: scrub repaired 0B in 00:00:01 with 0 errors on Sun Nov  8 00:24:02 2026
config:

\tNAME                                     STATE     READ WRITE CKSUM
\ttank                                     ONLINE       0     0     0
\t  mirror-0                               ONLINE       0     0     0
\t    nvme-EXAMPLE_A                       ONLINE       0     0     0
\t    replacing-1                          ONLINE       0     0     0
\t      nvme-EXAMPLE_B                     ONLINE       0     0     0
\t      nvme-EXAMPLE_C                     ONLINE       0     0     0
\t  raidz2-1                               ONLINE       0     0     0
\t    a                                    ONLINE       0     0     0
\t    b                                    ONLINE       0     0     0
\t    c                                    ONLINE       0     0     0
\t  lonely                                 ONLINE       0     0     0
\tlogs
\t  nvme-EXAMPLE_L                         ONLINE       0     0     0
\tspares
\t  nvme-EXAMPLE_S                         AVAIL

errors: No known data errors
"""


def pool(
    name: str = "tank", kind: str = "mirror", disks: tuple[str, ...] = ("/a", "/b"), **more: Any
) -> dict[str, Any]:
    """A pool in the one form."""
    vdevs = [{"type": kind, "disks": list(disks)}]
    base = {
        "name": name,
        "vdevs": vdevs,
        "disks": list(disks),
        "force_wipe": [],
        "pool_properties": {},
        "properties": {},
    }
    return {**base, **more}


def disks(*found: Disk) -> dict[str, Disk]:
    """Two empty disks, and what is found otherwise."""
    return {disk.path: disk for disk in (Disk("/a", "sda"), Disk("/b", "sdb"), *found)}


def look(*pools: dict[str, Any], there: dict[str, Any] | None = None, found: tuple[Disk, ...] = ()) -> Survey:
    """The survey of pools alone."""
    return survey(pools, [], there or {}, {}, disks(*found))


def test_layout_of_openzfs():
    assert groups(OPENZFS) == {
        "": [
            ("mirror", ["nvme-EXAMPLE_A", "nvme-EXAMPLE_B", "nvme-EXAMPLE_C"]),
            ("raidz2", ["a", "b", "c"]),
            ("stripe", ["lonely"]),
        ],
        "log": [("stripe", ["nvme-EXAMPLE_L"])],
        "spare": [("stripe", ["nvme-EXAMPLE_S"])],
    }


def test_a_pool_on_empty_disks_is_made():
    plan = look(pool(pool_properties={"ashift": "12"}, properties={"autotrim": "on", "atime": "off"}))
    assert plan.errors == []
    assert plan.create == [
        {
            "name": "tank",
            "vdevs": [{"type": "mirror", "disks": ["/a", "/b"]}],
            "properties": {"ashift": "12", "autotrim": "on"},
        }
    ]
    assert plan.datasets == [{"name": "tank", "properties": {"atime": "off"}, "absent": False}]


@pytest.mark.parametrize(
    "disk",
    [
        Disk("/b", "sdb", signatures=("ext4",)),
        Disk("/b", "sdb", signatures=("LVM2_member",)),
        Disk("/b", "sdb", signatures=("zfs_member",)),
        Disk("/b", "sdb", partitions=("sdb1",)),
    ],
)
def test_anything_on_a_disk_refuses_it(disk: Disk):
    plan = look(pool(), found=(disk,))
    assert "/b is not empty" in plan.errors[0]
    assert plan.wipe == []


def test_only_the_very_disk_is_wiped():
    full = (Disk("/a", "sda", signatures=("gpt",)), Disk("/b", "sdb", signatures=("ext4",)))
    plan = look(pool(force_wipe=["/b"]), found=full)
    assert plan.wipe == ["/b"]
    assert len(plan.errors) == 1
    assert "/a is not empty" in plan.errors[0]


@pytest.mark.parametrize("use", ["sdb1 is mounted on /", "sdb is swap", "sdb is held by dm-0", "member of pool rpool"])
def test_a_disk_in_use_is_refused_whatever_force_wipe_says(use: str):
    plan = look(pool(force_wipe=["/a", "/b"]), found=(Disk("/b", "sdb", signatures=("gpt",), uses=(use,)),))
    assert plan.wipe == []
    assert use in plan.errors[0]


def test_one_disk_by_two_names():
    plan = look(pool(), found=(Disk("/b", "sda"),))
    assert plan.errors == ["pool tank: /b and /a are the same disk, sda"]


def test_an_empty_disk_in_force_wipe_is_not_wiped():
    assert look(pool(force_wipe=["/b"])).wipe == []


def test_another_layout_is_reported_and_nothing_done():
    there = {"tank": {"groups": {"": [("stripe", ["sda"]), ("stripe", ["sdb"])]}, "properties": {"ashift": "9"}}}
    plan = look(pool(pool_properties={"ashift": "12"}), there=there)
    assert not plan.changed
    assert plan.errors == []
    assert "is mirror(sda, sdb)" in plan.notes[0] or "says mirror(sda, sdb)" in plan.notes[0]
    assert "it can't be changed" in plan.notes[1]


WITH_LOG = {
    "vdevs": [{"type": "mirror", "disks": ["/a", "/b"]}, {"type": "stripe", "disks": ["/c"], "role": "log"}],
    "disks": ["/a", "/b", "/c"],
}


def test_devices_besides_the_data_are_made_with_the_pool():
    plan = look(pool(**WITH_LOG), found=(Disk("/c", "sdc"),))
    assert plan.create[0]["vdevs"] == WITH_LOG["vdevs"]
    assert "make pool tank: mirror /a /b log /c" in plan.lines()


def test_a_device_besides_the_data_of_an_existing_pool_is_reported():
    data = {"": [("mirror", ["sda", "sdb"])]}
    there = {"tank": {"groups": data, "properties": {}}}
    plan = look(pool(**WITH_LOG), there=there, found=(Disk("/c", "sdc", signatures=("ext4",)),))
    assert "other log devices than the file says" in plan.notes[0]
    assert (plan.create, plan.wipe, plan.errors) == ([], [], [])
    there["tank"]["groups"] = {**data, "log": [("stripe", ["sdc"])], "cache": [("stripe", ["sdd"])]}
    assert look(pool(**WITH_LOG), there=there, found=(Disk("/c", "sdc"),)).notes == []


@pytest.mark.parametrize("role", ["special", "dedup"])
def test_a_pool_with_devices_that_no_tool_of_the_tests_knows_is_planned_and_settled(role: str):
    """In words of zpool(8) and a status of OpenZFS: zfs-fuse, with which pools are made in the lab, has neither."""
    extra = {"type": "mirror", "disks": ["/c", "/d"], "role": role}
    asked = pool(vdevs=[{"type": "mirror", "disks": ["/a", "/b"]}, extra], disks=["/a", "/b", "/c", "/d"])
    found = (Disk("/c", "sdc"), Disk("/d", "sdd"))
    plan = look(asked, found=found)
    assert f"make pool tank: mirror /a /b {role} mirror /c /d" in plan.lines()
    rows = ["tank", "  mirror-0", "    sda", "    sdb", role, "  mirror-1", "    sdc", "    sdd"]
    status = "config:\n\n\tNAME  STATE\n" + "".join(f"\t{row}  ONLINE  0 0 0\n" for row in rows)
    there = groups(status)
    assert there == {"": [("mirror", ["sda", "sdb"])], role: [("mirror", ["sdc", "sdd"])]}
    settled = look(asked, there={"tank": {"groups": there, "properties": {}}}, found=found)
    assert (settled.changed, settled.notes, settled.errors) == (False, [], [])


def test_the_same_layout_is_settled():
    there = {"tank": {"groups": {"": [("mirror", ["sdb", "sda"])]}, "properties": {"autotrim": "off"}}}
    assert not look(pool(), there=there).changed
    changed = look(pool(properties={"autotrim": "on"}), there=there)
    assert changed.pool_properties == {"tank": {"autotrim": "on"}}


def of_dataset(properties: dict[str, str], seen: dict[str, tuple[str, str]] | None) -> Survey:
    """The survey of one dataset."""
    there = {"tank": {"groups": {}, "properties": {}}}
    actual = {} if seen is None else {"tank/x": seen}
    return survey([], [{"name": "tank/x", "properties": properties}], there, actual, {})


def test_a_dataset_is_made_set_and_settled():
    assert of_dataset({"atime": "off"}, None).datasets == [
        {"name": "tank/x", "properties": {"atime": "off"}, "absent": True}
    ]
    assert of_dataset({"atime": "off"}, {"atime": ("on", "default")}).datasets[0]["properties"] == {"atime": "off"}
    # Inherited, it would change with its parent.
    assert of_dataset({"atime": "off"}, {"atime": ("off", "inherited")}).changed
    assert not of_dataset({"atime": "off"}, {"atime": ("off", "local")}).changed


@pytest.mark.parametrize(("key", "used"), [("quota", "used"), ("refquota", "referenced")])
def test_a_quota_below_what_is_used_is_refused(key: str, used: str):
    seen = {key: ("4096", "local"), used: ("2048", "-")}
    assert "below what it uses, 2048" in of_dataset({key: "1024"}, seen).errors[0]
    assert of_dataset({key: "2048"}, seen).errors == []
    assert of_dataset({key: "0"}, seen).errors == []


def test_what_is_settled_at_creation_is_reported():
    plan = of_dataset({"volblocksize": "8192"}, {"volblocksize": ("16384", "-")})
    assert not plan.changed
    assert "volblocksize is 16384" in plan.notes[0]


def test_a_dataset_of_an_unknown_pool_is_refused():
    assert survey([], [{"name": "nowhere/x", "properties": {}}], {}, {}, {}).errors
