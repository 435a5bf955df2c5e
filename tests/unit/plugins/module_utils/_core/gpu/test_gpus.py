# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's GPUs over recorded texts of the driver (PVE facts, 'NVIDIA and Docker in LXC')."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import devices as gpus
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import vendors

OPEN = """NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder@U22-I3)
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
CLOSED = """NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.161.07  Sat Feb 17 22:55:48 UTC 2024
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
PROC_DEVICES = """Character devices:
  1 mem
195 nvidia
195 nvidia-modeset
195 nvidiactl
238 nvidia-caps
511 nvidia-uvm

Block devices:
  8 sd
259 nvidia-uvm
"""
MIG = {
    f"{name}/access": f"DeviceFileMinor: {minor}\nDeviceFileMode: 292\nDeviceFileModify: 1\n"
    for name, minor in (("gpu0/mig/gi1", 12), ("gpu0/mig/gi1/ci0", 13), ("gpu1/mig/gi1", 147))
}
COMMON = {
    "/dev/nvidiactl": (195, 255),
    "/dev/nvidia-modeset": (195, 254),
    "/dev/nvidia-uvm": (511, 0),
    "/dev/nvidia-uvm-tools": (511, 1),
}
TAIL = ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset"]


def information(number: int, **more: str) -> str:
    values = {
        "Model": " NVIDIA GeForce RTX 5060 Ti",
        "IRQ": "  176",
        "GPU UUID": f" GPU-0000000{number}-aaaa-bbbb-cccc-0123456789ab",
        "Video BIOS": " 98.06.1f.00.9e",
        "Bus Type": " PCIe",
        "Bus Location": f" 0000:{number + 1:02x}:00.0",
        "Device Minor": f" {number}",
        "GPU Excluded": " No",
        **more,
    }
    return "".join(f"{name}:\t{value}\n" for name, value in values.items())


def node(
    count: int,
    version: str = OPEN,
    proc: str = PROC_DEVICES,
    mig: dict[str, str] | None = None,
    devices: dict[str, tuple[int, int]] | None = None,
    without: str = "",
    modules: dict[str, str] | None = None,
) -> gpus.Gpus:
    found = {f"0000:{number + 1:02x}:00.0": information(number) for number in reversed(range(count))}
    there = {**COMMON, **{f"/dev/nvidia{number}": (195, number) for number in range(count)}}
    there.update(devices or {})
    there.pop(without, None)
    return gpus.parse(version, found, proc, there, mig, modules)


def paths(found: gpus.Gpus, assignment: str | None) -> list[str]:
    return [device.path for device in gpus.devices(found, assignment)]


@pytest.mark.parametrize(("text", "version"), [(OPEN, "570.124.06"), (CLOSED, "535.161.07"), ("", ""), ("x\n", "")])
def test_driver_version(text: str, version: str) -> None:
    """Of both flavours of the kernel module; the compiler's version is never taken for it."""
    assert vendors.NVIDIA.read_version(text) == version


@pytest.mark.parametrize(
    ("count", "assignment", "cards"),
    [
        (1, None, [0]),
        (1, "0", [0]),
        (2, None, [0, 1]),
        (2, "1", [1]),
        (2, "1, 0", [1, 0]),
        (2, "0,0", [0]),
        (2, "0000:02:00.0", [1]),
        (2, "02:00.0", [1]),
        (2, "00000000:02:00.0", [1]),
        (2, "GPU-00000001-aaaa-bbbb-cccc-0123456789ab", [1]),
        (2, "gpu-00000000-AAAA-bbbb-cccc-0123456789ab,1", [0, 1]),
        (8, None, list(range(8))),
        (8, "2,5", [2, 5]),
    ],
)
def test_devices_of_an_assignment(count: int, assignment: str | None, cards: list[int]) -> None:
    """Index, PCI address or UUID; without any, all of them."""
    assert paths(node(count), assignment) == [f"/dev/nvidia{card}" for card in cards] + TAIL


def test_none_needs_no_driver() -> None:
    """A container without GPUs asks nothing of the node."""
    assert paths(gpus.Gpus(), "none") == []


def test_the_index_is_the_place_on_the_bus_and_not_the_minor() -> None:
    """As nvidia-smi counts: by PCI address, whatever order the driver numbered the cards in."""
    found = {
        "0000:41:00.0": information(0, **{"Device Minor": " 0"}),
        "0000:01:00.0": information(1, **{"Device Minor": " 1"}),
    }
    there = {**COMMON, "/dev/nvidia0": (195, 0), "/dev/nvidia1": (195, 1)}
    assert paths(gpus.parse(OPEN, found, PROC_DEVICES, there), "0")[0] == "/dev/nvidia1"


def test_an_excluded_card_is_none() -> None:
    """It has no device node."""
    found = {"0000:01:00.0": information(0, **{"GPU Excluded": " Yes"})}
    with pytest.raises(gpus.GpuError, match="has found no GPU"):
        gpus.devices(gpus.parse(OPEN, found, PROC_DEVICES, COMMON), None)


def test_mig_gives_the_capabilities_of_the_assigned_card_only() -> None:
    """Each instance's node, which is read and never written; not the one to reconfigure the card."""
    caps = {f"/dev/nvidia-caps/nvidia-cap{minor}": (238, minor) for minor in (1, 2, 12, 13, 147)}
    found = gpus.devices(node(2, mig=MIG, devices=caps), "0")
    assert [device.path for device in found][-2:] == [
        "/dev/nvidia-caps/nvidia-cap12",
        "/dev/nvidia-caps/nvidia-cap13",
    ]
    assert [device.mode for device in found] == ["0666"] * 5 + ["0444"] * 2


def test_capabilities_without_nodes_of_their_own() -> None:
    """With nv_cap_enable_devfs=0 the files under /proc are empty, and the rights themselves."""
    assert paths(node(1, mig=dict.fromkeys(MIG, "")), "0") == ["/dev/nvidia0", *TAIL]


@pytest.mark.parametrize(
    ("found", "assignment", "words"),
    [
        (node(1, version=""), None, r"no NVIDIA driver loaded.*; set nvidia in .*\(--tags hypervisor_nvidia\)"),
        (node(0), "0", "570.124.06 has found no GPU.*; see"),
        (node(1), "1", "GPU 1 is assigned, but the node has GPU 0 only"),
        (node(2), "5", "GPU 5 is assigned, but the node has GPUs 0 to 1 only"),
        (node(1), "0000:99:00.0", "GPU 0000:99:00.0 is assigned.*0000:01:00.0"),
        (node(1), "GPU-1234", "GPU GPU-1234 is assigned"),
        (node(1, without="/dev/nvidia0"), None, "device /dev/nvidia0 is missing; run nvidia-modprobe -u -c 0"),
        (node(1, without="/dev/nvidiactl"), None, "device /dev/nvidiactl is missing"),
        (node(1, without="/dev/nvidia-uvm"), None, "device /dev/nvidia-uvm is missing"),
        (node(1, proc="Character devices:\n195 nvidia\n"), None, "nvidia-uvm is not loaded"),
        (node(1, devices={"/dev/nvidia-uvm": (510, 0)}), None, "nvidia-uvm has the major number 510.*has 511"),
        (node(1, mig=MIG), None, "nvidia-cap12 is missing"),
        (
            node(1, modules={"nvidia": "570.124.06", "nvidia_uvm": "550.90.07"}),
            None,
            "570.124.06.*550.90.07.*nvidia_uvm",
        ),
    ],
)
def test_what_is_missing_is_named(found: gpus.Gpus, assignment: str, words: str) -> None:
    """One error, which names it."""
    with pytest.raises(gpus.GpuError, match=words):
        gpus.devices(found, assignment)


def test_the_modeset_node_is_passed_only_when_it_is_there() -> None:
    """CUDA does without it."""
    assert "/dev/nvidia-modeset" not in paths(node(1, without="/dev/nvidia-modeset"), None)


@pytest.mark.parametrize("vendor", vendors.VENDORS, ids=lambda vendor: vendor.name)
def test_the_words_of_manifests_are_documented(vendor: vendors.Vendor) -> None:
    text = (Path(__file__).resolve().parents[6] / "docs" / "features.md").read_text(encoding="utf-8")
    assert f"| {vendor.name} | `{vendor.device_class}` | `{vendor.driver_fact}` |\n" in text
