# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of clones against what they are cloned from. A source that the file has not is left to the live check."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container, Fleet

CHECKS = check = Checks()

# What PVE sets when it creates a container, and at no other time.
_AT_THE_CREATION = ("ssh_public_keys", "root_password")


@check
def access_of_a_clone(subject: Subject) -> Iterator[Finding]:
    """A clone has the keys and the password of its source, a restored container those of its backup."""
    for container in subject.fleet.containers.values():
        cloned, restored = container.source is not None, "restore_from" in container.config
        for key in _AT_THE_CREATION if cloned or restored else ():
            if container.config.get(key) and (key,) not in container.inherited:
                path, expected = container.place(key), "a container that is created from a template"
                got = f"{key} at a clone" if cloned else f"{key} beside restore_from"
                remedy = "Write it at the source: a clone has what its source has."
                remedy = remedy if cloned else "Remove it: a restored container has what its backup has."
                yield subject.at(path, got, expected, remedy)


_NEEDS_NO_SOURCE = ("defined", "absent")


@check
def acyclic_clones(subject: Subject) -> Iterator[Finding]:
    """No container is cloned, over any number of steps, from itself."""
    for cycle in subject.fleet.clone_cycles():
        container = subject.fleet.containers[cycle[0]]
        yield subject.at(
            container.place("clone_from_ctid"),
            "a cycle: " + " is cloned from ".join(cycle + cycle[:1]),
            "a chain that ends in a template",
            "Create one of them from a template.",
        )


@check
def source_is_completed(subject: Subject) -> Iterator[Finding]:
    """A clone source is taken to completed."""
    for container, source in _clones(subject.fleet):
        target = source.config.get("target_state", "completed")
        if target == "completed" or container.config.get("target_state") in _NEEDS_NO_SOURCE:
            continue
        path = container.place("clone_from_ctid")
        shown = subject.show(source.place("target_state"), target)
        yield subject.at(
            path,
            f"{subject.show(path, source.ctid)}, whose target_state is {shown}",
            "a source that is taken to completed",
            f"Remove target_state of {source.ctid}, or clone from another container.",
        )


@check
def same_node(subject: Subject) -> Iterator[Finding]:
    """A clone is on the node of its source: only shared storage could do otherwise."""
    for container, source in _clones(subject.fleet):
        mine, its = container.text("node"), source.text("node")
        if mine is not None and its is not None and mine != its:
            path = container.place("node")
            yield subject.at(
                path,
                subject.show(path, mine),
                f"the node of its clone source {source.ctid} ({subject.show(path, its)})",
                "Put both on one node, or clone from a container of this node.",
            )


@check
def same_privileges(subject: Subject) -> Iterator[Finding]:
    """A clone is as privileged as its source: PVE fixes that at creation."""
    for container, _source in _clones(subject.fleet):
        mine = container.config.get("unprivileged")
        teller = _first_with(subject.fleet, container, "unprivileged")
        if teller is None or not isinstance(mine, bool) or mine is teller.config["unprivileged"]:
            continue
        path = container.place("unprivileged")
        yield subject.at(
            path,
            subject.show(path, mine),
            f"the same as {teller.ctid}, which it is cloned from: PVE can't change it afterwards",
            "Make the two equal, or create the container from a template.",
        )


@check
def disk_not_below_source(subject: Subject) -> Iterator[Finding]:
    """A clone's root disk is not smaller than its source's: PVE can't shrink a disk."""
    for container, _source in _clones(subject.fleet):
        teller = _first_with(subject.fleet, container, "storage_size_gb")
        mine, its = _size(container), _size(teller) if teller is not None else None
        if teller is None or mine is None or its is None or mine >= its:
            continue
        path = container.place("storage_size_gb")
        yield subject.at(
            path,
            subject.show(path, mine),
            f"at least the {subject.show(path, its)} GiB of {teller.ctid}, which it is cloned from",
            f"Write at least {subject.show(path, its)}, or remove the key.",
        )


def _clones(fleet: Fleet) -> Iterator[tuple[Container, Container]]:
    """The containers that are to be there with their sources, as far as the file has these."""
    for container in fleet.containers.values():
        source = fleet.containers.get(container.source or "")
        if source is not None and source is not container and not container.absent:
            yield container, source


def _first_with(fleet: Fleet, container: Container, key: str) -> Container | None:
    """The nearest of a clone's sources that has the key."""
    return next((one for one in fleet.ancestors(container.ctid) if one.config.get(key) is not None), None)


def _size(container: Container) -> float | None:
    value = container.config.get("storage_size_gb")
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
