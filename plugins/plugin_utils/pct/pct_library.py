# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's library in the warm interpreter, imported once and given to each module that brings the same files.

The first part of the program in the container; pct_helper.py is the second.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import importlib.machinery
import io
import os
import pathlib
import re
import shutil
import sys
import tempfile
import types
import typing as t
import zipfile
import zipimport

# In an AnsiballZ module, the archive is a line of its own.
ARCHIVE = re.compile(rb"^zip_data='([A-Za-z0-9+/=]+)',?$", re.MULTILINE)
# What is imported ahead; six, which places an importer of its own, is not.
PACKAGES = frozenset(
    ("_internal", "_text", "basic", "common", "compat", "errors", "facts", "parsing", "service", "urls")
)
PREFIX = "ansible."


class Library:
    """Modules of Ansible that are imported already, for those archives that hold the same files.

    A finder for ``sys.meta_path``: the first import of a module gives what is in memory, placed in the archive.
    """

    def __init__(self) -> None:
        self._kept: dict[str, types.ModuleType] = {}
        self._files: dict[str, tuple[int, int]] = {}
        """By a file's path in the archive: its checksum and its size."""
        self._paths: list[tuple[types.ModuleType, str]] = []
        """Variables of modules that hold a path in the archive from which these were imported."""
        self._home = ""
        self._seen: set[bytes] = set()
        self._archives: dict[str, bool] = {}

    def extend(self, payload: bytes) -> bool:
        """Import what this module brings of Ansible's library. Returns whether anything was to be imported."""
        found = ARCHIVE.search(payload)
        digest = hashlib.sha256(found.group(1)).digest() if found else b""
        if found is None or digest in self._seen:
            return False
        self._seen.add(digest)
        data = base64.b64decode(found.group(1))
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = _files(archive)
        names = [name for name in map(_module, files) if name and name not in self._kept]
        if not names or not self._fits(files):
            return False
        if self._home:
            folder = os.path.dirname(self._home)
            os.mkdir(folder, 0o700)
        else:
            folder = tempfile.mkdtemp(prefix="ansible_phoenix_payload_")
            self._home = os.path.join(folder, "ansible_phoenix_payload.zip")
        try:
            with open(self._home, "wb") as file:
                file.write(data)
            self._import(names, files)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return True

    def _import(self, names: list[str], files: dict[str, tuple[int, int]]) -> None:
        sys.path.insert(0, self._home)
        try:
            for name in names:
                try:
                    importlib.import_module(name)
                except Exception:  # noqa: BLE001 - of another system, say: the task that wants it gets the error
                    continue
        finally:
            sys.path.remove(self._home)
            self._keep(files)
            _forget(self._home)
            self._archives.clear()

    def _keep(self, files: dict[str, tuple[int, int]]) -> None:
        """Take the modules out of Python's table, as if nothing had been imported."""
        for name in [name for name in sys.modules if (name + ".").startswith(PREFIX)]:
            module = sys.modules.pop(name)
            parent, _dot, last = name.rpartition(".")
            if parent in self._kept and vars(self._kept[parent]).get(last) is module:
                delattr(self._kept[parent], last)
            if name not in self._kept:
                self._kept[name] = module
                self._paths += [(module, key) for key, value in vars(module).items() if self._is_path(key, value)]
        for name in self._kept:
            for path in _paths(name):
                if path in files:
                    self._files[path] = files[path]

    def _is_path(self, key: str, value: object) -> bool:
        return not key.startswith("__") and isinstance(value, (str, pathlib.PurePath)) and self._home in str(value)

    def _fits(self, files: dict[str, tuple[int, int]]) -> bool:
        return all(files.get(path, known) == known for path, known in self._files.items())

    def find_spec(
        self, name: str, path: t.Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module of Ansible in the archive, and take it from memory if the archive holds the same."""
        if name not in self._kept:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or not isinstance(spec.loader, zipimport.zipimporter):
            return None
        archive = spec.loader.archive
        if archive not in self._archives:
            self._archives[archive] = self._enter(archive)
        if self._archives[archive]:
            module = self._kept[name]
            vars(module).update(__file__=spec.origin, __loader__=spec.loader)
            if spec.submodule_search_locations is not None:
                vars(module)["__path__"] = spec.submodule_search_locations
            spec.loader = _Kept(spec.loader, module)
        return spec

    def _enter(self, archive: str) -> bool:
        with zipfile.ZipFile(archive) as opened:
            if not self._fits(_files(opened)):
                return False
        for module, key in self._paths:
            value = vars(module)[key]
            setattr(module, key, type(value)(str(value).replace(self._home, archive)))
        return True


class _Kept:
    """A loader that finds its module loaded."""

    def __init__(self, loader: t.Any, module: types.ModuleType) -> None:
        self._loader, self._module = loader, module

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Return the module that is in memory."""
        return self._module

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing but leave the loader that a new import would have left."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._loader, name)


def _files(archive: zipfile.ZipFile) -> dict[str, tuple[int, int]]:
    return {one.filename: (one.CRC, one.file_size) for one in archive.infolist()}


def _module(path: str) -> str:
    """Return the name of the module that a file of the archive is and that may be imported ahead, '' for another."""
    words = path[:-3].split("/") if path.endswith(".py") else []
    if words[-1:] == ["__init__"]:
        words.pop()
    return ".".join(words) if words[:2] == ["ansible", "module_utils"] and {*words[2:3]} <= PACKAGES else ""


def _paths(module: str) -> tuple[str, str]:
    path = module.replace(".", "/")
    return f"{path}.py", f"{path}/__init__.py"


def _forget(archive: str) -> None:
    """Leave nothing of an archive in Python's caches."""
    for path in [path for path in sys.path_importer_cache if path.startswith(archive)]:
        del sys.path_importer_cache[path]
    cache = getattr(zipimport, "_zip_directory_cache", {})
    cache.pop(archive, None)
