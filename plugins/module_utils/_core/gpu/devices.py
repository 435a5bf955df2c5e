# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's NVIDIA GPUs, from what its driver tells under /proc, and what a container needs of them.

PVE facts, 'NVIDIA and Docker in LXC': the major number of nvidia-uvm is dynamic, the nodes of nvidia-caps matter for
MIG, and all nodes exist only after ``nvidia-modprobe -u -c 0`` or the first use of CUDA.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

CLASS = "nvidia-gpu"
"""The word in a manifest's ``container.devices`` for the container's GPUs."""
MODE = "0666"
"""As the driver makes its nodes itself (NVreg_DeviceFileMode). PVE's own 0660 with the container's root as owner would
shut out every service that runs as a user of its own; a group's number is not known before the container exists."""
CAPS_MODE = "0444"
"""Of a MIG capability: the driver's DeviceFileMode is 292, which is 0444. Opening one is the right itself."""
NODE_TOOL = "nvidia-modprobe -u -c 0"
_INSTALL = "install it on the node, or take the features that need GPUs off the container's list"
_CHOOSE = "assign what nvidia-smi -L lists there"

# /dev/nvidiactl, the control node, is minor 255 of 195 and always needed; so are the two of nvidia-uvm, for CUDA.
CONTROL = "/dev/nvidiactl"
UVM = ("/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
MODESET = "/dev/nvidia-modeset"
_FIELD = re.compile(r"^([^:\n]+):[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_VERSION = re.compile(r"^NVRM version:.*?[ \t](\d+(?:\.\d+)+)(?:[ \t]|$)", re.MULTILINE)
_MAJOR = re.compile(r"^\s*(\d+)\s+(\S+)\s*$", re.MULTILINE)
_MIG = re.compile(r"gpu(\d+)/mig/(gi\d+(?:/ci\d+)?)/access\Z")
_PCI = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])\Z", re.IGNORECASE)
_INDEX = re.compile(r"(?:0|[1-9][0-9]?)\Z")


class GpuError(Exception):
    """The node doesn't have what the container asks for; the text names it."""


@dataclass(frozen=True)
class Gpu:
    """One GPU. ``minor`` is the N of /dev/nvidiaN."""

    address: str
    minor: int
    uuid: str = ""
    model: str = ""


@dataclass(frozen=True)
class Device:
    """One device node of the node. ``number`` is (major, minor), None where nobody has looked."""

    path: str
    mode: str = MODE
    number: tuple[int, int] | None = None


@dataclass(frozen=True)
class Gpus:
    """What a node tells of its GPUs. ``gpus`` in the order of their PCI addresses, which is the order of nvidia-smi.

    ``majors``: driver -> major, of /proc/devices. ``devices``: the nodes under /dev that exist, path -> (major, minor).
    ``instances``: MIG instance -> minor of its capability, as ``gpu0/gi1`` -> 12. ``modules``: loaded module -> its
    version.
    """

    version: str = ""
    gpus: tuple[Gpu, ...] = ()
    majors: Mapping[str, int] = field(default_factory=dict)
    devices: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)


def parse(
    version: str,
    information: Mapping[str, str],
    proc_devices: str,
    devices: Mapping[str, tuple[int, int]],
    capabilities: Mapping[str, str] | None = None,
    modules: Mapping[str, str] | None = None,
) -> Gpus:
    """From the texts of the driver's files.

    version: /proc/driver/nvidia/version, empty without a driver. information: folder under /proc/driver/nvidia/gpus,
    which is the GPU's PCI address, to its ``information``. proc_devices: /proc/devices. devices: path to (major,
    minor) of the nodes under /dev. capabilities: file under /proc/driver/nvidia/capabilities to its text, where a MIG
    instance has files while it exists (mig-minors, beside it, has a line for each that there could be). modules:
    /sys/module/*/version.
    """
    found = [gpu for gpu in (_gpu(address, text) for address, text in information.items()) if gpu is not None]
    return Gpus(
        version=driver_version(version),
        gpus=tuple(sorted(found, key=lambda gpu: _pci(gpu.address))),
        majors=_majors(proc_devices),
        devices=dict(devices),
        instances=_instances(capabilities or {}),
        modules=dict(modules or {}),
    )


def driver_version(text: str) -> str:
    """The version of the loaded kernel module, of either flavour; empty for none."""
    found = _VERSION.search(text)
    return found.group(1) if found else ""


def chosen(node: Gpus, assignment: str | None) -> list[Gpu]:
    """The GPUs of an assignment: ``none``; comma-separated indices, PCI addresses or UUIDs; None for all of them.

    Raises GpuError, which names what is missing.
    """
    if assignment is not None and assignment.strip() == "none":
        return []
    if not node.version:
        raise GpuError(f"the node has no NVIDIA driver loaded: /proc/driver/nvidia/version is missing; {_INSTALL}")
    if not node.gpus:
        raise GpuError(
            f"the node's NVIDIA driver {node.version} has found no GPU: /proc/driver/nvidia/gpus is empty; see what "
            "the node's kernel log says of it (dmesg | grep NVRM)"
        )
    if assignment is None:
        return list(node.gpus)
    result: list[Gpu] = []
    for word in (part.strip() for part in assignment.split(",")):
        gpu = _find(node, word)
        if gpu not in result:
            result.append(gpu)
    return result


def devices(node: Gpus, assignment: str | None) -> list[Device]:
    """The device nodes that a container with this assignment needs, in the order in which they become ``devN``.

    Raises GpuError, which names the GPU, the driver or the node that is missing.
    """
    gpus = chosen(node, assignment)
    if not gpus:
        return []
    _check_modules(node)
    paths = [f"/dev/nvidia{gpu.minor}" for gpu in gpus] + [CONTROL, *UVM]
    if MODESET in node.devices:
        paths.append(MODESET)
    result = [_device(node, path, MODE) for path in paths]
    minors = {gpu.minor for gpu in gpus}
    for name, minor in sorted(node.instances.items(), key=lambda item: item[1]):
        if int(name.partition("/")[0][3:]) in minors:
            result.append(_device(node, f"/dev/nvidia-caps/nvidia-cap{minor}", CAPS_MODE))
    return result


def passthrough(device: Device) -> dict[str, str]:
    """The parts of the ``devN`` value that passes a device node on (PVE 8.2 and later). Without a mode PVE's own."""
    return {"path": device.path, "mode": device.mode} if device.mode else {"path": device.path}


def raw_lines(device: Device) -> list[tuple[str, str]]:
    """The raw lines that pass a device node on without ``devN``: the cgroup's permission, and the node itself.

    Not ``optional``: as with devN, a container whose device is missing doesn't start. The mode is the node's own.
    """
    if device.number is None:
        return []
    major, minor = device.number
    return [
        ("lxc.cgroup2.devices.allow", f"c {major}:{minor} rw"),
        ("lxc.mount.entry", f"{device.path} {device.path[1:]} none bind,create=file 0 0"),
    ]


def _gpu(address: str, text: str) -> Gpu | None:
    values = {name.strip(): value for name, value in _FIELD.findall(text)}
    minor = values.get("Device Minor", "")
    if not minor.isdigit() or values.get("GPU Excluded", "No") == "Yes":
        return None  # bound to the driver and kept from use: it has no device node
    uuid = values.get("GPU UUID", "")
    return Gpu(address.lower(), int(minor), "" if "?" in uuid else uuid, values.get("Model", ""))


def _instances(capabilities: Mapping[str, str]) -> dict[str, int]:
    """MIG instance -> minor of its node. Without one (nv_cap_enable_devfs=0) the file itself is the right."""
    result = {}
    for name, text in capabilities.items():
        found = _MIG.match(name)
        minor = dict(_FIELD.findall(text)).get("DeviceFileMinor", "") if found else ""
        if found and minor.isdigit():
            result[f"gpu{found.group(1)}/{found.group(2)}"] = int(minor)
    return result


def _majors(text: str) -> dict[str, int]:
    characters = text.partition("Block devices:")[0]
    return {name: int(major) for major, name in _MAJOR.findall(characters)}


def _pci(address: str) -> tuple[int, ...]:
    found = _PCI.match(address)
    return tuple(int(part or "0", 16) for part in found.groups()) if found else (1 << 32,)


def _find(node: Gpus, word: str) -> Gpu:
    if _INDEX.match(word):
        if int(word) < len(node.gpus):
            return node.gpus[int(word)]
        have = "GPU 0" if len(node.gpus) == 1 else f"GPUs 0 to {len(node.gpus) - 1}"
        raise GpuError(f"GPU {word} is assigned, but the node has {have} only; {_CHOOSE}")
    for gpu in node.gpus:
        if gpu.uuid.lower() == word.lower() or (_PCI.match(word) and _pci(gpu.address) == _pci(word)):
            return gpu
    known = ", ".join(f"{gpu.address} {gpu.uuid}".strip() for gpu in node.gpus)
    raise GpuError(f"GPU {word} is assigned, but the node has only {known}; {_CHOOSE}")


def _check_modules(node: Gpus) -> None:
    for name, version in sorted(node.modules.items()):
        if version and version != node.version:
            raise GpuError(
                f"the node has loaded version {node.version} of the NVIDIA driver, but {version} of its module {name}; "
                "reboot the node, or load the modules of one version"
            )
    if "nvidia-uvm" not in node.majors:
        raise GpuError(f"the node's kernel module nvidia-uvm is not loaded; run {NODE_TOOL} on the node")


def _device(node: Gpus, path: str, mode: str) -> Device:
    there = node.devices.get(path)
    if there is None:
        raise GpuError(f"the node's device {path} is missing; run {_tool(path)} on the node")
    major, _minor = there
    driver = "nvidia-uvm" if path in UVM else "nvidia-caps" if path.startswith("/dev/nvidia-caps/") else ""
    current = node.majors.get(driver, major)
    if major != current:
        raise GpuError(
            f"the node's device {path} has the major number {major}, but the driver {driver} has {current}; "
            f"remove it and run {_tool(path)} on the node"
        )
    return Device(path, mode, there)


def _tool(path: str) -> str:
    """What makes a device node: one card at a time, and those of MIG where NVIDIA's own tools come upon them."""
    if path.startswith("/dev/nvidia-caps/"):
        return "nvidia-smi"
    number = path.removeprefix("/dev/nvidia")
    return f"nvidia-modprobe -u -c {number}" if number.isdigit() else NODE_TOOL
