# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layers of a node: archives among the templates of a storage, with metadata among the files of this collection.

An archive counts only with its metadata, which are written last, and only as long as it is the file that they describe.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..._core.container.layers import catalog
from ..._core.container.layers.address import PREFIX, Boundary, address_of, file_name, is_address
from ..._core.pve.storagecfg import TEMPLATES, Storage, parse_storages
from ..failure import NodeError
from ..store import ROOT, lock_file, private_directory, read_private, remove, write_atomic
from ..waiting import try_lock

LOCKS = "/run/phoenix_hypervisor/layers"
STAGING = "." + PREFIX
"""The folder of an archive that is being made begins with it. PVE lists none of these as templates."""
_CHUNK = 1024 * 1024
_VOLUME = re.compile(r"([A-Za-z][A-Za-z0-9._-]*):vztmpl/([^/]+)\Z")


class LayerStorageError(NodeError):
    """The storage of the layers can't hold any; the text says why."""


class Shelf:
    """The layers of one node. ``pve``: where PVE keeps its configuration.

    ``failed``: the addresses of the layers that no container could be created from in this run.
    """

    def __init__(self, node: str, pve: str, root: str = ROOT, locks: str = LOCKS) -> None:
        self.node = node
        self._pve = pve
        self._root = root
        self._metadata = os.path.join(root, "layers")
        self._locks = locks
        self.failed: set[str] = set()

    def storages(self) -> dict[str, Storage]:
        """The storages of the cluster."""
        try:
            with open(f"{self._pve}/storage.cfg", encoding="utf-8", errors="replace") as file:
                return parse_storages(file.read())
        except OSError:
            return parse_storages("")

    def folder(self, name: str) -> str:
        """The folder of a storage's templates. Raises LayerStorageError where it can't hold layers."""
        found = self.storages().get(name)
        if found is None:
            why = "does not exist"
        elif found.disabled or (found.nodes and self.node not in found.nodes):
            why = f"is not for node {self.node}, or disabled"
        elif TEMPLATES not in found.content or found.template_folder is None:
            why = f"is no folder of the node with the content {TEMPLATES}"
        elif not os.path.isdir(found.template_folder):
            why = f"has no folder {found.template_folder}"
        else:
            return found.template_folder
        raise LayerStorageError(
            f"layers: storage {name!r} {why}",
            remedy=f"name a storage of type dir with the content {TEMPLATES} in layers.storage of the inventory source",
        )

    def template_state(self, volume: Any) -> tuple[int, int] | None:
        """Size and time of change of a template's file; None where this node has no such file."""
        found = _VOLUME.match(str(volume))
        storage = self.storages().get(found.group(1)) if found else None
        if found is None or storage is None or storage.template_folder is None:
            return None
        try:
            known = os.stat(os.path.join(storage.template_folder, found.group(2)))
        except OSError:
            return None
        return known.st_size, known.st_mtime_ns

    # ------------------------------------------------------------- what is on it
    def path(self, address: str) -> str:
        """The metadata of a layer."""
        return os.path.join(self._metadata, f"{address}.json")

    def load(self, address: str) -> catalog.Layer | None:
        """The metadata of a layer; None where there are none. Raises LayerError for what can't be read."""
        text = read_private(self.path(address))
        if text is None:
            return None
        layer = catalog.parse(text, address)
        return replace(layer, used=int(os.lstat(self.path(address)).st_mtime))

    def has(self, address: str) -> bool:
        """Whether a layer is published."""
        return read_private(self.path(address)) is not None

    def find(self, place: Boundary, folder: str, template: Any) -> tuple[catalog.Layer | None, str]:
        """(the layer of a boundary, why there is none that can be used). No layer at all is no fault."""
        try:
            layer = self.load(place.address)
            if layer is None:
                return None, ""
            if place.address in self.failed:
                return None, f"{layer.called()} is not used: no container can be created from it"
            if layer.template != self.template_state(template):
                return None, f"{layer.called()} is not used: the template {template} has changed since, or is missing"
            archive = os.path.join(folder, file_name(place.address))
            state = file_state(archive)
            if state is None:
                return None, f"{layer.called()} is not used: its archive {archive} is missing"
            # The file that was written then, by all that the kernel says; else its content decides.
            if state != layer.state and (state.size != layer.size or checksum(archive) != layer.sha256):
                return None, f"{layer.called()} is not used: its archive {archive} has changed"
            return layer, ""
        except (catalog.LayerError, OSError) as error:
            return None, f"layer {place.address} is not used: its metadata {self.path(place.address)}: {error}"

    def all(self) -> list[catalog.Layer]:
        """Every layer with metadata that can be read."""
        found = []
        for name in self._names():
            with contextlib.suppress(catalog.LayerError, OSError):
                layer = self.load(name)
                found += [layer] if layer else []
        return found

    def _names(self) -> list[str]:
        try:
            names = os.listdir(self._metadata)
        except OSError:
            return []
        return sorted(name[:-5] for name in names if name.endswith(".json") and is_address(name[:-5]))

    # ------------------------------------------------------------------ changes
    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[bool]:
        """Whether this run alone works on a layer; the kernel frees the lock when it dies."""
        private_directory(os.path.dirname(self._locks))
        private_directory(self._locks)
        handle = lock_file(os.path.join(self._locks, f"{name}.lock"), os.O_RDWR)
        try:
            yield try_lock(handle)
        finally:
            os.close(handle)

    def stage(self, staging: str) -> None:
        """Make an empty folder for an archive, without what an interrupted run left in it."""
        shutil.rmtree(staging, ignore_errors=True)  # usually not there; mkdir fails if it stays
        os.mkdir(staging, 0o700)

    def staging(self, folder: str, ctid: int) -> str:
        """The folder in which the archive of a container is made."""
        return os.path.join(folder, f"{STAGING}{ctid}")

    def discard(self, storage: str, ctid: int) -> None:
        """Remove the folder of an archive that a killed run left unfinished, with what it holds."""
        found = self.storages().get(storage)
        path = self.staging(found.template_folder, ctid) if found and found.template_folder else ""
        if path and os.path.lexists(path):
            with self.locked(f"{PREFIX}{ctid}") as alone:
                if alone:
                    shutil.rmtree(path, ignore_errors=True)  # what stays is tried again by the next run

    def publish(
        self, archive: str, place: Boundary, folder: str, storage: str, template: tuple[int, int], ctid: int
    ) -> catalog.Layer:
        """Give a finished archive its place, then write its metadata. Raises OSError, StoreError."""
        target = os.path.join(folder, file_name(place.address))
        os.chmod(archive, 0o600)
        digest = checksum(archive, flush=True)
        os.rename(archive, target)
        _flush(folder)
        state = file_state(target)
        if state is None:
            raise LayerStorageError(f"{target} vanished while it was published")
        names = tuple(feature.name for feature in place.features)
        volume = f"{storage}:vztmpl/{file_name(place.address)}"
        layer = catalog.Layer(place.address, volume, names, template, digest, state, int(time.time()), ctid)
        private_directory(self._root)
        write_atomic(self.path(place.address), catalog.dump(layer))
        return layer

    def use(self, volume: str) -> None:
        """Note that a layer is used now."""
        address = address_of(volume)
        if address:
            with contextlib.suppress(OSError):
                os.utime(self.path(address))

    def drop_failed(self) -> list[str]:
        """Remove the layers that no container could be created from. Returns what was removed, in words."""
        told = []
        for address in sorted(self.failed):
            with self.locked(address) as alone, contextlib.suppress(catalog.LayerError):
                layer = self.load(address) if alone else None
                if layer is not None:
                    self._remove(layer)
                    told.append(f"{layer.called()} was removed: no container can be created from it")
        return told

    def _remove(self, layer: catalog.Layer, folder: str = "") -> None:
        """Remove a layer. ``folder``: where its archive lies if its storage is gone."""
        remove(self.path(layer.address))  # first: without them the archive counts for nothing
        found = self._archives(layer, folder)
        if found:
            remove(os.path.join(found, file_name(layer.address)))

    def sweep(self, settings: catalog.Settings, folder: str) -> list[str]:
        """Remove what interrupted runs left, and the layers that are stale. Returns what was removed, in words."""
        told = []
        for layer, why in catalog.stale(self.all(), settings, int(time.time())):
            with self.locked(layer.address) as alone:
                if alone:
                    self._remove(layer, folder)
                    told.append(f"{layer.called()} was removed: {why}")
        told += self._halves(folder)
        return told

    def _archives(self, layer: catalog.Layer, folder: str) -> str:
        """Where the archive of a layer lies: the storage of layers may be another by now."""
        found = self.storages().get(layer.volume.partition(":")[0])
        return (found.template_folder if found else None) or folder

    def _halves(self, folder: str) -> list[str]:
        told = []
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if name.startswith(STAGING):
                with self.locked(name.lstrip(".")) as alone:
                    if alone:
                        shutil.rmtree(path, ignore_errors=True)  # what stays is tried again by the next run
                        if not os.path.lexists(path):
                            told.append(f"{path} was removed: an interrupted run left it")
            elif name.startswith(PREFIX):
                address = address_of(name)
                with self.locked(address or name) as alone:
                    if alone and address and read_private(self.path(address)) is None:
                        remove(path)
                        told.append(f"{path} was removed: it has no metadata")
        return told


def file_state(path: str) -> catalog.FileState | None:
    """What tells a file apart without reading it; None for what is no file of the user that runs this."""
    try:
        known = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISREG(known.st_mode) or known.st_uid != os.geteuid():
        return None
    return catalog.FileState(known.st_size, known.st_mtime_ns, known.st_ctime_ns, known.st_ino)


def checksum(path: str, flush: bool = False) -> str:
    """The SHA-256 of a file, read without following a link. ``flush``: with its content on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as file:
        if flush:
            os.fsync(file.fileno())
        whole = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            whole.update(chunk)
    return whole.hexdigest()


def _flush(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
