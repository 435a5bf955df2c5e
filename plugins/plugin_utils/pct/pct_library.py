# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's library in the warm interpreter, imported once and given to each module that brings the same files.

The first part of the program in the container; pct_helper.py is the second.
"""

from __future__ import annotations

import _ast
import base64
import contextlib
import gc
import hashlib
import importlib
import importlib.machinery
import importlib.util
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
# What is imported ahead of Ansible's; six, which places an importer of its own, is not.
PACKAGES = frozenset(
    ("_internal", "_text", "basic", "common", "compat", "errors", "facts", "parsing", "service", "urls")
)
# So many archives are kept as they came, at about 160 KB each.
TEXTS = 16
PREFIXES = ("ansible.", "ansible_collections.")
# This collection's own, which is as free of state as Ansible's.
OWN = ("ansible_collections", "phoenix", "hypervisor", "plugins", "module_utils")
# What does nothing when it is imported; Python before 3.10 does not list its library.
STANDARD = frozenset(getattr(sys, "stdlib_module_names", ())) - {"antigravity", "this"}
# Brings more than what all modules have (module_utils/_node/bytecode.py), so each module runs its own.
OUTER = "ansible/__init__.py"


class Library:
    """Modules of Ansible that are imported already, for those modules that bring the same files.

    A finder for ``sys.meta_path``: the first import of a module gives what is in memory, placed in the archive. What
    else the archive has is compiled in memory, and run by whoever imports it.
    """

    def __init__(self) -> None:
        self._kept: dict[str, types.ModuleType] = {}
        self._codes: dict[tuple[str, int, int], types.CodeType] = {}
        """By a file's path in the archive, its checksum and its size."""
        self._files: dict[str, tuple[int, int]] = {}
        """The files of the modules that are kept: path, checksum and size."""
        self._paths: list[tuple[types.ModuleType, str]] = []
        """Variables of modules that hold a path in the archive from which these were imported."""
        self._home = ""
        self._placed = ""
        self._archives: dict[bytes, dict[str, tuple[int, int]]] = {}
        """The files of each archive that was seen, by its digest."""
        self._texts: dict[bytes, str] = {}
        """The latest of these archives as programs bring them."""
        self._current: dict[str, tuple[int, int]] = {}
        self._listing: tuple[str, _Listing] | None = None

    def extend(self, payload: bytes) -> bool:
        """Import what this module brings of Ansible's library. Returns whether anything was to be imported."""
        self._current = {}
        found = ARCHIVE.search(payload)
        if found is None:
            return False
        digest = hashlib.sha256(found.group(1)).digest()
        new = digest not in self._archives
        if new:
            data = base64.b64decode(found.group(1))
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                files = {one.filename: (one.CRC, one.file_size) for one in archive.infolist()}
                if self._fits(files):
                    gc.disable()  # what is loaded stays: to look for garbage in it takes a tenth of the time
                    try:
                        self._import(data, archive, files)
                    finally:
                        gc.enable()
            self._archives[digest] = files
            self._texts[digest] = found.group(1).decode("ascii")
            if len(self._texts) > TEXTS:
                del self._texts[next(iter(self._texts))]
        self.choose(digest)
        return new

    def has(self, digest: bytes) -> bool:
        """Return whether a program may come without the archive of this digest."""
        return digest in self._texts

    def choose(self, digest: bytes) -> str:
        """Use the archive of this digest. Returns the archive as programs bring it, '' when it is not kept."""
        files = self._archives.get(digest, {})
        self._current = files if self._fits(files) else {}
        self._listing = None
        return self._texts.get(digest, "")

    def without_archive(self, payload: bytes, hole: t.Callable[[bytes], str]) -> tuple[bytes, bytes]:
        """Return a program with a word in place of an archive that is kept, and the archive's digest."""
        found = ARCHIVE.search(payload)
        if found is None:
            return payload, b""
        digest = hashlib.sha256(found.group(1)).digest()
        if digest not in self._texts:
            return payload, digest
        return payload[: found.start(1)] + hole(digest).encode() + payload[found.end(1) :], digest

    def module(self, name: str) -> types.ModuleType | None:
        """Return a module that is in memory."""
        return self._kept.get(name)

    def _fits(self, files: dict[str, tuple[int, int]]) -> bool:
        return all(files.get(path, known) == known for path, known in self._files.items())

    def _import(self, data: bytes, archive: zipfile.ZipFile, files: dict[str, tuple[int, int]]) -> None:
        if self._home:
            folder = os.path.dirname(self._home)
            os.mkdir(folder, 0o700)
        else:
            folder = tempfile.mkdtemp(prefix="ansible_phoenix_payload_")
            self._home = os.path.join(folder, "ansible_phoenix_payload.zip")
        try:
            with open(self._home, "wb") as file:
                file.write(data)
            sys.path.insert(0, self._home)
            self._current, self._listing = files, None
            for name in filter(None, map(_module, files)):
                with contextlib.suppress(Exception):  # of another system, say: the task that wants it gets the error
                    importlib.import_module(name)
        finally:
            sys.path[:] = [path for path in sys.path if path != self._home]
            self._keep(files)
            _forget(self._home)
            shutil.rmtree(folder, ignore_errors=True)  # of this task alone; a full disk must not fail it
        for path, known in files.items():
            if path.endswith(".py") and path not in self._files and (path, *known) not in self._codes:
                with contextlib.suppress(SyntaxError, ValueError):
                    place = f"{self._home}/{path}"
                    source = archive.read(path)
                    tree: t.Any = compile(source, place, "exec", _ast.PyCF_ONLY_AST, dont_inherit=True)
                    self._codes[(path, *known)] = compile(tree, place, "exec", dont_inherit=True)
                    _import_standard(tree)

    def _keep(self, files: dict[str, tuple[int, int]]) -> None:
        """Take the modules out of Python's table, as if nothing had been imported."""
        for name in [name for name in sys.modules if f"{name}.".startswith(PREFIXES)]:
            module = sys.modules.pop(name)
            if OUTER in _paths(name):
                continue
            parent, _dot, last = name.rpartition(".")
            if parent in self._kept and vars(self._kept[parent]).get(last) is module:
                delattr(self._kept[parent], last)
            if name not in self._kept:
                self._kept[name] = module
                self._paths += [(module, key) for key, value in vars(module).items() if self._is_path(key, value)]
        for name in self._kept:
            self._files.update({path: files[path] for path in _paths(name) if path in files})

    def _is_path(self, key: str, value: object) -> bool:
        return not key.startswith("__") and isinstance(value, (str, pathlib.PurePath)) and self._home in str(value)

    def find_spec(
        self, name: str, path: t.Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module in memory, if the archive that is first in the path has it. Else Python looks as ever."""
        archive = sys.path[0] if self._current and sys.path else ""
        entry = archive if path is None else next(iter(path), "")
        if not archive.endswith(".zip") or not f"{entry}/".startswith(f"{archive}/"):
            return None
        file = next((file for file in _paths(name) if file in self._current), "")
        module, code = self._kept.get(name), self._codes.get((file, *self._current.get(file, (0, 0))))
        if not file or (module is None and code is None):
            return None
        self._place(archive)
        folders = [f"{archive}/{file[:-12]}"] if file.endswith("/__init__.py") else None
        loader = _Known(self._importer(archive, entry), module, code)
        return importlib.util.spec_from_file_location(
            name, f"{archive}/{file}", loader=t.cast(t.Any, loader), submodule_search_locations=folders
        )

    def _importer(self, archive: str, entry: str) -> t.Any:
        found: t.Any = sys.path_importer_cache.get(entry)
        if found is None and _read is None:
            found = sys.path_importer_cache[entry] = zipimport.zipimporter(entry)
        elif found is None:
            if self._listing is None or self._listing[0] != archive:
                self._listing = archive, _Listing(archive, self._current)
            prefix = entry[len(archive) + 1 :]
            found = _Importer(archive, prefix and prefix.rstrip("/") + "/", self._listing[1])
            sys.path_importer_cache[entry] = found
        return found

    def _place(self, archive: str) -> None:
        if archive not in (self._home, self._placed):
            self._placed = archive
            for module, key in self._paths:
                value = vars(module)[key]
                setattr(module, key, type(value)(str(value).replace(self._home, archive)))


# Python's own, for as long as it has one.
_read: t.Any = getattr(zipimport, "_read_directory", None)


class _Listing(dict):  # type: ignore[type-arg]  # of Python's own private form
    """The files of an archive as zipimport lists them, which are read only when it asks for more than names."""

    def __init__(self, archive: str, names: t.Iterable[str]) -> None:
        super().__init__(dict.fromkeys((*names, "sitecustomize.py")))
        if sys.version_info >= (3, 12):  # whose later releases list the folders, too
            self.update({name[: at + 1]: None for name in names for at, sign in enumerate(name) if sign == "/"})
        self._archive = archive

    def __getitem__(self, name: str) -> t.Any:
        if super().__getitem__(name) is None:
            self.update(_read(self._archive))
        return super().__getitem__(name)


class _Importer(zipimport.zipimporter):
    """An importer for an archive whose files are known."""

    def __init__(self, archive: str, prefix: str, files: _Listing) -> None:
        self.archive, self.prefix, self._files = archive, prefix, files

    def _get_files(self) -> _Listing:
        return self._files

    def get_filename(self, fullname: str) -> str:
        """Return a module's file, without reading it as zipimport would."""
        path = self.prefix + fullname.rpartition(".")[2]
        for one in (f"{path}/__init__.py", f"{path}.py"):
            if one in self._files and f"{one}c" not in self._files:
                return f"{self.archive}/{one}"
        return super().get_filename(fullname)


class _Known:
    """A loader whose module is in memory, or its code."""

    def __init__(self, loader: t.Any, module: types.ModuleType | None, code: types.CodeType | None) -> None:
        self._loader, self._module, self._code = loader, module, code

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        """Return the module that is in memory."""
        if self._module is not None:
            vars(self._module).update(__file__=spec.origin, __loader__=self._loader)
            if spec.submodule_search_locations is not None:
                vars(self._module)["__path__"] = spec.submodule_search_locations
        return self._module

    def exec_module(self, module: types.ModuleType) -> None:
        """Leave the loader that an import from the archive would have left, and run what has not been run."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        if self._module is None and self._code is not None:
            exec(self._code, vars(module))  # noqa: S102 - it is what importing does

    def get_code(self, name: str) -> types.CodeType:
        """Return the code, for runpy."""
        return self._loader.get_code(name) if self._code is None else self._code

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._loader, name)


def _import_standard(tree: _ast.Module) -> None:
    """Import what a module imports of Python's own library when it is imported itself."""
    for node in tree.body:
        names: list[str] = []
        if isinstance(node, _ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, _ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            if name.partition(".")[0] in STANDARD:
                with contextlib.suppress(Exception):  # the module gets the error
                    importlib.import_module(name)


def _module(path: str) -> str:
    """Return the name of the module that a file of the archive is and that may be imported ahead, '' for another."""
    words = path[:-3].split("/") if path.endswith(".py") else []
    if words[-1:] == ["__init__"]:
        words.pop()
    known = words[:2] == ["ansible", "module_utils"] and {*words[2:3]} <= PACKAGES
    return ".".join(words) if known or tuple(words[: len(OWN)]) == OWN else ""


def _paths(module: str) -> tuple[str, str]:
    path = module.replace(".", "/")
    return f"{path}/__init__.py", f"{path}.py"


def _forget(archive: str) -> None:
    """Leave nothing of an archive in Python's caches."""
    for path in [path for path in sys.path_importer_cache if path.startswith(archive)]:
        del sys.path_importer_cache[path]
    cache = getattr(zipimport, "_zip_directory_cache", {})
    cache.pop(archive, None)
