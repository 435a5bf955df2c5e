# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm interpreter inside a container: a process that forks for each task, with Ansible's own library imported.

It runs in the container as ``python3 -c``, with the text of pct_library.py, pct_task.py and this file as program.
Standard input brings a line `TOKEN SIZE DIGEST` and then SIZE bytes, an AnsiballZ module as Ansible would write it to
the standard input of a new Python. With a digest, the module has a word in place of the archive that this digest is of;
a dash says that it is whole. The answer on standard output is `TOKEN ok`, `TOKEN wt` when that archive is not known and
the whole module is wanted, or `TOKEN no` when the Python of this process has been replaced meanwhile; then frames of a
letter, four bytes of a number and data: ``o`` and ``e`` with output and error output, ``x`` with the exit code, ``z``
when both streams are closed.

The module runs in a child that has what a new Python would have. The library is used from memory only where the
module's archive holds the very same files; all of them look as if imported from that archive.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import select
import signal
import struct
import sys
import termios
import typing as t
import zipfile

from .pct_library import Library
from .pct_task import identity, remember, run, settle

CHUNK = 65536
# Before a program in its process's pipe: its size, and the digest of the archive that it lacks, zeros for none.
HEADER = struct.Struct(">Q32s")
SET_SIZE = 1031  # F_SETPIPE_SZ, which Python has from 3.10 on


class Channel:
    """The two pipes to the node."""

    def __init__(self) -> None:
        self._read = b""

    def line(self) -> bytes:
        """Return the next line without its end, b'' when the channel is closed."""
        while b"\n" not in self._read:
            data = os.read(0, CHUNK)
            if not data:
                return b""
            self._read += data
        line, _newline, self._read = self._read.partition(b"\n")
        return line

    def take(self, size: int) -> bytes:
        """Return so many bytes. Ends the process when the channel closes before."""
        parts, self._read = [self._read[:size]], self._read[size:]
        missing = size - len(parts[0])
        while missing:
            data = os.read(0, min(missing, CHUNK))
            if not data:
                os._exit(1)
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    @staticmethod
    def send(data: bytes) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]

    def frame(self, kind: bytes, number: int, data: bytes = b"") -> bytes:
        """Return a frame."""
        return kind + struct.pack(">I", number) + data


def relay(channel: Channel, pid: int, streams: dict[int, bytes], wake: int) -> None:
    """Pass on what the task's process writes, and how it ends. When the channel breaks, it is ended."""
    poll = select.poll()
    for number in (*streams, wake):
        poll.register(number, select.POLLIN)
    poll.register(0, 0)
    ended = False
    while streams or not ended:
        for number, _event in poll.poll():
            if number == 0:
                os.kill(pid, signal.SIGKILL)
                os._exit(1)
            elif number == wake:
                os.read(wake, 64)
            else:
                data = os.read(number, CHUNK)
                if data:
                    channel.send(channel.frame(streams[number], len(data), data))
                else:
                    poll.unregister(number)
                    os.close(number)
                    del streams[number]
        if not ended:
            done, status = os.waitpid(pid, os.WNOHANG)
            ended = done == pid
            if ended:
                waiting = _waiting(channel, streams)
                code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                channel.send(waiting + channel.frame(b"x", code))
    channel.send(channel.frame(b"z", 0))


def _waiting(channel: Channel, streams: dict[int, bytes]) -> bytes:
    """Return in frames what a process that has ended left in its pipes."""
    found = b""
    for number, kind in streams.items():
        size = struct.unpack("i", fcntl.ioctl(number, termios.FIONREAD, b"\0\0\0\0"))[0]
        while size > 0:
            data = os.read(number, min(size, CHUNK))
            found += channel.frame(kind, len(data), data)
            size -= len(data) or size
    return found


class Task:
    """A task's process. It is forked ahead and waits for its program, so that no task waits for a fork."""

    def __init__(self, library: Library, wake: t.Iterable[int]) -> None:
        self._out, to_out = os.pipe()
        self._err, to_err = os.pipe()
        take, self._give = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            _await(library, take, to_out, to_err, (self._out, self._err, self._give, *wake))
        for number in (take, to_out, to_err):
            os.close(number)

    def give(self, payload: bytes, digest: bytes) -> bool:
        """Let it run a program. Returns False when it does not live."""
        data = memoryview(HEADER.pack(len(payload), digest) + payload)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._give, SET_SIZE, len(data))
        try:
            while data:
                data = data[os.write(self._give, data) :]
        except BrokenPipeError:
            self.drop()
            return False
        os.close(self._give)
        return True

    def drop(self) -> None:
        """End it, for it has no program."""
        for number in (self._give, self._out, self._err):
            os.close(number)
        os.waitpid(self.pid, 0)

    def streams(self) -> dict[int, bytes]:
        """Return what to read of it, and the kinds of its frames."""
        return {self._out: b"o", self._err: b"e"}


def _await(library: Library, take: int, out: int, err: int, close: t.Iterable[int]) -> t.NoReturn:
    """Be a task's process: wait for the program, and run it."""
    code = 0
    try:
        settle(out, err, close)
        with open(take, "rb") as pipe:
            header = pipe.read(HEADER.size)
            size, digest = HEADER.unpack(header) if len(header) == HEADER.size else (0, b"")
            payload = pipe.read(size)
        if header and len(payload) == size:
            code = 1
            text = library.choose(digest)
            code = run(payload, hole(digest) if text else "", text)
    finally:
        os._exit(code)


def hole(digest: bytes) -> str:
    """Return what stands in a program for an archive that is known already."""
    return f"archive {digest.hex()}"


def serve() -> None:
    """Run tasks until the channel closes."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    channel, library, started = Channel(), Library(), identity()
    sys.meta_path.insert(0, library)
    ahead: Task | None = None
    while True:
        words = channel.line().split()
        if len(words) != 3:
            return
        if identity() != started:
            channel.send(words[0] + b" no\n")
            return
        digest = b"" if words[2] == b"-" else bytes.fromhex(words[2].decode("ascii"))
        if digest and not library.has(digest):
            channel.send(words[0] + b" wt\n")
            continue
        channel.send(words[0] + b" ok\n")
        payload = channel.take(int(words[1]))
        new = remember(payload)
        try:
            if not digest:
                new = library.extend(payload) or new
                payload, digest = library.without_archive(payload, hole)
        except (OSError, ValueError, zipfile.BadZipFile):
            new = True  # no space, say: the task runs as it would without
        if new:
            gc.freeze()
            if ahead:
                ahead.drop()
                ahead = None
        if ahead is None or not ahead.give(payload, digest):
            ahead = Task(library, (wake, waker))
            ahead.give(payload, digest)
        del payload
        relay(channel, ahead.pid, ahead.streams(), wake)
        ahead = None
        with contextlib.suppress(OSError):  # no memory, say: the next task does without
            ahead = Task(library, (wake, waker))


if __name__ == "__main__":
    serve()
