# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the devices of a container: one source for each, each once, and nothing that their form can't hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import vendors
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import forms
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.gpu_checks import gpus
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container

CHECKS = check = Checks()

ACCESS = ("mode", "uid", "gid")


def entries(container: Container) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The entries of `devices`, with their places in the list. The file may be faulty, so no type is certain."""
    value = container.config.get("devices")
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, Mapping):
            yield index, item


@check
def path_or_class(subject: Subject) -> Iterator[Finding]:
    """Each entry names a device node or a vendor's GPUs."""
    for container in subject.fleet.containers.values():
        for index, item in entries(container):
            if ("path" in item) == ("class" in item):
                got = "both path and class" if "path" in item else "neither path nor class"
                remedy = 'Write {"path": "/dev/net/tun"} for a device, or {"class": WORD} for the GPUs of a vendor.'
                yield subject.at(container.place("devices", index), got, "one of path and class", remedy)


@check
def known_class(subject: Subject) -> Iterator[Finding]:
    """A class is the word of a vendor, and the container has GPUs assigned."""
    known = sorted(vendors.classes())
    for ctid, container in subject.fleet.containers.items():
        for index, item in entries(container):
            name = item.get("class")
            if not isinstance(name, str):
                continue
            path = container.place("devices", index, "class")
            if name not in known:
                yield subject.at(path, subject.show(path, name), " or ".join(known), "Write one of these words.")
            elif gpus(subject.fleet, ctid) == () and not container.absent:
                got = "GPUs beside gpu_assignment none"
                yield subject.at(
                    path, got, "GPUs that are assigned", "Assign GPUs, such as \"0\", or remove the entry."
                )


@check
def each_device_once(subject: Subject) -> Iterator[Finding]:
    """No device and no class stands twice in the list."""
    for container in subject.fleet.containers.values():
        seen: set[str] = set()
        for index, item in entries(container):
            for key in ("path", "class"):
                value = item.get(key)
                if not isinstance(value, str):
                    continue
                name = forms.path(value) if key == "path" else value
                if name in seen:
                    path = container.place("devices", index, key)
                    yield subject.at(path, subject.show(path, value), "each device once", "Remove one of the entries.")
                seen.add(name)


@check
def raw_lines_hold_it(subject: Subject) -> Iterator[Finding]:
    """Raw lines set neither mode nor owner: the device node in the container is that of the node."""
    for container in subject.fleet.containers.values():
        for index, item in entries(container):
            way = "device_passthrough" if "path" in item else "gpu_passthrough"
            if container.config.get(way) != "raw":
                continue
            for key in ACCESS:
                if key in item:
                    path = container.place("devices", index, key)
                    got, expected = subject.show(path, item[key]), f"no {key} beside {way} raw"
                    remedy = f'Remove it, or write "{way}": "dev", which needs Proxmox VE 8.2.'
                    yield subject.at(path, got, expected, remedy)
