# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of GPUs and of what uses them. A container that says nothing of GPUs has its source's, else all there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import driver_versions
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container, Fleet

CHECKS = check = Checks()

_GPU = r"(?:[1-9]?[0-9]|(?:[0-9A-Fa-f]{4,8}:)?[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}[.][0-7]|GPU-[0-9A-Fa-f-]{8,36})"
_ASSIGNMENT = re.compile(rf"{_GPU}(?:, ?{_GPU})*\Z")
_BELOW_RUNNING = ("defined", "created", "configured")


def gpus(fleet: Fleet, ctid: str) -> tuple[str, ...] | None:
    """The GPUs that a container sees, () for none; None where the file doesn't say, which means all of the node."""
    for container in (fleet.containers[ctid], *fleet.ancestors(ctid)):
        value = container.text("gpu_assignment")
        if value == "none":
            return ()
        if value is not None:
            return tuple(part.strip() for part in value.split(",")) if _ASSIGNMENT.match(value) else None
    return None


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
    """vLLM has no more tensor-parallel ranks than the container has GPUs; one rank may run on the CPU."""
    for ctid, container in subject.fleet.containers.items():
        ranks, assigned = container.config.get("vllm_tensor_parallel_size"), gpus(subject.fleet, ctid)
        if assigned is None or not isinstance(ranks, int) or isinstance(ranks, bool):
            continue
        have = len(set(assigned))
        if ranks > max(have, 1):
            path = container.place("vllm_tensor_parallel_size")
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
    for ctid, container in subject.fleet.containers.items():
        share = container.config.get("vllm_gpu_memory_utilization")
        if not isinstance(share, (int, float)) or isinstance(share, bool) or not _runs(container):
            continue
        if 0 < share <= 1:
            shares[ctid] = float(share)
    full: dict[tuple[str, ...], list[str]] = {}
    for (_node, gpu), users in _users(subject.fleet, shares).items():
        if round(sum(shares[ctid] for ctid in users), 6) > 1:
            full.setdefault(tuple(users), []).append(gpu)
    for members, indices in full.items():
        last = subject.fleet.containers[members[-1]]
        path = last.place("vllm_gpu_memory_utilization")
        hidden = subject.lxc_file in subject.hidden
        total = "more than 1" if hidden else f"{round(sum(shares[ctid] for ctid in members), 6):g}"
        others = ", ".join(members[:-1])
        which = "GPU " + ", ".join(indices) if indices != [""] else "all GPUs"
        yield subject.at(
            path,
            f"{subject.show(path, shares[members[-1]])}, which makes {total} of {which} together with {others}",
            "at most 1.0 of a GPU for all containers that run at the same time",
            "Lower it, assign other GPUs, or keep one of them from running with target_state configured.",
        )


@check
def one_driver_version(subject: Subject) -> Iterator[Finding]:
    """The driver of the containers is the host's to the patch version: the kernel module accepts no other."""
    nvidia = subject.hypervisor.get("nvidia")
    host = nvidia if isinstance(nvidia, dict) else {}
    versions = {
        f"driver_version of {subject.hypervisor_file}": host.get("driver_version"),
        f"runfile_url of {subject.hypervisor_file}": _runfile_version(host.get("runfile_url")),
        "nvidia_driver_version": subject.fleet.top.get("nvidia_driver_version"),
        "nvidia_runfile_url": _runfile_version(subject.fleet.top.get("nvidia_runfile_url")),
    }
    known = {what: version for what, version in versions.items() if isinstance(version, str)}
    if len(set(known.values())) < 2:
        return
    key = next((key for key in ("nvidia_driver_version", "nvidia_runfile_url") if key in known), "")
    others = ", ".join(f"{told} in {what}" for what, told in known.items() if what != key and told != known.get(key))
    expected = "the same version everywhere" + ("" if subject.hidden else f" ({others})")
    if key:
        yield subject.at((key,), subject.show((key,), known[key]), expected, _SAME)
    else:
        got = "two versions of the driver"
        yield Finding(subject.hypervisor_file, ("nvidia", "driver_version"), got, expected, _SAME)


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
