# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of GPUs and of what uses them. A container that says nothing of GPUs has its source's, else all there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import driver_versions, vendors
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.vendor import Vendor
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container, Fleet

CHECKS = check = Checks()

_INDEX_OR_PCI = r"[1-9]?[0-9]|(?:[0-9A-Fa-f]{4,8}:)?[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}[.][0-7]"
_HAS_UUID = re.compile(r"[A-Za-z][A-Za-z0-9]*-")
_BELOW_RUNNING = ("defined", "created", "configured")


def gpus(fleet: Fleet, ctid: str) -> tuple[str, ...] | None:
    """The GPUs that a container sees, () for none; None where the file doesn't say, which means all of the node."""
    for container in (fleet.containers[ctid], *fleet.ancestors(ctid)):
        value = container.text("gpu_assignment")
        if value == "none":
            return ()
        if value is not None:
            return tuple(part.strip() for part in value.split(",")) if _is_assignment(value) else None
    return None


@check
def known_form_of_each_gpu(subject: Subject) -> Iterator[Finding]:
    """A GPU is assigned by its index, its PCI address, or a UUID as its vendor writes them."""
    for container in subject.fleet.containers.values():
        value = container.text("gpu_assignment")
        if value is None or value == "none" or _is_assignment(value) or not _HAS_UUID.search(value):
            continue  # the schema refuses what has no UUID at all
        path = container.place("gpu_assignment")
        remedy = "Write the UUID as the tool of the GPU's driver lists it, or the index of the GPU."
        yield subject.at(path, subject.show(path, value), "indices, PCI addresses or UUIDs of GPUs", remedy)


def _is_assignment(value: str) -> bool:
    words = "|".join([_INDEX_OR_PCI, *(vendor.uuid for vendor in vendors.VENDORS)])
    return re.match(rf"(?:{words})(?:, ?(?:{words}))*\Z", value) is not None


@check
def each_gpu_once(subject: Subject) -> Iterator[Finding]:
    """No GPU stands twice in an assignment."""
    for ctid, container in subject.fleet.containers.items():
        assigned = gpus(subject.fleet, ctid) or ()
        if "gpu_assignment" in container.config and len(set(assigned)) < len(assigned):
            path = container.place("gpu_assignment")
            text = ",".join(dict.fromkeys(assigned))
            remedy = "Remove the repeated index." if subject.lxc_file in subject.hidden else f'Write "{text}".'
            yield subject.at(path, subject.show(path, container.config["gpu_assignment"]), "each GPU once", remedy)


@check
def ranks_have_gpus(subject: Subject) -> Iterator[Finding]:
    """A server has no more ranks than its container has GPUs; one rank may run on the CPU."""
    for ctid, container in subject.fleet.containers.items():
        assigned = gpus(subject.fleet, ctid)
        if assigned is None:
            continue
        have = len(set(assigned))
        for key in (server.ranks for server in subject.servers if server.ranks):
            ranks = container.config.get(key)
            if not isinstance(ranks, int) or isinstance(ranks, bool) or ranks <= max(have, 1):
                continue
            path = container.place(key)
            yield subject.at(
                path,
                subject.show(path, ranks),
                f"at most the number of its GPUs ({have})",
                "Lower it, or assign more GPUs in gpu_assignment.",
            )


@check
def memory_of_shared_gpus(subject: Subject) -> Iterator[Finding]:
    """The containers that run at the same time on one GPU take no more than its whole memory.

    A container runs with the others when it is started at boot, or is taken to running or further; a template and
    a container that is to be removed never do.
    """
    shares: dict[str, float] = {}
    keys: dict[str, str] = {}
    for ctid, container in subject.fleet.containers.items():
        for server in subject.servers if _runs(container) else ():
            share = server.share(container.config)
            if share is not None and 0 < share <= 1:
                shares[ctid] = shares.get(ctid, 0.0) + share
                keys[ctid] = server.memory_share
    full: dict[tuple[str, ...], list[str]] = {}
    for (_node, gpu), users in _users(subject.fleet, shares).items():
        if round(sum(shares[ctid] for ctid in users), 6) > 1:
            full.setdefault(tuple(users), []).append(gpu)
    for members, indices in full.items():
        last = subject.fleet.containers[members[-1]]
        path, value = last.place(keys[last.ctid]), last.config[keys[last.ctid]]
        hidden = subject.lxc_file in subject.hidden
        total = "more than 1" if hidden else f"{round(sum(shares[ctid] for ctid in members), 6):g}"
        others = f" together with {', '.join(members[:-1])}" if members[:-1] else ""
        which = "GPU " + ", ".join(indices) if indices != [""] else "all GPUs"
        yield subject.at(
            path,
            f"{subject.show(path, value)}, which makes {total} of {which}{others}",
            "at most 1.0 of a GPU for all containers that run at the same time",
            "Lower it, assign other GPUs, or keep one of them from running with target_state configured.",
        )


@check
def one_driver_version(subject: Subject) -> Iterator[Finding]:
    """The driver of the containers is the host's to the patch version: the kernel module accepts no other."""
    for vendor in vendors.VENDORS:
        found = vendor.versions(subject.hypervisor, subject.fleet.top).items()
        versions = {path: _runfile_version(value) if _is_runfile(vendor, path) else value for path, value in found}
        known = {path: version for path, version in versions.items() if isinstance(version, str)}
        if len(set(known.values())) < 2:
            continue
        own = next((path for path in known if len(path) == 1), ())
        others = ", ".join(
            f"{told} in {_of_file(subject, path)}"
            for path, told in known.items()
            if path != own and told != known.get(own)
        )
        expected = "the same version everywhere" + ("" if subject.hidden else f" ({others})")
        if own:
            yield subject.at(own, subject.show(own, known[own]), expected, _SAME)
        else:
            got = "two versions of the driver"
            place = (vendor.keys.section, vendor.keys.version)
            yield Finding(subject.hypervisor_file, place, got, expected, _SAME)


def _is_runfile(vendor: Vendor, path: tuple[str, ...]) -> bool:
    return path[-1] in (vendor.keys.runfile, vendor.keys.guest_runfile)


def _of_file(subject: Subject, path: tuple[str, ...]) -> str:
    return path[0] if len(path) == 1 else f"{path[-1]} of {subject.hypervisor_file}"


_SAME = "Write the same version in both files: the container's driver must be the host's, to the patch version."


def _runs(container: Container) -> bool:
    if container.absent or container.config.get("is_template") is True:
        return False
    return container.config.get("start_at_boot") is True or container.config.get("target_state") not in _BELOW_RUNNING


def _users(fleet: Fleet, shares: dict[str, float]) -> dict[tuple[str, str], list[str]]:
    """(node, GPU) -> the containers on it. One that has all GPUs is on each that some other names."""
    assigned = {ctid: gpus(fleet, ctid) for ctid in shares}
    named: dict[str, set[str]] = {}
    for ctid, indices in assigned.items():
        named.setdefault(_node(fleet, ctid), set()).update(indices or ())
    users: dict[tuple[str, str], list[str]] = {}
    for ctid, indices in assigned.items():
        node = _node(fleet, ctid)
        everything = sorted(named[node], key=lambda gpu: (len(gpu), gpu)) or [""]
        for gpu in dict.fromkeys(everything if indices is None else indices):
            users.setdefault((node, gpu), []).append(ctid)
    return users


def _node(fleet: Fleet, ctid: str) -> str:
    return fleet.containers[ctid].text("node") or ""


def _runfile_version(url: Any) -> str | None:
    return (driver_versions.runfile_version(url) if isinstance(url, str) else "") or None
