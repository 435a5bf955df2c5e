# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the host's store of models and of the containers that read from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.storage_checks import (
    first_clones,
    needs_copy,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer, show
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import model_keys

CHECKS = check = Checks()


@check
def each_model_once(subject: Subject) -> Iterator[Finding]:
    """No model stands twice in the store, and none lies in another's folder."""
    store = model_keys.store_of(subject.hypervisor)
    items = store.get("models")
    seen: dict[str, int] = {}
    for index, item in enumerate(items if isinstance(items, list) else ()):
        name = item.get("name") if isinstance(item, Mapping) else item
        if not isinstance(name, str):
            continue
        path: Pointer = ("model_store", "models", index, *(("name",) if isinstance(item, Mapping) else ()))
        before = seen.setdefault(name.lower(), index)
        if before != index:
            remedy = "Remove one of the two: a store has one revision of a model."
            yield _at_host(subject, path, name, f"each model once (models/{before} is the same)", remedy)
    for name, index in seen.items():
        inside = next((other for other in seen if other.startswith(name + "/")), None)
        if inside is not None:
            path = ("model_store", "models", index)
            yield _at_host(subject, path, name, "a name that is no folder of another model", "Remove one of the two.")


@check
def store_can_be_mounted(subject: Subject) -> Iterator[Finding]:
    """What reads from the store gets a bind mount: it can't be what is cloned or snapshotted, and the place is free."""
    store = model_keys.store_of(subject.hypervisor)
    first_clone = first_clones(subject.fleet)
    for ctid, container in subject.fleet.containers.items():
        key = model_keys.key_of_model(container, store, subject.servers)
        if key is None or model_keys.own_mount(container, store) is not None:
            continue
        model, path = container.config[key], container.place(key)
        reason, _remedy = needs_copy(container, first_clone.get(ctid))
        if reason:
            yield subject.at(
                path,
                f"{subject.show(path, model)}, a model of model_store, although {reason}",
                "no model of the store there: it comes by a bind mount, and with one PVE can neither clone the "
                "container nor take a snapshot of it",
                f"Move {key} to the containers that are cloned from it, or remove what needs the copy.",
            )
        taken = _taken(container.config, model_keys.folder_inside(store))
        if taken:
            yield subject.at(
                path,
                f"{subject.show(path, model)}, a model of model_store, whose place {taken} has",
                "that folder to be free for the store",
                "Mount the other elsewhere, or set container_path of model_store.",
            )


def _taken(config: Mapping[str, Any], folder: str) -> str:
    for list_key, key in (("mount_points", "container_path"), ("volumes", "mount_point")):
        items = config.get(list_key)
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, Mapping) and str(item.get(key)).rstrip("/") == folder:
                return f"{list_key}/{index}"
    return ""


def _at_host(subject: Subject, path: Pointer, value: Any, expected: str, remedy: str) -> Finding:
    got = show(path, value, subject.hypervisor_file in subject.hidden)
    return Finding(subject.hypervisor_file, path, got, expected, remedy)
