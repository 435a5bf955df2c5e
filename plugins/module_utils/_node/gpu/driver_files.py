# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what the node's GPU drivers tell of themselves: a few files, no command and no call of PVE."""

from __future__ import annotations

import functools
import glob
import os
import stat
from collections.abc import Iterable

from ..._core.container.config import hostneeds
from ..._core.container.model import Wanted
from ..._core.gpu import vendors
from ..._core.gpu.devices import Gpus, parse
from ..._core.gpu.vendor import Instances, Vendor
from ..pve import installed


def read_all(root: str = "/") -> tuple[Gpus, ...]:
    """The node's GPUs, those of each vendor for itself."""
    return tuple(read_gpus(vendor, root) for vendor in vendors.VENDORS)


@functools.cache  # a module's process is short, and its containers share the node
def read_gpus(vendor: Vendor, root: str = "/") -> Gpus:
    """The node's GPUs of a vendor. ``root`` is the folder that holds proc, sys and dev; tests have their own."""
    files = vendor.files
    place = files.cards.split("/").index("*")
    cards = [
        (os.path.relpath(path, root).split("/")[place], path) for path in glob.glob(os.path.join(root, files.cards))
    ]
    return parse(
        _text(os.path.join(root, files.version)),
        {name: _text(path) for name, path in cards},
        _text(os.path.join(root, "proc/devices")),
        _devices(root, files.devices),
        _instances(root, vendor.instances) if vendor.instances is not None else {},
        {name: _text(os.path.join(root, "sys/module", name, "version")).strip() for name in files.modules},
        vendor,
    )


def complete(wanted: Wanted, root: str = "/") -> Wanted:
    """A container completed by what only the node knows; its files are read only for one that needs that."""
    nodes = read_all(root) if hostneeds.looks(wanted) else ()
    named = hostneeds.paths(wanted)
    paths = {*named, *(path for gpus in nodes for path in gpus.devices)}
    version = installed.version(root) if paths else ""
    return hostneeds.complete(wanted, *nodes, there=_nodes(root, paths), version=version)


def _nodes(root: str, paths: Iterable[str]) -> dict[str, hostneeds.Node]:
    """Those of the paths that exist. Links are followed, as PVE does: the names below /dev/serial/by-id are links."""
    found = {}
    for path in paths:
        try:
            status = os.stat(os.path.join(root, path.lstrip("/")))
        except OSError:
            continue
        block = stat.S_ISBLK(status.st_mode)
        number = (os.major(status.st_rdev), os.minor(status.st_rdev))
        is_device = block or stat.S_ISCHR(status.st_mode)
        found[path] = hostneeds.Node(number if is_device else None, block, stat.S_IMODE(status.st_mode))
    return found


def _instances(root: str, instances: Instances) -> dict[str, str]:
    folder = os.path.join(root, instances.folder)
    paths = [path for pattern in instances.files for path in glob.glob(os.path.join(folder, pattern))]
    return {os.path.relpath(path, folder): _text(path) for path in paths}


def _devices(root: str, patterns: Iterable[str]) -> dict[str, tuple[int, int]]:
    found = {}
    for path in (path for pattern in patterns for path in glob.glob(os.path.join(root, pattern))):
        try:
            status = os.lstat(path)
        except OSError:
            continue  # gone since it was listed
        if stat.S_ISCHR(status.st_mode):
            number = status.st_rdev
            found["/" + os.path.relpath(path, root)] = (os.major(number), os.minor(number))
    return found


def _text(path: str) -> str:
    """A file's text, empty when there is none: a driver that isn't loaded has no files."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
