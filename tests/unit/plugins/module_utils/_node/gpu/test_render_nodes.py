# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs behind render nodes: which driver has which, read from a folder that is laid out as the node's root.

Cards, drivers and device nodes are made up: nobody has tried a real GPU of these vendors.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import hostneeds
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import vendors
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.gpu import driver_files

CARD = "DRIVER={}\nPCI_CLASS=30000\nPCI_ID={}\nPCI_SUBSYS_ID=1043:0001\nPCI_SLOT_NAME={}\n"
MODULES = (
    "amdgpu 17121280 45 - Live 0x0000000000000000\n"
    "i915 4308992 12 - Live 0x0000000000000000\n"
    "nouveau 2800000 0 - Loading 0x0000000000000000\n"
)
# The order of the numbers is that of the drivers' start, not that of the addresses.
GPUS = {
    "renderD128": ("i915", "8086:46A6", "0000:00:02.0"),
    "renderD129": ("amdgpu", "1002:744C", "0000:0c:00.0"),
    "renderD130": ("amdgpu", "1002:744C", "0000:03:00.0"),
    "renderD131": ("nouveau", "10DE:2204", "0000:04:00.0"),
}
NUMBERS = {"kfd": (234, 0), **{name: (226, int(name[7:])) for name in GPUS}}


@pytest.fixture(name="root")
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node with an Intel GPU, two of AMD, and one whose driver no vendor's row has."""
    drm = tmp_path / "sys/class/drm"
    for name, values in GPUS.items():
        card = f"card{int(name[7:]) - 128}"
        for each in (name, card):
            (drm / each / "device").mkdir(parents=True)
            (drm / each / "device/uevent").write_text(CARD.format(*values))
        (drm / f"{card}-DP-1/device").mkdir(parents=True)
        (drm / f"{card}-DP-1/device/uevent").write_text("MAJOR=226\nMINOR=0\nDEVNAME=dri/card0\nDEVTYPE=drm_minor\n")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/modules").write_text(MODULES)
    (tmp_path / "proc/devices").write_text("Character devices:\n226 drm\n234 kfd\n\nBlock devices:\n")
    (tmp_path / "dev/dri").mkdir(parents=True)
    for name in NUMBERS:
        (tmp_path / ("dev" if name == "kfd" else "dev/dri") / name).touch()
    lstat = os.lstat

    def device(path: str) -> object:
        # A device node can be made by root only: what one shows is put in its place.
        found = lstat(path)
        number = NUMBERS.get(os.path.basename(path)) if f"{tmp_path}/dev" in str(path) else None
        return SimpleNamespace(st_mode=stat.S_IFCHR, st_rdev=os.makedev(*number)) if number else found

    monkeypatch.setattr(driver_files.os, "lstat", device)
    return tmp_path


def completed(root: Path, word: str, assignment: str | None, **access: Any) -> Wanted:
    """A container with the GPUs of a class."""
    wanted = Wanted(950, "pve", {"devices": [{"class": word, **access}]}, assignment=assignment)
    return driver_files.complete(wanted, str(root))


def paths(wanted: Wanted) -> list[str]:
    """Its devices; a fault fails the test with its words."""
    assert wanted.device_error is None, str(wanted.device_error)
    return [device.path for device in wanted.devices or ()]


@pytest.mark.parametrize(
    ("word", "assignment", "expected"),
    [
        ("amd-gpu", "0", ["/dev/dri/renderD130", "/dev/kfd"]),
        ("amd-gpu", "0c:00.0", ["/dev/dri/renderD129", "/dev/kfd"]),
        ("amd-gpu", None, ["/dev/dri/renderD130", "/dev/dri/renderD129", "/dev/kfd"]),
        ("intel-gpu", "0", ["/dev/dri/renderD128"]),
        ("intel-gpu", "0000:00:02.0", ["/dev/dri/renderD128"]),
        # Of any vendor: an index counts those of the first vendor that has any, an address means one card.
        ("gpu", "1", ["/dev/dri/renderD129", "/dev/kfd"]),
        ("gpu", "00:02.0", ["/dev/dri/renderD128"]),
        ("gpu", "00:02.0,03:00.0", ["/dev/dri/renderD128", "/dev/dri/renderD130", "/dev/kfd"]),
        ("gpu", None, ["/dev/dri/renderD130", "/dev/dri/renderD129", "/dev/kfd", "/dev/dri/renderD128"]),
    ],
)
def test_the_nodes_of_an_assignment(root: Path, word: str, assignment: str | None, expected: list[str]) -> None:
    assert paths(completed(root, word, assignment)) == expected


def test_without_kfd_a_gpu_still_renders(root: Path) -> None:
    (root / "dev/kfd").unlink()
    assert paths(completed(root, "amd-gpu", "0")) == ["/dev/dri/renderD130"]


def test_a_group_of_the_container_may_open_them(root: Path) -> None:
    options = hostneeds.desired_devices(completed(root, "amd-gpu", "0", mode="0660", gid=104), ConfFile())
    assert {key: dict(option.parts or {}) for key, option in options.items()} == {
        "dev0": {"path": "/dev/dri/renderD130", "mode": "0660", "gid": "104"},
        "dev1": {"path": "/dev/kfd", "mode": "0660", "gid": "104"},
    }


def test_render_nodes_of_other_vendors_stay(root: Path) -> None:
    """All vendors' render nodes have the same names and the same major number: the node says whose each one is."""
    wanted = completed(root, "amd-gpu", "0")
    there = {"dev0": "/dev/dri/renderD128", "dev1": "/dev/dri/renderD129", "dev2": "/dev/dri/renderD140"}
    assert hostneeds.not_assigned(wanted, there, {}) == ["dev1"]
    lines = [("lxc.cgroup2.devices.allow", f"c 226:{minor} rw") for minor in (128, 129, 130, 140)]
    lines += [
        ("lxc.mount.entry", f"/dev/dri/renderD{minor} dev/dri/renderD{minor} none bind,create=file 0 0")
        for minor in (128, 129, 130)
    ]
    assert hostneeds.lines_not_assigned(wanted, lines) == [lines[1], lines[5]]


@pytest.mark.parametrize(
    ("gone", "word", "assignment", "words"),
    [
        (
            "proc/modules",
            "amd-gpu",
            "0",
            "driver loaded: /proc/modules does not list amdgpu; install it on the node",
        ),
        ("proc/modules", "intel-gpu", "0", "no Intel driver loaded: /proc/modules lists neither i915 nor xe"),
        ("dev/dri/renderD128", "intel-gpu", "0", "device /dev/dri/renderD128 is missing; run modprobe i915"),
        (
            "",
            "amd-gpu",
            "2",
            "the node has GPUs 0 to 1 only; assign what ls -l /dev/dri/by-path lists",
        ),
        ("", "intel-gpu", "03:00.0", "GPU 03:00.0 is assigned, but the node has only 0000:00:02.0"),
        ("", "gpu", "07:00.0", "GPU 07:00.0 is assigned, but the node has only 0000:03:00.0, 0000:0c:00.0"),
    ],
)
def test_what_lacks_is_said(root: Path, gone: str, word: str, assignment: str, words: str) -> None:
    if gone:
        (root / gone).unlink()
    assert words in str(completed(root, word, assignment).device_error)


def test_a_driver_without_a_gpu(root: Path) -> None:
    (root / "sys/class/drm/renderD128/device/uevent").unlink()
    assert "Intel driver i915 has found no GPU: /sys/class/drm lists none" in str(
        completed(root, "intel-gpu", None).device_error
    )


def test_a_program_that_has_one_open_computes() -> None:
    assert vendors.AMD.computes("/dev/kfd")
    assert vendors.INTEL.computes("/dev/dri/renderD128")
    assert not vendors.INTEL.computes("/dev/dri/card0")
