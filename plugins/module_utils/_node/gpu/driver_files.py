# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what the node's NVIDIA driver tells of itself: a few files, no command and no call of PVE."""

from __future__ import annotations

import functools
import glob
import os
import stat

from ..._core.container.config import hostneeds
from ..._core.container.model import Wanted
from ..._core.gpu.devices import Gpus, parse

MODULES = ("nvidia", "nvidia_uvm", "nvidia_modeset")


@functools.cache  # a module's process is short, and its containers share the node
def read_gpus(root: str = "/") -> Gpus:
    """The node's GPUs. ``root`` is the folder that holds proc, sys and dev; tests have their own."""
    driver = os.path.join(root, "proc/driver")
    cards = glob.glob(f"{driver}/nvidia/gpus/*/information")
    return parse(
        _text(f"{driver}/nvidia/version"),
        {os.path.basename(os.path.dirname(path)): _text(path) for path in cards},
        _text(os.path.join(root, "proc/devices")),
        _devices(os.path.join(root, "dev")),
        _capabilities(f"{driver}/nvidia/capabilities"),
        {name: _text(os.path.join(root, "sys/module", name, "version")).strip() for name in MODULES},
    )


def complete(wanted: Wanted, root: str = "/") -> Wanted:
    """A container completed by what only the node knows; its files are read only for one that needs that."""
    return hostneeds.complete(wanted, read_gpus(root) if hostneeds.looks(wanted) else Gpus())


def _capabilities(folder: str) -> dict[str, str]:
    paths = (*glob.glob(f"{folder}/gpu*/mig/gi*/access"), *glob.glob(f"{folder}/gpu*/mig/gi*/ci*/access"))
    return {os.path.relpath(path, folder): _text(path) for path in paths}


def _devices(folder: str) -> dict[str, tuple[int, int]]:
    found = {}
    for path in (*glob.glob(f"{folder}/nvidia*"), *glob.glob(f"{folder}/nvidia-caps/*")):
        try:
            status = os.lstat(path)
        except OSError:
            continue  # gone since it was listed
        if stat.S_ISCHR(status.st_mode):
            number = status.st_rdev
            found["/dev" + path[len(folder) :]] = (os.major(number), os.minor(number))
    return found


def _text(path: str) -> str:
    """A file's text, empty when there is none: a driver that isn't loaded has no files."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
