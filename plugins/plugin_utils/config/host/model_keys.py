# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's store of models, and the containers that read from it.

A container whose model is in the store gets the store as a read-only bind mount, without a word in its own
entry: the whole store, so that another model is another path and no other mount, which would wait for a restart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container, Fleet

DEFAULT_ENDPOINT = "https://huggingface.co"
DEFAULT_REVISION = "main"


@dataclass(frozen=True)
class Stored:
    """How a container sees its model: the store's folder inside, and the configured revision."""

    folder: str
    revision: str

    def variables(self) -> dict[str, str]:
        """Host variables of the container."""
        return {"phoenix_model_store": self.folder, "phoenix_model_revision": self.revision}


def store_of(hypervisor: Mapping[str, Any]) -> Mapping[str, Any]:
    """The key `model_store`, empty where there is none."""
    value = hypervisor.get("model_store")
    return value if isinstance(value, Mapping) and isinstance(value.get("path"), str) else {}


def models(store: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The store's models by name, each in one form: name, revision, source, include, exclude."""
    found: dict[str, dict[str, Any]] = {}
    items = store.get("models")
    for item in items if isinstance(items, list) else ():
        given = {"name": item} if isinstance(item, str) else item
        if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
            continue
        found.setdefault(
            given["name"],
            {
                "name": given["name"],
                "revision": str(given.get("revision") or DEFAULT_REVISION),
                "source": str(given.get("source") or ""),
                "include": list(given.get("include") or ()),
                "exclude": list(given.get("exclude") or ()),
            },
        )
    return found


def shape(hypervisor: Mapping[str, Any]) -> dict[str, Any]:
    """The store as the role for it reads it: path, endpoint, models; {} where there is none."""
    store = store_of(hypervisor)
    if not store:
        return {}
    endpoint = str(store.get("endpoint") or DEFAULT_ENDPOINT)
    return {"path": str(store["path"]), "endpoint": endpoint, "models": list(models(store).values())}


def folder_inside(store: Mapping[str, Any]) -> str:
    """Where the store is mounted in containers that don't say otherwise."""
    return str(store.get("container_path") or store["path"])


def key_of_model(container: Container, store: Mapping[str, Any], servers: Iterable[Server]) -> str | None:
    """The key of the container whose model is in the store, or None: then it takes none from there."""
    if not store or container.absent:
        return None
    keys = (server.model for server in servers if server.model)
    return next((key for key in keys if container.text(key) in models(store)), None)


def own_mount(container: Container, store: Mapping[str, Any]) -> str | None:
    """The folder inside at which the container's own entry mounts the store, or None."""
    for item in _mounts(container):
        if isinstance(item, Mapping) and str(item.get("host_path")).rstrip("/") == store["path"]:
            return str(item.get("container_path"))
    return None


def completed(
    fleet: Fleet, hypervisor: Mapping[str, Any], servers: Iterable[Server]
) -> tuple[Fleet, dict[str, Stored]]:
    """The fleet with the store's mounts, and what each container that reads from it must know."""
    store = store_of(hypervisor)
    keys = {ctid: key_of_model(container, store, servers) for ctid, container in fleet.containers.items()}
    readers = {ctid: key for ctid, key in keys.items() if key is not None}
    if not readers:
        return fleet, {}
    containers, stored = dict(fleet.containers), {}
    known = models(store)
    for ctid, key in readers.items():
        container = containers[ctid]
        own = own_mount(container, store)
        stored[ctid] = Stored(own or folder_inside(store), known[str(container.text(key))]["revision"])
        if own is None:
            mount = {"host_path": store["path"], "container_path": folder_inside(store), "read_only": True}
            config = {**container.config, "mount_points": [*_mounts(container), mount]}
            containers[ctid] = dataclasses.replace(container, config=config)
    return dataclasses.replace(fleet, containers=containers), stored


def _mounts(container: Container) -> list[Any]:
    value = container.config.get("mount_points")
    return value if isinstance(value, list) else []
