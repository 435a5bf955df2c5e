# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module for a container whose warm interpreter serves already, without a command on the node.

The guard of that interpreter listens on the node (pct_listen.py says how, and in which words). The open connection
leads to its socket. A run notes where that is, when a command has said so. The archive of a module is left out: most
tasks bring one that the interpreter has.

The guard refuses whatever is not as it should be before anything has run. So does a node without such a socket. Then
the module comes as a command, and the note is forgotten.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import select
import socket
import struct
import tempfile

from .sessions import CHUNK, UnusableError, connected, greets, written

HEAD = 160
"""Bytes of the head of a request, as pct_listen.py has it."""
ARCHIVE = b"\nzip_data='"
ENDINGS = {b"x": "ran", b"l": "late", b"f": "flood"}
FRAME = struct.Struct(">cI")


class LostError(Exception):
    """The connection to the node was lost, and nobody knows whether the module has begun."""


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The bytes that each stream may have, and the seconds."""

    output: int
    errors: int
    seconds: int


@dataclasses.dataclass
class Answer:
    """What a module said and how it ended: its exit code, and the word of an ending past a bound."""

    rc: int | None = None
    output: list[bytes] = dataclasses.field(default_factory=list)
    errors: list[bytes] = dataclasses.field(default_factory=list)
    ending: str = "ran"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a guard listens: the socket of the open connection here, and its own on the node."""

    connection: str
    socket: str


class Note:
    """What a run knows of the guard for one container, one way to its node and one Python."""

    def __init__(self, folder: str, *key: object) -> None:
        name = hashlib.sha256(json.dumps([str(part) for part in key]).encode()).hexdigest()[:24]
        self._path = os.path.join(folder, f"phoenix-guard-{name}")

    def read(self) -> Place | None:
        """Return the place that an earlier task has noted."""
        try:
            with open(self._path, encoding="utf-8") as file:
                return Place(*file.read().split("\n")[:2])
        except (OSError, TypeError, ValueError):
            return None

    def write(self, place: Place) -> None:
        """Note a place. Without one the next task comes as a command, too."""
        with contextlib.suppress(OSError):
            handle, name = tempfile.mkstemp(dir=os.path.dirname(self._path))
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"{place.connection}\n{place.socket}\n")
            os.replace(name, self._path)

    def forget(self) -> None:
        """Have none."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)


def without_archive(payload: bytes) -> tuple[bytes, str]:
    """Return a module with a word in place of its archive, and the archive's digest; a dash where it has none."""
    start = payload.find(ARCHIVE) + len(ARCHIVE)
    end = payload.find(b"'", start)
    if start < len(ARCHIVE) or end < 0:
        return payload, "-"
    digest = hashlib.sha256(payload[start:end]).hexdigest()
    return payload[:start] + f"archive {digest}".encode() + payload[end:], digest


def run(place: Place, payload: bytes, bounds: Bounds, folder: str, patience: float) -> Answer | None:
    """Run a module by the guard. Returns None when it has not begun, and never will. Raises LostError.

    ``folder``: one of this run alone; ``patience``: seconds for the answers of the open connection's ssh.
    """
    try:
        with connected(place.connection, place.socket, folder, patience) as guard:
            talk = Talk(guard, payload, bounds)
            talk.to_its_end()
    except UnusableError:
        return None
    if talk.is_refused or (not talk.has_begun and greets(place.connection, patience)):
        return None
    if talk.answer.rc is None:
        if not greets(place.connection, patience):
            raise LostError
        talk.answer.rc = 137  # the relay on the node was killed
    return talk.answer


class Talk:
    """What goes to and fro on one connection."""

    def __init__(self, guard: socket.socket, payload: bytes, bounds: Bounds) -> None:
        rest, digest = without_archive(payload)
        head = f"{bounds.output} {bounds.errors} {bounds.seconds} {len(rest)} {len(payload)} {digest}"
        self._guard = guard.fileno()
        self._left = memoryview(head.ljust(HEAD).encode() + rest)
        self._whole = payload
        self._buffer = b""
        self.answer = Answer()
        self.has_begun = False
        self.is_refused = False
        os.set_blocking(self._guard, False)

    def to_its_end(self) -> None:
        """Say and hear all of it."""
        while self.goes_on():
            pass

    def goes_on(self) -> bool:
        """Move what can be moved. Returns whether more is to come."""
        reading, writing, _other = select.select([self._guard], [self._guard] if self._left else [], [])
        if writing:
            self._left = written(self._guard, self._left)
        if reading:
            try:
                data = os.read(self._guard, CHUNK)
            except OSError:  # it was refused with something unread
                return False
            if not data:
                return False
            self._buffer += data
        while len(self._buffer) >= FRAME.size:
            kind, value = FRAME.unpack_from(self._buffer)
            size = FRAME.size + (value if kind in b"oe" else 0)
            if len(self._buffer) < size:
                break
            data, self._buffer = self._buffer[FRAME.size : size], self._buffer[size:]
            if not self._take(kind, value, data):
                return False
        return True

    def _take(self, kind: bytes, value: int, data: bytes) -> bool:
        """Take a frame. Returns whether another one may follow."""
        if kind == b"o":
            self.answer.output.append(data)
        elif kind == b"e":
            self.answer.errors.append(data)
        elif kind == b"a":
            self._left = memoryview(bytes(self._left) + self._whole)
        elif kind == b"g":
            self.has_begun = True
        elif kind == b"n":
            self.is_refused = not self.has_begun
        elif kind in ENDINGS:
            self.answer.rc, self.answer.ending = value, ENDINGS[kind]
        return kind not in b"nlfz"
