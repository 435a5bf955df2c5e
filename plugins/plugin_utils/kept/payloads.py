# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packed modules of this collection, from an earlier run.

Ansible packs a module with all that it imports once in a run, in a folder of the run: for a module that plans that
takes longer than everything else that a settled run does. The packed file is kept under a hash of all that went into
it, and laid into the next run's folder, where Ansible finds it as if it had packed it itself.

What is kept begins with some lines more than what Ansible packed: they let the node keep the bytecode, too, and end at
once (see bytecode.py and ending.py in module_utils/_node). So only modules that run on nodes are kept here; `packed`
keeps all others.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import io
import os
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from zipfile import ZipFile

import ansible
from ansible import constants
from ansible.plugins.loader import module_utils_loader
from ansible.release import __version__ as core_version

from . import files, unchanged

KIND = "modules"
OWN = "-phoenix-own"
"""Ends the name of an empty file beside a packed module that is kept here."""
MARK = "-phoenix-kept"
"""Ends the name of an empty file beside a packed module that `packed` has kept."""
# Of the archive, what is imported before all others.
_FIRST = "ansible/__init__.py"
_NODE = "ansible_collections.phoenix.hypervisor.plugins.module_utils._node"
_HOOK = """
try:
    from {package} import bytecode, ending
    ending.prepare()
    bytecode.use("{name}", "{archive}")
except Exception:
    pass
"""
_PREFIX = "phoenix.hypervisor."
_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
_OURS = os.path.join(_HOME, "plugins", "module_utils")
_CORE = os.path.dirname(os.path.abspath(ansible.__file__))


@contextmanager
def kept(module: str) -> Iterator[None]:
    """Execute a module of this collection within: with its packed file from an earlier run, or keeping this one's.

    ``module``: its full name, such as ``phoenix.hypervisor.phoenix_lxc_info``.
    """
    if not module.startswith(_PREFIX):
        yield
        return
    name = module[len(_PREFIX) :]
    path = os.path.join(run_folder(), f"ansible_collections.{_PREFIX}plugins.modules.{name}{ending()}")
    if os.path.exists(path):
        yield
        return
    key = _key(name, sources_of_run())
    found = files.read(KIND, key) if key else None
    if found is not None and found[:32] == hashlib.sha256(found[32:]).digest():
        _claim(path)
        lay(path, found[32:])
        yield
        return
    _claim(path)
    try:
        yield
    finally:
        # Whatever the module answered: it was packed before it ran.
        with contextlib.suppress(OSError):
            # A source that has changed meanwhile may be in it.
            if key and key == _key(name, sources()):
                with open(path, "rb") as file:
                    packed = _with_bytecode(file.read(), name)
                files.write(KIND, key, hashlib.sha256(packed).digest() + packed)


def run_folder() -> str:
    """Return where Ansible keeps the packed modules of this run."""
    return os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")


def ending() -> str:
    """Return how the names of those files end: without extensions of Ansible's, such as a debugger."""
    return f"-{_compression()}-none"


def modules_folder() -> str:
    """Return the folder of this collection's modules."""
    return os.path.join(_HOME, "plugins", "modules")


def core_modules_folder() -> str:
    """Return the folder of Ansible's own modules."""
    return os.path.join(_CORE, "modules")


def _claim(path: str) -> None:
    """Say that a packed module of this run is one of those that are kept here."""
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        os.close(os.open(path + OWN, os.O_CREAT, 0o600))


def lay(path: str, packed: bytes) -> None:
    """Put a packed file where Ansible looks for it. Without it Ansible packs the module again."""
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        own = f"{path}-kept-{os.getpid()}"
        with open(own, "wb") as file:
            file.write(packed)
        os.rename(own, path)


def _with_bytecode(packed: bytes, name: str) -> bytes:
    """Return a packed module that keeps its bytecode on the node; the same where it is packed in a way of its own."""
    try:
        module = pickle.loads(packed)  # noqa: S301 - Ansible itself has written it, for this run
        archive = io.BytesIO()
        given = base64.b64decode(module.zip_data)
        with ZipFile(io.BytesIO(given)) as old, ZipFile(archive, "w") as new:
            for item in old.infolist():
                data = old.read(item)
                if item.filename == _FIRST:
                    digest = hashlib.sha256(given).hexdigest()
                    data += _HOOK.format(package=_NODE, name=name, archive=digest).encode()
                new.writestr(item, data, item.compress_type)
        return pickle.dumps(dataclasses.replace(module, zip_data=base64.b64encode(archive.getvalue())))
    except Exception:  # noqa: BLE001 - it is Ansible's own form, which another release may change: then without
        return packed


def _compression() -> str:
    return str(constants.config.get_config_value("DEFAULT_MODULE_COMPRESSION"))


def _key(name: str, shared: str) -> str:
    """Return a hash of a module, of all that it could import, and of what packs it; an empty text for none."""
    if not shared:
        return ""
    try:
        with open(os.path.join(modules_folder(), f"{name}.py"), "rb") as file:
            return hashlib.sha256(f"{name} {_compression()} {shared} ".encode() + file.read()).hexdigest()
    except OSError:
        return ""


def sources_of_run() -> str:
    """Return `sources` as they were when this run asked first: looking at all of them takes a part of a small task."""
    place = os.path.join(run_folder(), "phoenix-sources")
    with contextlib.suppress(OSError), open(place, encoding="ascii") as file:
        return file.read()
    found = sources()
    lay(place, found.encode())
    return found


def sources() -> str:
    """Return the part of the hash that all modules have; an empty text where something else could go into them."""
    own = os.path.join(_CORE, "module_utils")
    if any(path != own and os.path.isdir(path) for path in module_utils_loader.print_paths().split(os.pathsep)):
        return ""
    try:
        with open(os.path.join(_CORE, "executor", "module_common.py"), "rb") as file:
            packer = hashlib.sha256(file.read()).hexdigest()
        code = unchanged.seen([own, _OURS])
    except OSError:
        return ""
    text = f"{core_version} {sys.version} {_CORE} {_HOME} {_HOOK} {packer} {code}"
    return hashlib.sha256(text.encode()).hexdigest() if code else ""
