# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of mount points, volumes, templates and snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import forms
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container, Fleet

CHECKS = check = Checks()

_PATHS = (("mount_points", "container_path"), ("volumes", "mount_point"))


@check
def no_bind_mount_on_a_source(subject: Subject) -> Iterator[Finding]:
    """What is cloned from or snapshotted has no bind mount: PVE can do neither then."""
    first_clone = first_clones(subject.fleet)
    for ctid, container in subject.fleet.containers.items():
        reason, remedy = needs_copy(container, first_clone.get(ctid))
        if reason and _items(container, "mount_points"):
            yield subject.at(
                container.place("mount_points"),
                f"a bind mount, although {reason}",
                "no bind mount: with one, PVE can neither clone the container nor take a snapshot of it",
                remedy,
            )


@check
def one_mount_per_path(subject: Subject) -> Iterator[Finding]:
    """No two mount points or volumes of a container are mounted at the same place, and none over its root."""
    for container in subject.fleet.containers.values():
        seen: dict[str, str] = {}
        for list_key, key in _PATHS:
            for index, item in enumerate(_items(container, list_key)):
                value = item.get(key) if isinstance(item, dict) else None
                if not isinstance(value, str) or not value.startswith("/"):
                    continue
                path = container.place(list_key, index, key)
                inside = forms.path(value)
                if inside == "/":
                    remedy = "Name a folder, not the root."
                    yield subject.at(path, subject.show(path, value), "a folder below /", remedy)
                elif inside in seen:
                    expected = f"a place of its own ({seen[inside]} has it)"
                    yield subject.at(path, subject.show(path, value), expected, "Mount one of the two elsewhere.")
                seen.setdefault(inside, f"{list_key}/{index}")


@check
def unique_volume_names(subject: Subject) -> Iterator[Finding]:
    """No two volumes of a container have the same name."""
    for container in subject.fleet.containers.values():
        seen: set[str] = set()
        for index, item in enumerate(_items(container, "volumes")):
            name = item.get("name") if isinstance(item, dict) else None
            if isinstance(name, str) and name in seen:
                path = container.place("volumes", index, "name")
                expected = "a name of its own among the container's volumes"
                yield subject.at(path, subject.show(path, name), expected, "Give one of the two another name.")
            elif isinstance(name, str):
                seen.add(name)


@check
def one_value_per_flag(subject: Subject) -> Iterator[Finding]:
    """No flag of `pct_options` has two values."""
    for container in subject.fleet.containers.values():
        seen: dict[str, str] = {}
        for index, item in enumerate(_items(container, "pct_options")):
            flag, separator, value = item.partition("=") if isinstance(item, str) else ("", "", "")
            if separator and seen.setdefault(flag, value) != value:
                path = container.place("pct_options", index)
                before = subject.show(path, f"{flag}={seen[flag]}")
                expected = f"one value of each flag ({before} stands before)"
                yield subject.at(path, subject.show(path, item), expected, "Remove one of the two.")


def first_clones(fleet: Fleet) -> dict[str, str]:
    """CTID -> a container that is cloned from it."""
    found: dict[str, str] = {}
    for ctid, container in fleet.containers.items():
        if container.source is not None and not container.absent:
            found.setdefault(container.source, ctid)
    return found


def needs_copy(container: Container, clone: str | None) -> tuple[str, str]:
    """(why the container must be possible to clone or to snapshot, the remedy). Empty texts where it needn't be."""
    remedy = "Move mount_points to the containers that are cloned from it, or use volumes."
    if container.config.get("is_template") is True:
        return "it becomes a template (is_template)", remedy
    if container.text("template_snapshot_name"):
        return "a snapshot is taken of it (template_snapshot_name)", remedy
    if clone is not None:
        return f"{clone} is cloned from it", remedy
    if container.text("guard") in ("report", "rollback"):
        return "a snapshot is taken before each of its changes (guard)", "Use volumes, or remove guard."
    return "", ""


def _items(container: Container, key: str) -> list[Any]:
    value = container.config.get(key)
    return value if isinstance(value, list) else []
