# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of both files against the operator's policy. Features, whose full names need the roles, are checked with them.

Everything by which a container reaches the node is here: raw lines, flags, folders of the node, devices, templates,
storages, bridges, and addresses that something is downloaded from. Whoever may write the host's file is root on the
node by its nature; of it, the policy limits what it mounts into containers and what it downloads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.desired import EXISTING
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks import download_addresses
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.gpu_checks import gpus
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Check, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer, show
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.policy import APPLICATIONS, PRIVILEGED, Policy

_RAW = re.compile(r"\s*([^\s:=]+)\s*[:=]\s*(.*)\Z", re.DOTALL)
_EMPTY_KINDS = ("tmpfs", "mqueue", "devpts")
_BINDS = frozenset(["bind", "rbind", "move"])


def policy_checks(policy: Policy) -> tuple[Check, ...]:
    """The checks that a policy brings."""

    def containers(subject: Subject) -> Iterator[Finding]:
        for container in subject.fleet.containers.values():
            if not container.absent:
                yield from _Container(subject, policy, container).findings()

    def downloads(subject: Subject) -> Iterator[Finding]:
        for item in download_addresses.of_containers(subject.fleet.top):
            if fault := _address(policy, item.url):
                yield subject.at(item.path, subject.show(item.path, item.url), *fault)
        for item in download_addresses.of_host(subject.hypervisor):
            if fault := _address(policy, item.url):
                yield _of_host(subject, item.path, item.url, *fault)

    def folders(subject: Subject) -> Iterator[Finding]:
        for path, value in _mounted_folders(subject.hypervisor):
            if not policy.allows_path(value):
                remedy = policy.remedy("mount_prefixes", "Use a folder below one of these")
                yield _of_host(subject, path, value, policy.expected("mount_prefixes"), remedy)

    return containers, downloads, folders


def _mounted_folders(host: Mapping[str, Any]) -> Iterator[tuple[Pointer, str]]:
    """The folders that the host's file brings into containers: by mounts, or by a copy into the store of models."""
    volumes = host.get("shared_volumes")
    for name, volume in volumes.items() if isinstance(volumes, Mapping) else ():
        path = volume.get("host_path") if isinstance(volume, Mapping) and volume.get("mounts") else None
        if isinstance(path, str):
            yield ("shared_volumes", name, "host_path"), path
    store = host.get("model_store")
    if isinstance(store, Mapping) and isinstance(store.get("path"), str):
        yield ("model_store", "path"), store["path"]
        models = store.get("models")
        for index, item in enumerate(models if isinstance(models, list) else ()):
            if isinstance(item, Mapping) and isinstance(item.get("source"), str):
                yield ("model_store", "models", index, "source"), item["source"]


def _address(policy: Policy, value: str) -> tuple[str, str] | None:
    key = policy.refused_part(value)
    return (policy.expected(key), policy.remedy(key, "Use another address")) if key else None


def _of_host(subject: Subject, path: Pointer, value: Any, expected: str, remedy: str) -> Finding:
    got = show(path, value, subject.hypervisor_file in subject.hidden)
    return Finding(subject.hypervisor_file, path, got, expected, remedy)


class _Container:
    """One container against the policy. The file may be faulty, so no type is certain."""

    def __init__(self, subject: Subject, policy: Policy, container: Container) -> None:
        self._subject, self._policy, self._container = subject, policy, container

    def findings(self) -> Iterator[Finding]:
        """Everything that the policy forbids."""
        yield from self._raw_lines()
        yield from self._flags()
        yield from self._folders()
        yield from self._names()
        yield from self._privileges()
        yield from self._devices()
        yield from self._applications()

    def _raw_lines(self) -> Iterator[Finding]:
        for index, line in self._items("lxc_options"):
            found = _RAW.match(line) if isinstance(line, str) else None
            if found is None:
                continue  # the schema refuses it
            if not self._policy.allows("lxc_options", found.group(1)):
                yield self._at("lxc_options", ("lxc_options", index), line, "Remove the line")
            elif found.group(1) == "lxc.mount.entry" and not self._mounts_allowed(found.group(2)):
                yield self._at("mount_prefixes", ("lxc_options", index), line, "Mount a folder below one of these")

    def _mounts_allowed(self, entry: str) -> bool:
        """Whether a line of fstab(5) mounts an allowed folder, or a file system that holds nothing of the node.

        A line without a value mounts nothing.
        """
        if not self._policy.restricts("mount_prefixes") or not entry.strip():
            return True
        source, _place, kind, options = (*entry.split(), "", "", "", "")[:4]
        if source.startswith("/"):
            return kind != "overlay" and self._policy.allows_path(source.replace("\\040", " "))
        # A relative source with bind is a folder below that in which LXC was started.
        return kind in _EMPTY_KINDS and not _BINDS & set(options.split(","))

    def _flags(self) -> Iterator[Finding]:
        for index, item in self._items("pct_options"):
            flag = item.partition("=")[0].strip() if isinstance(item, str) else ""
            if flag and flag != "tags" and not self._policy.allows("pct_options", flag):
                yield self._at("pct_options", ("pct_options", index), item, "Remove the flag")

    def _folders(self) -> Iterator[Finding]:
        for index, item in self._items("mount_points"):
            path = item.get("host_path") if isinstance(item, Mapping) else None
            if isinstance(path, str) and not self._policy.allows_path(path):
                where = ("mount_points", index, "host_path")
                yield self._at("mount_prefixes", where, path, "Mount a folder below one of these")

    def _names(self) -> Iterator[Finding]:
        config = self._container.config
        network = config.get("network_config")
        found: list[tuple[str, Pointer, Any]] = [
            ("templates", ("template",), None if config.get("template") == EXISTING else config.get("template")),
            ("backups", ("restore_from",), config.get("restore_from")),
            ("hookscripts", ("hookscript",), config.get("hookscript")),
            ("storages", ("storage_pool",), config.get("storage_pool")),
            ("bridges", ("network_config", "bridge"), network.get("bridge") if isinstance(network, Mapping) else None),
        ]
        for index, item in self._items("networks"):
            if isinstance(item, Mapping):
                found.append(("bridges", ("networks", index, "bridge"), item.get("bridge")))
        for index, item in self._items("volumes"):
            if isinstance(item, Mapping):
                found.append(("storages", ("volumes", index, "pool"), item.get("pool")))
        for key, path, value in found:
            if isinstance(value, str) and not self._policy.allows(key, value):
                yield self._at(key, path, value, "Use one of these")

    def _privileges(self) -> Iterator[Finding]:
        if self._policy.permits(PRIVILEGED):
            return
        container = self._container
        expected = f"an unprivileged container: policy.privileged of {self._policy.file} is not true"
        if container.config.get("unprivileged", True) is not True:
            remedy = self._policy.remedy(PRIVILEGED, "Set unprivileged to true")
            path = container.place("unprivileged")
            yield self._subject.at(path, self._subject.show(path, container.config["unprivileged"]), expected, remedy)
        elif "restore_from" in container.config and container.config.get("unprivileged") is not True:
            remedy = self._policy.remedy(PRIVILEGED, "Set unprivileged to true")
            path = container.place("restore_from")
            got = (
                self._subject.show(path, container.config["restore_from"]) + ", which decides whether it is privileged"
            )
            yield self._subject.at(path, got, expected, remedy)
        elif container.source is not None and container.source not in self._subject.fleet.containers:
            remedy = self._policy.remedy(PRIVILEGED, "Add the source to the file")
            path = container.place("clone_from_ctid")
            got = self._subject.show(path, container.source) + ", which the file has not, so it may be privileged"
            yield self._subject.at(path, got, expected, remedy)

    def _devices(self) -> Iterator[Finding]:
        config, assigned = self._container.config, gpus(self._subject.fleet, self._container.ctid)
        for index, item in self._items("devices"):
            for key in ("path", "class"):
                value = item.get(key) if isinstance(item, Mapping) else None
                where = ("devices", index, key)
                if isinstance(value, str) and not self._policy.allows("devices", value):
                    yield self._at("devices", where, value, "Remove the device")
                elif key == "class" and value and assigned is None and not self._policy.allows("gpus", "all"):
                    yield self._at("gpus", where, value, "Set gpu_assignment")
        if not self._policy.restricts("gpus") or "gpu_assignment" not in config:
            return
        for entry in assigned or ():
            if not self._policy.allows("gpus", str(entry)):
                yield self._at("gpus", ("gpu_assignment",), config["gpu_assignment"], "Assign one of these")
                return

    def _applications(self) -> Iterator[Finding]:
        if self._policy.permits(APPLICATIONS):
            return
        for key in ("application_script", "health_check"):
            if self._container.config.get(key):
                path = self._container.place(key)
                got = self._subject.show(path, self._container.config[key])
                expected = f"none: policy.applications of {self._policy.file} is false"
                yield self._subject.at(path, got, expected, self._policy.remedy(APPLICATIONS, "Remove it"))

    def _items(self, key: str) -> Iterator[tuple[int, Any]]:
        value = self._container.config.get(key)
        return iter(enumerate(value if isinstance(value, list) else ()))

    def _at(self, key: str, keys: Pointer, value: Any, instead: str) -> Finding:
        path = self._container.place(*keys)
        expected, remedy = self._policy.expected(key), self._policy.remedy(key, instead)
        return self._subject.at(path, self._subject.show(path, value), expected, remedy)
