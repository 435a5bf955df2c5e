# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the mounts of shared volumes against the containers that they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.storage_checks import (
    first_clones,
    needs_copy,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, show
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import model_keys, sharedmounts
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.sharedmounts import Mount, plain

CHECKS = check = Checks()


@check
def shared_volumes_can_be_mounted(subject: Subject) -> Iterator[Finding]:
    """A container that mounts a shared volume is not to be cloned or snapshotted: PVE can do neither then."""
    first_clone = first_clones(subject.fleet)
    for mount, container in _mounts(subject):
        reason, _remedy = needs_copy(container, first_clone.get(mount.ctid))
        if reason and not sharedmounts.its_own(container, mount):
            expected = "no bind mount: with one, PVE can neither clone the container nor take a snapshot of it"
            remedy = "Name the containers that are cloned from it instead, or remove what needs the copy."
            yield _at(subject, mount, f"a mount in {mount.ctid}, although {reason}", expected, remedy)


@check
def one_mount_at_each_place(subject: Subject) -> Iterator[Finding]:
    """Each folder of a container is mounted once; the same mount in its own `mount_points` is that mount."""
    first: dict[tuple[str, str], str] = {}
    for mount, container in _mounts(subject):
        folder = plain(mount.folder)
        got = show(mount.path, mount.folder, subject.hypervisor_file in subject.hidden)
        before = first.setdefault((mount.ctid, folder), mount.volume)
        taken = _taken(subject, container, mount)
        if folder == "/":
            yield _at(subject, mount, got, "a folder below /", "Name a folder, not the root.")
        elif before != mount.volume:
            taken = f"shared_volumes/{before}"
        if folder != "/" and taken:
            expected = f"a place of its own in {mount.ctid} ({taken} has it)"
            yield _at(subject, mount, got, expected, "Mount one of the two elsewhere.")


def _mounts(subject: Subject) -> Iterator[tuple[Mount, Container]]:
    """The mounts in containers of the file that are to be there."""
    for mount in sharedmounts.mounts(subject.hypervisor):
        container = subject.fleet.containers.get(mount.ctid)
        if container is not None and not container.absent:
            yield mount, container


def _taken(subject: Subject, container: Container, mount: Mount) -> str:
    """What else is mounted at the place, in the words of the file; empty where it is free."""
    folder = plain(mount.folder)
    if sharedmounts.its_own(container, mount):
        return ""
    for list_key, key in (("mount_points", "container_path"), ("volumes", "mount_point")):
        items = container.config.get(list_key)
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, Mapping) and isinstance(item.get(key), str) and plain(item[key]) == folder:
                return f"{list_key}/{index}"
    store = model_keys.store_of(subject.hypervisor)
    if model_keys.key_of_model(container, store, subject.servers) and model_keys.own_mount(container, store) is None:
        same = plain(store["path"]) == plain(mount.host_path)
        return "model_store" if plain(model_keys.folder_inside(store)) == folder and not same else ""
    return ""


def _at(subject: Subject, mount: Mount, got: str, expected: str, remedy: str) -> Finding:
    return Finding(subject.hypervisor_file, mount.path, got, expected, remedy)
