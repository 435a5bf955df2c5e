# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one reader of what a command inside a guest answers: bounded in bytes on both streams and in time.

Past a bound, the command is ended with all that it started, inside the guest too.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from ..failure import NodeError
from .processes import Tree

LIMIT = 1 << 20
"""Bytes that a stream may have, where the caller says nothing."""
_CHUNK = 65536


class BoundError(NodeError):
    """The command could not be started, or went past a bound and was ended. ``why`` is a phrase for a message."""

    def __init__(self, why: str, output: bytes = b"") -> None:
        self.why = why
        self.output = output
        super().__init__(why)


@dataclass(frozen=True)
class Answer:
    """How a command ended: its exit code, -n for signal n, and its streams, each within the limit."""

    code: int
    stdout: bytes
    stderr: bytes


def run(
    words: Sequence[str],
    timeout: float,
    data: bytes = b"",
    source: IO[bytes] | int | None = None,
    limit: int = LIMIT,
    tail: int = 0,
) -> Answer:
    """Run a command to its end, at most so many seconds. Its input is ``data``, or the file ``source``.

    A stream longer than ``limit`` bytes is an error. With ``tail``, both streams are read as one, and only so many
    bytes of its end are kept. Output that background processes hold open is not waited for. Raises BoundError.
    """
    stdin = source if source is not None else subprocess.PIPE if data else subprocess.DEVNULL
    stderr = subprocess.STDOUT if tail else subprocess.PIPE
    try:
        process = subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True)
    except OSError as error:
        raise BoundError(f"{words[0]} can't be started: {error.strerror}") from None
    reader = _Reader(process, limit, tail)
    try:
        reader.read(data, time.monotonic() + timeout, timeout)
    finally:
        if process.poll() is None:
            Tree([process.pid]).end(reap=process.poll)
        reader.close()
    return Answer(process.returncode, *reader.streams())


class _Reader:
    """Reads both streams of a process, and feeds its input, without ever keeping more than the limit."""

    def __init__(self, process: subprocess.Popen[bytes], limit: int, tail: int) -> None:
        self._process = process
        self._limit = limit
        self._tail = tail
        self._kept: dict[int, bytearray] = {}
        self._seen: dict[int, int] = {}
        self._end = os.pidfd_open(process.pid)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                self._kept[stream.fileno()] = bytearray()
                self._seen[stream.fileno()] = 0

    def read(self, data: bytes, deadline: float, timeout: float) -> None:
        """Read until the process has ended and nothing more is ready. Raises BoundError past a bound."""
        left, ended = memoryview(data), False
        with selectors.DefaultSelector() as ready:
            for handle in (*self._kept, self._end):
                ready.register(handle, selectors.EVENT_READ)
            if self._process.stdin is not None:
                os.set_blocking(self._process.stdin.fileno(), False)
                ready.register(self._process.stdin, selectors.EVENT_WRITE)
            while True:
                events = ready.select(0 if ended else max(0.0, deadline - time.monotonic()))
                for key, _mask in events:
                    if key.fd == self._end:
                        ended = True
                        ready.unregister(self._end)
                        self._process.wait()
                    elif key.fileobj is self._process.stdin:
                        left = self._feed(left)
                        if not left:
                            ready.unregister(key.fileobj)
                    elif not self._take(key.fd):
                        ready.unregister(key.fd)
                if ended and not events:
                    return
                if time.monotonic() >= deadline:
                    raise BoundError(f"did not end within {timeout:g} s and was ended", self._newest())

    def _feed(self, left: memoryview) -> memoryview:
        stdin = self._process.stdin
        if stdin is None:
            return left[:0]
        try:
            left = left[os.write(stdin.fileno(), left[:_CHUNK]) :]
        except BlockingIOError:
            return left
        except OSError:
            left = left[:0]  # it ended without reading everything, which its exit code explains
        if not left:
            with contextlib.suppress(OSError):
                stdin.close()
        return left

    def _take(self, handle: int) -> bool:
        chunk = os.read(handle, _CHUNK)
        kept = self._kept[handle]
        kept += chunk
        self._seen[handle] += len(chunk)
        if self._tail:
            del kept[: -self._tail]
        if self._seen[handle] > self._limit:
            raise BoundError(f"wrote more than {self._limit} bytes and was ended", self._newest())
        return bool(chunk)

    def _newest(self) -> bytes:
        return next((bytes(kept) for kept in self._kept.values() if kept), b"") if self._tail else b""

    def streams(self) -> tuple[bytes, bytes]:
        """Return what was kept of standard output and of standard error."""
        first, second = (*self._kept.values(), bytearray())[:2]
        return bytes(first), bytes(second)

    def close(self) -> None:
        """Let go of everything: whoever still writes there gets an error."""
        os.close(self._end)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
