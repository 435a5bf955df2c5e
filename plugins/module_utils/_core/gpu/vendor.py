# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be known of a vendor's GPUs: the form of a row of the table in ``vendors``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Gpu:
    """One GPU. ``minor`` is the number in the path of its device node."""

    address: str
    minor: int
    uuid: str = ""
    model: str = ""


@dataclass(frozen=True)
class Memory:
    """Of one GPU, in MiB."""

    total: int
    used: int


@dataclass(frozen=True)
class Files:
    """The driver's files, as paths below the root folder; a ``*`` stands for one name.

    ``version``: the loaded driver. ``cards``: one file a GPU; the name that ``*`` stands for identifies it.
    ``devices``: its device nodes. ``modules``: kernel modules, whose versions must be the driver's.
    """

    version: str
    cards: str
    devices: tuple[str, ...]
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class SharedNode:
    """A device node that each container with a GPU of the vendor needs, whichever GPU it is.

    ``driver``: its name in /proc/devices, where it must be and have the node's major number; empty for a node that
    is not compared. ``optional``: passed on where the node has it. ``computes``: a program that opens it computes.
    """

    path: str
    driver: str = ""
    optional: bool = False
    computes: bool = False


@dataclass(frozen=True)
class Instances:
    """The parts that a GPU can be divided into, each with a device node of its own that gives the right to it.

    ``folder``: below the root; ``files``: the files of instances below it, of any depth. ``read`` turns such a file's
    path below the folder and its text into (name of the instance, number of its node), ``card`` a name into the minor
    of its GPU. ``node`` is the path of a device node with ``{minor}`` in it, ``driver`` its name in /proc/devices.
    """

    folder: str
    files: tuple[str, ...]
    read: Callable[[str, str], Optional[tuple[str, int]]]
    card: Callable[[str], int]
    node: str
    driver: str
    mode: str


@dataclass(frozen=True)
class MemoryTool:
    """The command of the node that knows the memory of its GPUs, and the processes on them.

    ``parse_memory`` returns the memory by UUID, ``parse_processes`` rows of (UUID, process, MiB).
    """

    memory: tuple[str, ...]
    parse_memory: Callable[[str], dict[str, Memory]]
    processes: tuple[str, ...]
    parse_processes: Callable[[str], list[tuple[str, int, int]]]


@dataclass(frozen=True)
class Keys:
    """The keys of the two files that speak of the vendor's driver. An empty name: there is no such key.

    ``section``, with ``version`` and ``runfile`` in it, is of hypervisor_config.json.
    ``guest_version``, ``guest_runfile`` and ``guest_repository`` are top-level keys of phoenix_lxc_configs.json.
    """

    section: str = ""
    version: str = ""
    runfile: str = ""
    guest_version: str = ""
    guest_runfile: str = ""
    guest_repository: str = ""


@dataclass(frozen=True)
class Vendor:
    """All that is known of a vendor's GPUs and their driver.

    ``device_class`` is the word in a manifest's ``container.devices`` for the container's GPUs, ``driver_fact`` the
    word in ``container.facts`` for the version of the loaded driver. ``card_node`` is the path of a GPU's device node
    with ``{minor}`` in it, ``own_paths`` what all of the driver's nodes start with. ``mode`` is the mode of nodes in
    the container. ``major`` is the fixed major number of GPUs, None for a dynamic one; ``shared_minors`` are
    its minors that are no GPUs. ``own_names``: no other vendor's GPUs have such device nodes. ``read_version`` and
    ``read_card`` parse the files; the latter gets the name that stands for ``*``, and returns None for a GPU that can't
    be used. ``uuid`` is the pattern of a UUID in gpu_assignment. ``maker`` names the command that makes a missing node,
    ``lister`` the one that lists GPUs, ``log_word`` the driver's mark in the kernel log, ``missing`` what shows that
    the driver isn't loaded; empty where its own file is missing then.
    """

    name: str
    device_class: str
    driver_fact: str
    files: Files
    read_version: Callable[[str], str]
    read_card: Callable[[str, str], Optional[Gpu]]
    card_node: str
    own_paths: str
    mode: str
    shared: tuple[SharedNode, ...]
    uuid: str
    maker: Callable[[str], str]
    lister: str
    log_word: str
    own_names: bool = True
    missing: str = ""
    major: Optional[int] = None
    shared_minors: tuple[int, ...] = ()
    instances: Optional[Instances] = None
    memory: Optional[MemoryTool] = None
    keys: Keys = Keys()

    def card_path(self, minor: int) -> str:
        """Return the path of a GPU's device node."""
        return self.card_node.format(minor=minor)

    def cards_in(self, text: str) -> list[int]:
        """Return the minors of all GPUs whose device nodes stand in a text."""
        return [int(found) for found in re.findall(_numbered(self.card_node) + r"\b", text)]

    def is_card(self, path: str) -> bool:
        """Return whether a path is the device node of a GPU."""
        return bool(re.match(_numbered(self.card_node) + r"\Z", path))

    def is_assigned(self, path: str) -> bool:
        """Return whether an assignment decides on a device node: that of a GPU or of an instance."""
        instance = self.instances is not None and re.match(_numbered(self.instances.node) + r"\Z", path)
        return self.is_card(path) or bool(instance)

    def computes(self, path: str) -> bool:
        """Return whether a program that has this node open computes. Who only asks opens the control node."""
        return self.is_card(path) or any(node.path == path and node.computes for node in self.shared)

    def permitted(self, value: str) -> Optional[str]:
        """Return the GPU's device node that a line lxc.cgroup2.devices.allow permits, as this collection writes it."""
        found = re.match(r"c (\d+):(\d+) rw\Z", value)
        if found is None or int(found.group(1)) != self.major or int(found.group(2)) in self.shared_minors:
            return None
        return self.card_path(int(found.group(2)))

    def driver_of(self, path: str) -> str:
        """Return the name in /proc/devices of a node's driver, empty where it is not compared."""
        if self.instances is not None and re.match(_numbered(self.instances.node) + r"\Z", path):
            return self.instances.driver
        return next((node.driver for node in self.shared if node.path == path), "")

    def required_drivers(self) -> list[str]:
        """Return the drivers of /proc/devices without which no container can use a GPU, each once."""
        return list(dict.fromkeys(node.driver for node in self.shared if node.driver and not node.optional))

    def versions(self, host: Mapping[str, object], guests: Mapping[str, object]) -> dict[tuple[str, ...], object]:
        """Return the values of the keys that hold a version: (section, key) of the host's file, (key,) of the other."""
        keys = self.keys
        section = host.get(keys.section)
        found: dict[tuple[str, ...], object] = {}
        for key in (keys.version, keys.runfile):
            if isinstance(section, Mapping) and key in section:
                found[keys.section, key] = section[key]
        for key in (keys.guest_version, keys.guest_runfile):
            if key in guests:
                found[(key,)] = guests[key]
        return found


def _numbered(path: str) -> str:
    """Return the pattern of a path with ``{minor}`` in it; the number is the group."""
    before, _placeholder, after = path.partition("{minor}")
    return re.escape(before) + r"(\d+)" + re.escape(after)
