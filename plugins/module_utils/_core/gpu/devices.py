# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's GPUs, from what their driver tells under /proc, and what a container needs of them.

What differs between vendors is in the table ``vendors``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import KnownError
from ..pve.passthrough import Device
from . import vendors
from .vendor import Gpu, Vendor

__all__ = ["Device", "Gpu", "GpuError", "Gpus", "chosen", "devices", "devices_of_vendors", "parse"]

_MAJOR = re.compile(r"^\s*(\d+)\s+(\S+)\s*$", re.MULTILINE)
_PCI = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])\Z", re.IGNORECASE)
_INDEX = re.compile(r"(?:0|[1-9][0-9]?)\Z")


class GpuError(KnownError):
    """The node doesn't have what the container asks for: ``got`` names it, ``remedy`` says what to do."""

    def __init__(self, got: str, remedy: str) -> None:
        super().__init__(got, remedy=remedy)
        self.got = got


@dataclass(frozen=True)
class Gpus:
    """What a node tells of its GPUs of one vendor.

    ``gpus`` are in the order of their PCI addresses, as the vendor's tool lists them.

    ``majors``: driver -> major, of /proc/devices. ``devices``: the nodes under /dev that exist, path -> (major, minor).
    ``instances``: part of a GPU -> minor of its node, as ``gpu0/gi1`` -> 12. ``modules``: loaded module -> its version.
    """

    version: str = ""
    gpus: tuple[Gpu, ...] = ()
    majors: Mapping[str, int] = field(default_factory=dict)
    devices: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    vendor: Vendor = vendors.VENDORS[0]


def _install(*looked_for: Vendor) -> str:
    """Say how the driver of one of these vendors gets onto the node: by its role, where one installs it."""
    roles = [
        f"set {vendor.keys.section} in hypervisor_config.json and run hypervisor.yml "
        f"(--tags hypervisor_{vendor.keys.section}), which installs the {vendor.name} driver"
        for vendor in looked_for
        if vendor.keys.section
    ]
    ways = [*roles, "install it on the node yourself", "remove the features that need GPUs from the container's list"]
    return f"{', '.join(ways[:-1])}, or {ways[-1]}"


def parse(
    version: str,
    information: Mapping[str, str],
    proc_devices: str,
    devices: Mapping[str, tuple[int, int]],
    instances: Mapping[str, str] | None = None,
    modules: Mapping[str, str] | None = None,
    vendor: Vendor = vendors.VENDORS[0],
) -> Gpus:
    """From the texts of the driver's files, whose places the vendor's row names.

    information: name of a GPU, such as its PCI address, to the text of its file. proc_devices: /proc/devices.
    devices: path to (major, minor) of the nodes under /dev. instances: file of a GPU's part to its text.
    modules: /sys/module/*/version.
    """
    found = [gpu for gpu in (vendor.read_card(name, text) for name, text in information.items()) if gpu is not None]
    parts = (vendor.instances.read(*item) for item in (instances or {}).items()) if vendor.instances else ()
    return Gpus(
        version=vendor.read_version(version),
        gpus=tuple(sorted(found, key=lambda gpu: _pci(gpu.address))),
        majors=_majors(proc_devices),
        devices=dict(devices),
        instances=dict(part for part in parts if part is not None),
        modules=dict(modules or {}),
        vendor=vendor,
    )


def chosen(node: Gpus, assignment: str | None) -> list[Gpu]:
    """The GPUs of an assignment: ``none``; comma-separated indices, PCI addresses or UUIDs; None for all of them.

    Raises GpuError, which names what is missing.
    """
    if assignment is not None and assignment.strip() == "none":
        return []
    vendor = node.vendor
    if not node.version:
        why = vendor.missing or f"/{vendor.files.version} is missing"
        raise GpuError(f"the node has no {vendor.name} driver loaded: {why}", _install(vendor))
    if not node.gpus:
        folder = vendor.files.cards.partition("/*")[0]
        raise GpuError(
            f"the node's {vendor.name} driver {node.version} has found no GPU: /{folder} lists none",
            f"see what the node's kernel log says of it (dmesg | grep {vendor.log_word})",
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
    vendor = node.vendor
    paths = [vendor.card_path(gpu.minor) for gpu in gpus]
    paths += [shared.path for shared in vendor.shared if not shared.optional or shared.path in node.devices]
    result = [_device(node, path, vendor.mode) for path in paths]
    minors = {gpu.minor for gpu in gpus}
    for name, minor in sorted(node.instances.items(), key=lambda item: item[1]):
        if vendor.instances is not None and vendor.instances.card(name) in minors:
            result.append(_device(node, vendor.instances.node.format(minor=minor), vendor.instances.mode))
    return result


def devices_of_vendors(nodes: Sequence[Gpus], assignment: str | None, classes: Collection[str]) -> list[Device]:
    """The device nodes of an assignment on the GPUs of several vendors.

    A vendor whose own class is among ``classes`` must have all that is assigned. The class of any vendor stands for
    the others: an index counts the GPUs of the first of them that has any, an address or a UUID names one of any.
    Raises GpuError.
    """
    named = [node for node in nodes if node.vendor.device_class in classes]
    found = [device for node in named for device in devices(node, assignment)]
    if vendors.ANY not in classes or (named and assignment is not None) or (assignment or "").strip() == "none":
        return found
    others = [node for node in nodes if node not in named and node.version]
    having = [node for node in others if node.gpus]
    for node, share in _shared_out(having, assignment):
        found += devices(node, share)
    if not found and others:
        devices(others[0], assignment)  # says what its driver lacks
    elif not found:
        names = ", ".join(node.vendor.name for node in nodes)
        remedy = _install(*(node.vendor for node in nodes))
        raise GpuError(f"the node has no driver of a GPU loaded, looked for: {names}", remedy)
    return found


def _shared_out(nodes: Sequence[Gpus], assignment: str | None) -> list[tuple[Gpus, str | None]]:
    """Which part of an assignment is whose. What nobody has is the first one's, which reports it."""
    if assignment is None:
        return [(node, None) for node in nodes]
    shares: dict[int, list[str]] = {}
    for word in (part.strip() for part in assignment.split(",")) if nodes else ():
        owners = (place for place, node in enumerate(nodes) if any(_is_called(gpu, word) for gpu in node.gpus))
        shares.setdefault(next(owners, 0), []).append(word)
    return [(nodes[place], ",".join(words)) for place, words in shares.items()]


def _majors(text: str) -> dict[str, int]:
    characters = text.partition("Block devices:")[0]
    return {name: int(major) for major, name in _MAJOR.findall(characters)}


def _pci(address: str) -> tuple[int, ...]:
    found = _PCI.match(address)
    return tuple(int(part or "0", 16) for part in found.groups()) if found else (1 << 32,)


def _find(node: Gpus, word: str) -> Gpu:
    choose = f"assign what {node.vendor.lister} lists there"
    if _INDEX.match(word):
        if int(word) < len(node.gpus):
            return node.gpus[int(word)]
        have = "GPU 0" if len(node.gpus) == 1 else f"GPUs 0 to {len(node.gpus) - 1}"
        raise GpuError(f"GPU {word} is assigned, but the node has {have} only", choose)
    for gpu in node.gpus:
        if _is_called(gpu, word):
            return gpu
    known = ", ".join(f"{gpu.address} {gpu.uuid}".strip() for gpu in node.gpus)
    raise GpuError(f"GPU {word} is assigned, but the node has only {known}", choose)


def _is_called(gpu: Gpu, word: str) -> bool:
    """Whether a word is a GPU's UUID or PCI address."""
    return gpu.uuid.lower() == word.lower() or bool(_PCI.match(word) and _pci(gpu.address) == _pci(word))


def _check_modules(node: Gpus) -> None:
    vendor = node.vendor
    for name, version in sorted(node.modules.items()):
        if version and version != node.version:
            raise GpuError(
                f"the node has loaded version {node.version} of the {vendor.name} driver, but {version} of its module "
                f"{name}",
                "reboot the node, or load the modules of one version",
            )
    for driver in vendor.required_drivers():
        if driver not in node.majors:
            tool = next(vendor.maker(shared.path) for shared in vendor.shared if shared.driver == driver)
            raise GpuError(f"the node's kernel module {driver} is not loaded", f"run {tool} on the node")


def _device(node: Gpus, path: str, mode: str) -> Device:
    there, tool = node.devices.get(path), node.vendor.maker(path)
    if there is None:
        raise GpuError(f"the node's device {path} is missing", f"run {tool} on the node")
    major, _minor = there
    driver = node.vendor.driver_of(path)
    current = node.majors.get(driver, major)
    if major != current:
        raise GpuError(
            f"the node's device {path} has the major number {major}, but the driver {driver} has {current}",
            f"remove it and run {tool} on the node",
        )
    return Device(path, mode, there, gpus=node.vendor.device_class)
