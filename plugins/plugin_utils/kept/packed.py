# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packed modules of plain tasks, from an earlier run: those of this collection and of Ansible itself.

A module that a task of a role calls has no action plugin of ours around it. So the first one of a run that is about to
work lays all kept ones into the run's folder, and each one afterwards keeps what Ansible has packed since. They are
kept as Ansible packed them: what runs in a container keeps nothing on the node.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator

from . import files, payloads

KIND = "packed"
LAID = "phoenix-laid"
_OURS = "ansible_collections.phoenix.hypervisor.plugins.modules."
_CORES = "ansible.modules."


def lay() -> None:
    """Lay the kept modules into this run's folder, once in a run."""
    sources = payloads.sources_of_run()
    place = payloads.run_folder()
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        os.close(os.open(os.path.join(place, LAID), os.O_CREAT | os.O_EXCL, 0o600))
    except OSError:
        return  # another process of this run has begun with it
    for kept in files.names(KIND) if sources else ():
        name = kept.rpartition("-")[0]
        path = os.path.join(place, name)
        if os.path.exists(path) or kept != _kept_name(name, sources):
            continue
        found = files.read(KIND, kept)
        if found is not None and found[:32] == hashlib.sha256(found[32:]).digest():
            _mark(path)
            payloads.lay(path, found[32:])


def keep() -> None:
    """Keep what Ansible has packed in this run, except the modules that `payloads` keeps in its own form."""
    new = list(_new())
    sources = payloads.sources() if new else ""
    # Read again, now that all is packed: a source that has changed meanwhile may be in some of them.
    if not sources or sources != payloads.sources_of_run():
        return
    for name, path in new:
        key = _kept_name(name, sources)
        with contextlib.suppress(OSError):
            with open(path, "rb") as file:
                data = file.read()
            if key:
                files.write(KIND, key, hashlib.sha256(data).digest() + data)
            _mark(path)


def keep_new() -> None:
    """Keep what Ansible has packed, if it has packed anything since this run was here last."""
    place = payloads.run_folder()
    laid = os.path.join(place, LAID)
    with contextlib.suppress(OSError):
        changed = os.stat(place).st_mtime_ns
        if changed > os.stat(laid).st_mtime_ns:
            os.utime(laid, ns=(changed, changed))
            keep()


def _new() -> Iterator[tuple[str, str]]:
    """Name and path of each packed module of this run that is not kept yet."""
    place = payloads.run_folder()
    with contextlib.suppress(OSError):
        names = set(os.listdir(place))
        ending = payloads.ending()
        for name in sorted(names):
            path = os.path.join(place, name)
            known = name + payloads.MARK in names or name + payloads.OWN in names
            # A link was laid by another program.
            if name.endswith(ending) and not known and _source(name) and not os.path.islink(path):
                yield name, path


def _source(name: str) -> str:
    """Return the path of a packed module's source by the name of its file; an empty text for a foreign one."""
    module = name[: -len(payloads.ending())]
    for prefix, folder in ((_OURS, payloads.modules_folder()), (_CORES, payloads.core_modules_folder())):
        if module.startswith(prefix) and "." not in module[len(prefix) :]:
            return os.path.join(folder, f"{module[len(prefix) :]}.py")
    return ""


def _kept_name(name: str, sources: str) -> str:
    """Return under which name a packed module is kept; an empty text for one that can't be."""
    if not name.endswith(payloads.ending()):
        return ""
    try:
        with open(_source(name), "rb") as file:
            return f"{name}-{hashlib.sha256(f'{name} {sources} '.encode() + file.read()).hexdigest()}"
    except OSError:
        return ""


def _mark(path: str) -> None:
    with contextlib.suppress(OSError):
        os.close(os.open(path + payloads.MARK, os.O_CREAT, 0o600))
