# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of GPU vendors, a row each, with what reads their drivers' files and tools.

Nothing else in the plugins and playbooks names a vendor. To add one, add a row; a test does so with an invented one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Optional

from .vendor import Files, Gpu, Instances, Keys, Memory, MemoryTool, SharedNode, Vendor

_FIELD = re.compile(r"^([^:\n]+):[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_MODULE = re.compile(r"^(\S+) \d+ \d+ \S+ (\S+)", re.MULTILINE)
_UEVENT = re.compile(r"^([A-Z_]+)=(.*)$", re.MULTILINE)
_RENDER_NODE = re.compile(r"renderD(\d+)\Z")
_NVIDIA_VERSION = re.compile(r"^NVRM version:.*?[ \t](\d+(?:\.\d+)+)(?:[ \t]|$)", re.MULTILINE)
_NVIDIA_MIG = re.compile(r"gpu(\d+)/mig/(gi\d+(?:/ci\d+)?)/access\Z")
_NVIDIA_FORMAT = "--format=csv,noheader,nounits"


def _nvidia_version(text: str) -> str:
    """Return the version of the loaded kernel module, of either flavor; empty for none."""
    found = _NVIDIA_VERSION.search(text)
    return found.group(1) if found else ""


def _nvidia_card(address: str, text: str) -> Gpu | None:
    values = {name.strip(): value for name, value in _FIELD.findall(text)}
    minor = values.get("Device Minor", "")
    if not minor.isdigit() or values.get("GPU Excluded", "No") == "Yes":
        return None  # bound to the driver and kept from use: it has no device node
    uuid = values.get("GPU UUID", "")
    return Gpu(address.lower(), int(minor), "" if "?" in uuid else uuid, values.get("Model", ""))


def _nvidia_instance(path: str, text: str) -> tuple[str, int] | None:
    """Return a MIG instance, such as ``gpu0/gi1``, and the minor of its capability.

    Without one (nv_cap_enable_devfs=0) the file itself is the right.
    """
    found = _NVIDIA_MIG.match(path)
    minor = dict(_FIELD.findall(text)).get("DeviceFileMinor", "") if found else ""
    return (f"gpu{found.group(1)}/{found.group(2)}", int(minor)) if found and minor.isdigit() else None


def _nvidia_memory(text: str) -> dict[str, Memory]:
    """Return the memory by UUID; what is N/A is left out."""
    rows = (row for row in _rows(text) if row[1].isdigit() and row[2].isdigit())
    return {row[0]: Memory(int(row[1]), int(row[2])) for row in rows}


def _nvidia_processes(text: str) -> list[tuple[str, int, int]]:
    rows = (row for row in _rows(text) if row[1].isdigit() and row[2].isdigit())
    return [(row[0], int(row[1]), int(row[2])) for row in rows]


def _rows(text: str) -> list[list[str]]:
    rows = ([part.strip() for part in line.split(",")] for line in text.splitlines())
    return [row for row in rows if len(row) == 3]


def _nvidia_maker(path: str) -> str:
    """Return what makes a device node: one card at a time, and those of MIG where the vendor's tools meet them."""
    if path.startswith("/dev/nvidia-caps/"):
        return "nvidia-smi"
    number = path[len("/dev/nvidia") :]
    return f"nvidia-modprobe -u -c {number if number.isdigit() else 0}"


# PVE facts, 'NVIDIA and Docker in LXC': the major number of nvidia-uvm is dynamic, the nodes of nvidia-caps matter for
# MIG, and all nodes exist only after nvidia-modprobe or the first use of CUDA.
NVIDIA = Vendor(
    name="NVIDIA",
    device_class="nvidia-gpu",
    driver_fact="nvidia-driver",
    files=Files(
        version="proc/driver/nvidia/version",
        cards="proc/driver/nvidia/gpus/*/information",
        devices=("dev/nvidia*", "dev/nvidia-caps/*"),
        modules=("nvidia", "nvidia_uvm", "nvidia_modeset"),
    ),
    read_version=_nvidia_version,
    read_card=_nvidia_card,
    card_node="/dev/nvidia{minor}",
    own_paths="/dev/nvidia",
    # As the driver makes its nodes itself (NVreg_DeviceFileMode). PVE's own 0660 with the container's root as owner
    # would shut out each service that runs as a user of its own; a group's number is unknown before the container is.
    mode="0666",
    # The control node is always needed; so are the two of nvidia-uvm, for CUDA.
    shared=(
        SharedNode("/dev/nvidiactl"),
        SharedNode("/dev/nvidia-uvm", "nvidia-uvm", computes=True),
        SharedNode("/dev/nvidia-uvm-tools", "nvidia-uvm"),
        SharedNode("/dev/nvidia-modeset", optional=True),
    ),
    major=195,
    shared_minors=(254, 255),  # nvidia-modeset and nvidiactl
    # mig-minors, beside this folder, has a line for each instance that there could be; here are those that exist.
    instances=Instances(
        folder="proc/driver/nvidia/capabilities",
        files=("gpu*/mig/gi*/access", "gpu*/mig/gi*/ci*/access"),
        read=_nvidia_instance,
        card=lambda name: int(name.partition("/")[0][len("gpu") :]),
        node="/dev/nvidia-caps/nvidia-cap{minor}",
        driver="nvidia-caps",
        # The driver's DeviceFileMode is 292, which is 0444. Opening one is the right itself.
        mode="0444",
    ),
    memory=MemoryTool(
        memory=("nvidia-smi", "--query-gpu=uuid,memory.total,memory.used", _NVIDIA_FORMAT),
        parse_memory=_nvidia_memory,
        processes=("nvidia-smi", "--query-compute-apps=gpu_uuid,pid,used_memory", _NVIDIA_FORMAT),
        parse_processes=_nvidia_processes,
    ),
    uuid="GPU-[0-9A-Fa-f-]{8,36}",
    maker=_nvidia_maker,
    lister="nvidia-smi -L",
    log_word="NVRM",
    keys=Keys(
        section="nvidia",
        version="driver_version",
        runfile="runfile_url",
        guest_version="nvidia_driver_version",
        guest_runfile="nvidia_runfile_url",
        guest_repository="nvidia_repo_url",
    ),
)


def _loaded(*modules: str) -> Callable[[str], str]:
    """Return what reads from /proc/modules which of these kernel modules are loaded.

    They are part of the kernel and have no version of their own: their names stand for it.
    """

    def read(text: str) -> str:
        found = {name for name, live in _MODULE.findall(text) if live == "Live"}
        return ", ".join(name for name in modules if name in found)

    return read


def _render_node(*drivers: str) -> Callable[[str, str], Optional[Gpu]]:
    """Return what reads a GPU from the uevent of a node of /sys/class/drm. Its cards and connectors are no GPUs."""

    def read(name: str, text: str) -> Gpu | None:
        found = _RENDER_NODE.match(name)
        values = dict(_UEVENT.findall(text))
        if found is None or values.get("DRIVER") not in drivers or "PCI_SLOT_NAME" not in values:
            return None
        return Gpu(values["PCI_SLOT_NAME"].lower(), int(found.group(1)), model=values.get("PCI_ID", ""))

    return read


# The kernel's direct rendering manager: one major number and one row of names for the GPUs of all its drivers, so that
# only the node knows which driver has renderD129.
_DRM = 226
_DRM_CARDS = "sys/class/drm/*/device/uevent"
_MODULES = "proc/modules"
_RENDER = "/dev/dri/renderD{minor}"
_NO_UUID = "(?!)"
_BY_PATH = "ls -l /dev/dri/by-path"

AMD = Vendor(
    name="AMD",
    device_class="amd-gpu",
    driver_fact="amd-driver",
    files=Files(version=_MODULES, cards=_DRM_CARDS, devices=("dev/dri/renderD*", "dev/kfd")),
    read_version=_loaded("amdgpu"),
    read_card=_render_node("amdgpu"),
    card_node=_RENDER,
    own_paths="/dev/kfd",
    mode="0666",
    # ROCm computes through one node for all GPUs, which shows a process those whose render node it can open.
    shared=(SharedNode("/dev/kfd", "kfd", optional=True, computes=True),),
    uuid=_NO_UUID,
    maker=lambda _path: "modprobe amdgpu",
    lister=_BY_PATH,
    log_word="amdgpu",
    own_names=False,
    major=_DRM,
    missing="/proc/modules does not list amdgpu",
)

INTEL = Vendor(
    name="Intel",
    device_class="intel-gpu",
    driver_fact="intel-driver",
    files=Files(version=_MODULES, cards=_DRM_CARDS, devices=("dev/dri/renderD*",)),
    read_version=_loaded("i915", "xe"),
    read_card=_render_node("i915", "xe"),
    card_node=_RENDER,
    own_paths="/dev/dri/renderD",
    mode="0666",
    shared=(),
    uuid=_NO_UUID,
    maker=lambda _path: "modprobe i915 (xe for newer GPUs)",
    lister=_BY_PATH,
    log_word="-e i915 -e xe",
    own_names=False,
    major=_DRM,
    missing="/proc/modules lists neither i915 nor xe",
)

VENDORS: tuple[Vendor, ...] = (NVIDIA, AMD, INTEL)
ANY = "gpu"
"""The class of devices that stands for the GPUs of each vendor of which the node has any."""


def classes() -> frozenset[str]:
    """Return the classes of devices that manifests can name."""
    return frozenset({ANY, *(vendor.device_class for vendor in VENDORS)})


def facts() -> frozenset[str]:
    """Return the facts of nodes that manifests can name."""
    return frozenset(vendor.driver_fact for vendor in VENDORS)


def of_classes(names: frozenset[str] | set[str]) -> tuple[Vendor, ...]:
    """Return the vendors of these classes of devices."""
    return VENDORS if ANY in names else tuple(vendor for vendor in VENDORS if vendor.device_class in names)
