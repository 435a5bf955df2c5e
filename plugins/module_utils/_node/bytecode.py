# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the node's Python makes of a module's source, kept on the node for the next call of that module.

A module comes with all that it imports as source in an archive, and Python compiles every file of it in every call: two
thirds of what a short module costs. Each code is used for the very same source only: by the digest of an archive that
has been here before, for which nothing of it is read, else by Python's own hash of the source. A call that finds
nothing, or can write nothing, runs as without. Check mode writes nothing.

This is imported before all else, so it imports nothing of the collection.
"""

from __future__ import annotations

import _imp
import atexit
import contextlib
import importlib.machinery
import importlib.util
import marshal
import os
import stat
import sys
import zipimport
from types import CodeType, ModuleType
from typing import Any, Callable

FOLDER = "/var/cache/phoenix_hypervisor/bytecode"
PREFIX = "ansible"
Compile = Callable[[str, bytes], CodeType]
Codes = dict[str, tuple[bytes, bytes, str]]


class Kept:
    """The codes of one module's archive: path in it -> hash of the source, the code as Python writes it, and the digest
    of the archive that has been seen to have that source.

    The file has far more codes than a call that finds nothing to do uses, so each is read when it is asked for.
    """

    def __init__(self, path: str, make: Compile, archive: str = "") -> None:
        self._path = path
        self._make = make
        self._archive = archive
        self._found: Codes | None = None
        self._latest: tuple[str, bytes, CodeType] | None = None
        self._fresh = False

    @property
    def make(self) -> Compile:
        """What compiles without this."""
        return self._make

    def compile(self, path: str, source: bytes) -> CodeType:
        """Do what zipimport does: return the code of a source. ``path``: of the archive, then in it."""
        name = path.rpartition(f".zip{os.sep}")[2]
        own = _imp.source_hash(0, source)
        # zipimport asks twice: where a module is from, and for what to run.
        if self._latest is not None and self._latest[:2] == (name, own):
            return self._latest[2]
        code = _code_of(self._codes.get(name), own)
        if code is None:
            code = self._make(path, source)
            self._codes[name] = (own, marshal.dumps(code), self._archive)
            self._fresh = True
        elif self._codes[name][2] != self._archive:
            self._codes[name] = (own, self._codes[name][1], self._archive)
            self._fresh = True
        self._latest = (name, own, code)
        return code

    def code(self, name: str) -> CodeType | None:
        """Return the code of a file of this very archive; None where it must be looked for in there."""
        known: Any = self._codes.get(name)
        return _code_of(known, known[0]) if _is_entry(known) and known[2] == self._archive else None

    @property
    def _codes(self) -> Codes:
        if self._found is None:
            self._found = _read(self._path)
        return self._found

    def write(self) -> None:
        """Keep what this call has compiled."""
        if not self._fresh:
            return
        folder = os.path.dirname(self._path)
        with contextlib.suppress(OSError, ValueError):
            os.makedirs(os.path.dirname(folder), mode=0o755, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, mode=0o700)
            if not _is_own(os.lstat(folder)):
                return
            temporary = f"{self._path}.{os.getpid()}"
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(marshal.dumps(self._codes))
                os.rename(temporary, self._path)
            except BaseException:
                os.unlink(temporary)
                raise


class Importer:
    """Imports what an archive has from the codes that are kept of it, without reading the archive.

    It stands before Python's own search of paths. What it does not have is found there.
    """

    def __init__(self, home: str, kept: Kept) -> None:
        self._home = home
        self._kept = kept
        self._ready: dict[str, tuple[str, CodeType]] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Find a module of the archive."""
        if not name.startswith(PREFIX):
            return None
        place = name.replace(".", "/")
        for file, folders in ((f"{place}/__init__.py", [f"{self._home}/{place}"]), (f"{place}.py", None)):
            code = self._kept.code(file)
            if code is not None:
                origin = f"{self._home}/{file}"
                self._ready[name] = origin, code
                loader: Any = self
                return importlib.util.spec_from_file_location(
                    name, origin, loader=loader, submodule_search_locations=folders
                )
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Let Python make the module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run it."""
        exec(self.get_code(module.__name__), vars(module))  # noqa: S102 - it is what importing does

    def get_code(self, name: str) -> CodeType:
        """Return the code of a module that was found, for runpy too."""
        return self._ready[name][1]

    def get_data(self, path: str) -> bytes:
        """Return a file of the archive."""
        return zipimport.zipimporter(self._home).get_data(path)

    def get_source(self, name: str) -> str:
        """Return a module's source, for the lines of a traceback."""
        return self.get_data(self._ready[name][0]).decode()


_kept: list[Kept] = []
_importers: list[Importer] = []


def use(module: str, archive: str = "") -> None:
    """Compile the archive that this process imports from once only. ``module``: its name, ``archive``: its digest."""
    make: Any = getattr(zipimport, "_compile_source", None)
    magic = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
    if make is None or os.geteuid() or _kept:
        return
    _kept.append(Kept(os.path.join(FOLDER, f"{module}-{sys.implementation.cache_tag}-{magic}.codes"), make, archive))
    zipimport._compile_source = _kept[0].compile  # type: ignore[attr-defined]  # zipimport has no other place for it
    home, ending, _file = __file__.rpartition(f".zip{os.sep}")
    if archive and ending:
        importer: Any = Importer(f"{home}.zip", _kept[0])
        _importers.append(importer)
        # Behind what gives modules from memory (the Python that waits), before what looks into the archive.
        finders: list[Any] = sys.meta_path
        paths = importlib.machinery.PathFinder
        finders.insert(finders.index(paths) if paths in finders else len(finders), importer)


def is_used() -> bool:
    """Return whether this process was started in a way that lets it keep anything."""
    return bool(_kept)


def keep() -> None:
    """Write at the end of this process what it has compiled."""
    for kept in _kept:
        atexit.register(kept.write)


def leave() -> None:
    """Write what was compiled, and compile without: this process goes on with other modules."""
    while _importers:
        importer: Any = _importers.pop()
        sys.meta_path.remove(importer)
    while _kept:
        kept = _kept.pop()
        kept.write()
        zipimport._compile_source = kept.make  # type: ignore[attr-defined]  # where use() has put another


def _code_of(known: Any, own: bytes) -> CodeType | None:
    """Return a kept code, if it is that of the source with this hash."""
    if not _is_entry(known) or known[0] != own:
        return None
    with contextlib.suppress(EOFError, ValueError, TypeError):
        code = marshal.loads(known[1])  # noqa: S302 - only this user can have written it
        return code if isinstance(code, CodeType) else None
    return None


def _is_entry(known: Any) -> bool:
    return isinstance(known, tuple) and len(known) == 3


def _read(path: str) -> Codes:
    """Return the codes that only this user can have written."""
    try:
        folder = os.lstat(os.path.dirname(path))
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if not all(_is_own(one) for one in (folder, found)) or not stat.S_ISREG(found.st_mode):
                return {}
            # As a whole: marshal reads a file in thousands of small pieces.
            codes = marshal.loads(file.read())  # noqa: S302 - only this user can have written it
        return codes if isinstance(codes, dict) else {}
    except (OSError, EOFError, ValueError, TypeError):
        return {}


def _is_own(found: os.stat_result) -> bool:
    return not stat.S_ISLNK(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
