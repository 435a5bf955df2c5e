# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fetches one file so that it can be gone on with at any time, and checks it against what its source says of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, replace
from typing import Any

from ..._core.host.storage.model_files import Model, ModelError, ModelFile
from ..waiting import CLOCK
from .hub import Source, TransferError

ATTEMPTS = 6  # without a byte of progress between them
PAUSE = 2.0  # seconds after the first; doubled each time
PART = ".part"
READ = 1024 * 1024


class Hashes:
    """The SHA-256 of a file, and the id that git gives it, while it comes in."""

    def __init__(self, size: int | None) -> None:
        self._sha256 = hashlib.sha256()
        self._blob = hashlib.sha1(usedforsecurity=False)
        self._blob.update(b"blob %d\0" % (size or 0))

    def update(self, data: bytes) -> None:
        """The next bytes."""
        self._sha256.update(data)
        self._blob.update(data)

    def against(self, file: ModelFile) -> tuple[str, str]:
        """(the SHA-256, what is wrong with it)."""
        digest = self._sha256.hexdigest()
        if file.sha256 and digest != file.sha256:
            return digest, f"its SHA-256 is {digest}, and {file.sha256} was announced"
        if len(file.blob) == 40 and file.size is not None and self._blob.hexdigest() != file.blob:
            return digest, f"its git id is {self._blob.hexdigest()}, and {file.blob} was announced"
        return digest, ""


@dataclass(frozen=True)
class Download:
    """Fetches files of one commit into a folder."""

    source: Source
    model: Model
    commit: str
    folder: str
    pause: float = PAUSE

    def fetch(self, file: ModelFile) -> ModelFile:
        """The file is there, whole and checked; returns it with size and SHA-256. Raises ModelError."""
        target = os.path.join(self.folder, file.name)
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        for last in (False, True):
            size, hashes = self._transfer(file, target + PART)
            digest, problem = hashes.against(file)
            if not problem and file.size is not None and size != file.size:
                problem = f"it has {size} bytes, and {file.size} were announced"
            if not problem:
                os.rename(target + PART, target)
                return replace(file, size=size, sha256=digest)
            os.unlink(target + PART)  # an earlier run's beginning may have been another file's
            if last:
                raise ModelError(f"{self.model.name}: {file.name} came in wrong twice: {problem}")
        raise AssertionError  # the loop returns or raises

    def _transfer(self, file: ModelFile, part: str) -> tuple[int, Hashes]:
        attempts, pause = 0, self.pause
        while True:
            before = _size(part)
            try:
                return self._once(file, part)
            except TransferError as error:
                if _size(part) > before:
                    attempts, pause = 0, self.pause
                attempts += 1
                if attempts >= ATTEMPTS:
                    raise ModelError(f"{error}; given up after {attempts} attempts, the next run continues") from None
                CLOCK.sleep(pause)
                pause *= 2

    def _once(self, file: ModelFile, part: str) -> tuple[int, Hashes]:
        """Continue at the end of the existing part. Without a size from the server, begin again: the end is unknown."""
        hashes = Hashes(file.size)
        with _opened(part) as out:
            if file.size is None:
                out.truncate()
            while data := out.read(READ):
                hashes.update(data)
            done = out.tell()
            if file.size is None or done < file.size:
                for chunk in self.source.read(self.model, self.commit, file, done):
                    if not chunk:  # from the beginning after all
                        out.seek(0)
                        out.truncate()
                        hashes = Hashes(file.size)
                    out.write(chunk)
                    hashes.update(chunk)
            size = out.tell()
            if file.size is not None and size < file.size:
                raise TransferError(f"{file.name}: {file.size - size} bytes are missing")
            out.flush()
            os.fsync(out.fileno())
        return size, hashes


@contextlib.contextmanager
def _opened(part: str) -> Any:
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, "r+b") as out:
        os.fchmod(out.fileno(), 0o644)
        yield out


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
