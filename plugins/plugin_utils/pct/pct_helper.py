# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm interpreter inside a container: a process that forks for each task, with Ansible's own library imported.

It runs in the container as ``python3 -c``, with the text of pct_library.py, pct_task.py and this file as program.
Standard input brings a line `TOKEN SIZE` and then SIZE bytes, an AnsiballZ module as Ansible would write it to the
standard input of a new Python. The answer on standard output is `TOKEN ok`, or `TOKEN no` when the Python of this
process has been replaced meanwhile; then frames of a letter, four bytes of a number and data: ``o`` and ``e`` with
output and error output, ``x`` with the exit code, ``z`` when both streams are closed.

The module runs in a child that has what a new Python would have. The library is used from memory only where the
module's archive holds the very same files; all of them look as if imported from that archive.
"""

from __future__ import annotations

import fcntl
import gc
import os
import select
import signal
import struct
import sys
import termios
import zipfile

from .pct_library import Library
from .pct_task import begin, identity

CHUNK = 65536


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


def serve() -> None:
    """Run tasks until the channel closes."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    channel, library, started = Channel(), Library(), identity()
    sys.meta_path.insert(0, library)
    while True:
        words = channel.line().split()
        if len(words) != 2:
            return
        if identity() != started:
            channel.send(words[0] + b" no\n")
            return
        channel.send(words[0] + b" ok\n")
        payload = channel.take(int(words[1]))
        try:
            if library.extend(payload):
                gc.collect()
                gc.freeze()
        except (OSError, ValueError, zipfile.BadZipFile):
            pass  # no space, say: the task runs as it would without
        out, to_out = os.pipe()
        err, to_err = os.pipe()
        pid = os.fork()
        if not pid:
            begin(payload, to_out, to_err, (out, err, wake, waker))
        os.close(to_out)
        os.close(to_err)
        del payload
        relay(channel, pid, {out: b"o", err: b"e"}, wake)


if __name__ == "__main__":
    serve()
