# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a node's driver, read from a folder that is laid out as the node's root."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import hostneeds
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.devices import Gpu, Gpus
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.vendors import NVIDIA
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.gpu import driver_files

FILES = {
    "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.124.06  Sat Feb 17 2025\n",
    "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t X\nGPU UUID: \t GPU-1\nDevice Minor: \t 0\n",
    "proc/driver/nvidia-caps/mig-minors": "config 1\nmonitor 2\ngpu0/gi1/access 12\ngpu0/gi2/access 21\n",
    "proc/driver/nvidia/capabilities/mig/config": "DeviceFileMinor: 1\nDeviceFileMode: 256\nDeviceFileModify: 1\n",
    "proc/driver/nvidia/capabilities/gpu0/mig/gi1/access": "DeviceFileMinor: 12\nDeviceFileMode: 292\n",
    "proc/driver/nvidia/capabilities/gpu0/mig/gi1/ci0/access": "DeviceFileMinor: 13\nDeviceFileMode: 292\n",
    "proc/devices": "Character devices:\n195 nvidia\n511 nvidia-uvm\n\nBlock devices:\n  8 sd\n",
    "sys/module/nvidia/version": "570.124.06\n",
}


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "dev/nvidia-caps").mkdir(parents=True)
    return tmp_path


def test_everything_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only character devices count: not a file, a folder or a link of such a name."""
    (root / "dev/nvidia0").touch()
    (root / "dev/nvidia1").touch()
    (root / "dev/nvidia2").symlink_to("nowhere")
    lstat = os.lstat

    def device(path: str) -> object:
        # A device node can be made by root only: what one shows is put in its place.
        if str(path).endswith("/dev/nvidia0"):
            return SimpleNamespace(st_mode=stat.S_IFCHR, st_rdev=os.makedev(195, 0))
        return lstat(path)

    monkeypatch.setattr(driver_files.os, "lstat", device)
    found = driver_files.read_gpus(NVIDIA, str(root))
    assert (found.version, found.gpus) == ("570.124.06", (Gpu("0000:01:00.0", 0, "GPU-1", "X"),))
    assert (found.devices, found.instances) == ({"/dev/nvidia0": (195, 0)}, {"gpu0/gi1": 12, "gpu0/gi1/ci0": 13})
    assert (found.majors["nvidia-uvm"], found.modules["nvidia"]) == (511, "570.124.06")


def test_a_node_without_a_driver(tmp_path: Path) -> None:
    """Nothing of it is there, and nothing fails."""
    found = driver_files.read_gpus(NVIDIA, str(tmp_path))
    assert (found.version, found.gpus, dict(found.devices)) == ("", (), {})


def test_the_files_are_read_for_those_that_need_them_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A settled fleet without GPUs costs nothing."""
    asked: list[str] = []

    def read(root: str = "/") -> tuple[Gpus, ...]:
        asked.append(root)
        return (Gpus(),)

    monkeypatch.setattr(driver_files, "read_all", read)
    assert driver_files.complete(Wanted(950, "pve", {})).device_error is None
    assert asked == []
    wanted = driver_files.complete(Wanted(951, "pve", {}, classes=(NVIDIA.device_class,)))
    assert "no NVIDIA driver loaded" in str(wanted.device_error)
    assert asked == ["/"]


def test_the_devices_that_are_asked_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their numbers; links are followed, as PVE does. A path that is no device and a missing one are two errors."""
    (root / "dev/serial").mkdir()
    (root / "dev/serial/stick").symlink_to("../ttyUSB0")
    for name in ("ttyUSB0", "sdb", "plain"):
        (root / "dev" / name).touch()
    kinds = {"ttyUSB0": (stat.S_IFCHR, 188, 0), "sdb": (stat.S_IFBLK, 8, 16)}
    plain = os.stat

    def device(path: str, **more: object) -> object:
        kind = kinds.get(os.path.basename(os.path.realpath(path)))
        return SimpleNamespace(st_mode=kind[0], st_rdev=os.makedev(*kind[1:])) if kind else plain(path, **more)

    monkeypatch.setattr(driver_files.os, "stat", device)

    def completed(*paths: str) -> Wanted:
        config = {"devices": [{"path": path} for path in paths], "device_passthrough": "raw"}
        return driver_files.complete(Wanted(950, "pve", config), str(root))

    found = completed("/dev/serial/stick", "/dev/sdb")
    assert [(device.path, device.number, device.block) for device in found.devices or ()] == [
        ("/dev/serial/stick", (188, 0), False),
        ("/dev/sdb", (8, 16), True),
    ]
    assert found.version == ""
    assert hostneeds.wanted_lines(found)[2] == ("lxc.cgroup2.devices.allow", "b 8:16 rw")
    missing = str(completed("/dev/sdb", "/dev/none", "/dev/nor").device_error)
    assert missing.startswith("devices/1/path: devices /dev/none, /dev/nor do not exist on node pve; load the kernel")
    assert str(completed("/dev/plain").device_error).startswith(
        "devices/0/path: /dev/plain of node pve is not a device"
    )
