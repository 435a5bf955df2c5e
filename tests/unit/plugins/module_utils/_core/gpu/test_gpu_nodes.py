# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole nodes as their driver shows them, each with the ``devN`` and raw lines of a container there, or the error.

A node is the texts of its files, the listing of its devices (``ls -l /dev/nvidia* /dev/nvidia-caps/*``), and what its
``nvidia-smi -L`` printed: the numbers of an assignment are those.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import hostneeds
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config.compare import Comparison
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Record, Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import devices as gpus
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile

PROC_VERSION = """NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder@U22)
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
PROC_DEVICES = """Character devices:
  1 mem
  5 /dev/tty
195 nvidia
195 nvidia-modeset
195 nvidiactl
236 nvidia-caps
508 nvidia-uvm

Block devices:
259 blkext
"""
LISTING = """crw-rw-rw- 1 root root 195, 254 Nov 24 08:00 /dev/nvidia-modeset
crw-rw-rw- 1 root root 508,   0 Nov 24 08:00 /dev/nvidia-uvm
crw-rw-rw- 1 root root 508,   1 Nov 24 08:00 /dev/nvidia-uvm-tools
crw-rw-rw- 1 root root 195, 255 Nov 24 08:00 /dev/nvidiactl
"""
CAPABILITY = "DeviceFileMinor: {minor}\nDeviceFileMode: 292\nDeviceFileModify: 1\n"
_LINE = re.compile(r"^c\S+ \d+ root root +(\d+), +(\d+) \w+ +\d+ [\d:]+ (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Node:
    """A node's files. ``cards`` are (PCI address, N of /dev/nvidiaN) in the order in which the driver found them."""

    cards: tuple[tuple[str, int], ...]
    smi: str
    version: str = PROC_VERSION
    proc_devices: str = PROC_DEVICES
    listing: str = LISTING
    capabilities: tuple[tuple[str, int], ...] = (("mig/config", 1), ("mig/monitor", 2))
    nodes: bool = True
    hidden: str = ""
    modules: tuple[tuple[str, str], ...] = (("nvidia", "570.124.06"), ("nvidia_uvm", "570.124.06"))

    def read(self) -> gpus.Gpus:
        """As _node/gpu/driver_files.py does it."""
        cards = "".join(
            f"crw-rw-rw- 1 root root 195, {n:3} Nov 24 08:00 /dev/nvidia{n}\n" for _address, n in self.cards
        )
        listing = self.listing + cards if self.nodes else ""
        devices = {path: (int(a), int(b)) for a, b, path in _LINE.findall(listing) if path != self.hidden}
        found = {address: information(address, number) for address, number in self.cards}
        files = {name: CAPABILITY.format(minor=minor) for name, minor in self.capabilities}
        return gpus.parse(self.version, found, self.proc_devices, devices, files, dict(self.modules))


def uuid(number: int) -> str:
    return f"GPU-{number:08x}-1c2d-4e5f-8a9b-0c1d2e3f4a5b"


def information(address: str, number: int) -> str:
    return f"""Model: \t\t NVIDIA H100 80GB HBM3
IRQ:   \t\t {100 + number}
GPU UUID: \t {uuid(number)}
Video BIOS: \t 96.00.89.00.01
Bus Type: \t PCIe
DMA Size: \t 52 bits
DMA Mask: \t 0xfffffffffffff
Bus Location: \t {address}
Device Minor: \t {number}
GPU Firmware: \t 570.124.06
GPU Excluded:\t No
"""


def smi(*numbers: int, mig: str = "") -> str:
    """What nvidia-smi -L prints for cards in this order; a MIG instance stands under the first."""
    lines = [f"GPU {at}: NVIDIA H100 80GB HBM3 (UUID: {uuid(number)})" for at, number in enumerate(numbers)]
    return "\n".join([*lines[:1], *([mig] if mig else []), *lines[1:], ""])


EIGHT = ("19", "3b", "4c", "5d", "9b", "bb", "cb", "db")
ONE = Node((("0000:01:00.0", 0),), smi(0))
TWO = Node((("0000:c1:00.0", 0), ("0000:41:00.0", 1)), smi(1, 0))  # the driver numbered them the other way round
FULL = Node(tuple((f"0000:{bus}:00.0", number) for number, bus in enumerate(EIGHT)), smi(*range(8)))
INSTANCE = "  MIG 3g.40gb     Device  0: (UUID: MIG-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)"
MIG = replace(
    ONE,
    smi=smi(0, mig=INSTANCE),
    capabilities=(*ONE.capabilities, ("gpu0/mig/gi2/access", 21), ("gpu0/mig/gi2/ci0/access", 22)),
    listing=LISTING
    + "".join(
        f"cr--r--r-- 1 root root 236, {n:3} Nov 24 08:00 /dev/nvidia-caps/nvidia-cap{n}\n" for n in (1, 2, 21, 22)
    ),
)
NO_DRIVER = Node(
    (), "", version="", proc_devices="Character devices:\n  1 mem\n", listing="", capabilities=(), modules=()
)
NO_CARDS = replace(ONE, cards=())
NO_NODES = replace(ONE, nodes=False)
MIXED = replace(ONE, modules=(("nvidia", "570.124.06"), ("nvidia_uvm", "550.90.07")))
NODES = {"1": ONE, "2": TWO, "8": FULL, "MIG": MIG}

TAIL = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
CARDS = [
    ("1", None, ("nvidia0",)),
    ("1", "0", ("nvidia0",)),
    ("2", None, ("nvidia1", "nvidia0")),
    ("2", "0", ("nvidia1",)),
    ("2", "1", ("nvidia0",)),
    ("2", "0000:c1:00.0", ("nvidia0",)),
    ("2", uuid(1), ("nvidia1",)),
    ("8", None, tuple(f"nvidia{number}" for number in range(8))),
    ("8", "7,0", ("nvidia7", "nvidia0")),
    ("8", f"3, 0000:9b:00.0, {uuid(6)}", ("nvidia3", "nvidia4", "nvidia6")),
    ("MIG", "0", ("nvidia0",)),
]
CAPS = {"MIG": ("nvidia-caps/nvidia-cap21", "nvidia-caps/nvidia-cap22")}


def container(node: Node, assignment: str | None, way: str = "dev") -> Wanted:
    feature = Feature("gpu", "d", needs={"devices": ["nvidia-gpu"]})
    config = {"gpu_passthrough": way} if way != "dev" else {}
    return hostneeds.complete(Wanted(950, "pve", config, (feature,), assignment=assignment), node.read())


@pytest.mark.parametrize(("name", "assignment", "cards"), CARDS)
def test_devices_of_a_node(name: str, assignment: str | None, cards: tuple[str, ...]) -> None:
    """In one write, with their modes, numbered from dev0."""
    want = container(NODES[name], assignment)
    expected = [f"/dev/{part},mode=0666" for part in (*cards, *TAIL)]
    expected += [f"/dev/{part},mode=0444" for part in CAPS.get(name, ())]
    changes = Comparison(want, ConfFile(), Record()).changes
    assert dict(changes.set) == {f"dev{number}": value for number, value in enumerate(expected)}
    assert Comparison(want, ConfFile(), Record()).lines == ([], [])


@pytest.mark.parametrize(("name", "assignment", "cards"), CARDS)
def test_raw_lines_of_a_node(name: str, assignment: str | None, cards: tuple[str, ...]) -> None:
    """The same devices, each with its number and its node."""
    want = container(NODES[name], assignment, "raw")
    add, remove = Comparison(want, ConfFile(), Record()).lines
    mounts = [value for key, value in add if key == "lxc.mount.entry"]
    parts = (*cards, *TAIL, *CAPS.get(name, ()))
    assert mounts == [f"/dev/{part} dev/{part} none bind,create=file 0 0" for part in parts]
    numbers = NODES[name].read().devices
    allowed = [value for key, value in add if key == "lxc.cgroup2.devices.allow"]
    assert allowed == ["c {}:{} rw".format(*numbers[f"/dev/{part}"]) for part in parts]
    assert (remove, dict(Comparison(want, ConfFile(), Record()).changes.set)) == ([], {})


@pytest.mark.parametrize("name", NODES)
def test_numbers_are_those_of_nvidia_smi(name: str) -> None:
    """GPU N of nvidia-smi -L is the Nth here, by its UUID."""
    printed = re.findall(r"^GPU \d+: .*\(UUID: (GPU-[0-9a-f-]+)\)$", NODES[name].smi, re.MULTILINE)
    assert [gpu.uuid for gpu in NODES[name].read().gpus] == printed


@pytest.mark.parametrize(
    ("node", "assignment", "words"),
    [
        (NO_DRIVER, None, "the node has no NVIDIA driver loaded: /proc/driver/nvidia/version is missing"),
        (NO_CARDS, "0", "the node's NVIDIA driver 570.124.06 has found no GPU"),
        (NO_NODES, "0", "the node's device /dev/nvidia0 is missing; run nvidia-modprobe -u -c 0 on the node"),
        (
            replace(FULL, hidden="/dev/nvidia6"),
            "2,6",
            "the node's device /dev/nvidia6 is missing; run nvidia-modprobe -u -c 6 on the node",
        ),
        (replace(ONE, listing=""), None, "the node's device /dev/nvidiactl is missing; run nvidia-modprobe -u -c 0"),
        (MIXED, None, "570.124.06 of the NVIDIA driver, but 550.90.07 of its module nvidia_uvm; reboot the node"),
        (replace(ONE, proc_devices=NO_DRIVER.proc_devices), None, "kernel module nvidia-uvm is not loaded"),
        (
            replace(MIG, listing=LISTING),
            "0",
            "device /dev/nvidia-caps/nvidia-cap21 is missing; run nvidia-smi on the node",
        ),
        (ONE, "1", "GPU 1 is assigned, but the node has GPU 0 only; assign what nvidia-smi -L lists there"),
        (FULL, "8", "GPU 8 is assigned, but the node has GPUs 0 to 7 only"),
        (TWO, "0000:99:00.0", f"the node has only 0000:41:00.0 {uuid(1)}, 0000:c1:00.0 {uuid(0)}"),
    ],
)
@pytest.mark.parametrize("way", ["dev", "raw"])
def test_the_error_of_a_node(node: Node, assignment: str | None, words: str, way: str) -> None:
    """Names what is missing, whichever way it would have gone."""
    want = container(node, assignment, way)
    assert words in str(want.device_error)
    assert want.devices is None
