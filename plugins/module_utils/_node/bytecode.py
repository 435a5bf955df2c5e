# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the node's Python makes of a module's source, kept on the node for the next call of that module.

A module comes with all that it imports as source in an archive, and Python compiles every file of it in every call: two
thirds of what a short module costs. Each code is used for the very same source only, by Python's own hash of it. A call
that finds nothing, or can write nothing, runs as without. Check mode writes nothing.

This is imported before all else, so it imports nothing of the collection.
"""

from __future__ import annotations

import _imp
import atexit
import contextlib
import importlib.util
import marshal
import os
import stat
import sys
import zipimport
from types import CodeType
from typing import Any, Callable

FOLDER = "/var/cache/phoenix_hypervisor/bytecode"
Compile = Callable[[str, bytes], CodeType]


class Kept:
    """The codes of one module's archive: path in it -> hash of the source, and the code as Python writes it.

    The file has far more codes than a call that finds nothing to do uses, so each is read when it is asked for.
    """

    def __init__(self, path: str, make: Compile) -> None:
        self._path = path
        self._make = make
        self._codes: dict[str, tuple[bytes, bytes]] | None = None
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
        if self._codes is None:
            self._codes = _read(self._path)
        code = _code_of(self._codes.get(name), own)
        if code is None:
            code = self._make(path, source)
            self._codes[name] = (own, marshal.dumps(code))
            self._fresh = True
        self._latest = (name, own, code)
        return code

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


_kept: list[Kept] = []


def use(module: str) -> None:
    """Let the archive that this process imports from be compiled once. ``module``: its name."""
    make: Any = getattr(zipimport, "_compile_source", None)
    magic = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
    if make is None or os.geteuid() or _kept:
        return
    _kept.append(Kept(os.path.join(FOLDER, f"{module}-{sys.implementation.cache_tag}-{magic}.codes"), make))
    zipimport._compile_source = _kept[0].compile  # type: ignore[attr-defined]  # zipimport has no other place for it


def is_used() -> bool:
    """Return whether this process was started in a way that lets it keep anything."""
    return bool(_kept)


def keep() -> None:
    """Write at the end of this process what it has compiled."""
    for kept in _kept:
        atexit.register(kept.write)


def leave() -> None:
    """Write what was compiled, and compile without: this process goes on with other modules."""
    while _kept:
        kept = _kept.pop()
        kept.write()
        zipimport._compile_source = kept.make  # type: ignore[attr-defined]  # where use() has put another


def _code_of(known: object, own: bytes) -> CodeType | None:
    """Return a kept code, if it is that of the source with this hash."""
    if not isinstance(known, tuple) or len(known) != 2 or known[0] != own:
        return None
    with contextlib.suppress(EOFError, ValueError, TypeError):
        code = marshal.loads(known[1])  # noqa: S302 - only this user can have written it
        return code if isinstance(code, CodeType) else None
    return None


def _read(path: str) -> dict[str, tuple[bytes, bytes]]:
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
