# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command over the SSH connection that Ansible's ssh keeps open, without a process of ssh.

Another ssh would load its libraries and read its configuration, only to hand the command and its three streams to the
first one (the *master*) through the socket `ControlPath`. So does this, in the words of that socket (OpenSSH's
PROTOCOL.mux, version 4): what runs on the other side, and what becomes of it when this process is killed, is the same.
Until the master has opened a session nothing has run: whatever does not go as expected before that is left to ssh.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import select
import socket
import stat
import struct
import typing as t

HELLO, NEW_SESSION = 0x00000001, 0x10000002
EXIT, OPENED = 0x80000004, 0x80000006
VERSION = 4
FAILED = 255
"""The exit code of ssh when the connection is lost."""
OPTION = b'ControlPath="'
"""How Ansible names the socket to ssh, unless the user does."""
NO_ESCAPE = 0xFFFFFFFF
LONGEST = 256 * 1024
"""Bytes of a message of the master, and of a command; ssh's own bound for a packet."""
CHUNK = 65536
SET_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)
LARGEST = 1 << 20
"""Bytes that a pipe may hold, of Linux's usual limit."""

Result = tuple[int, bytes, bytes]


class _UnusableError(Exception):
    """The master does not do what is expected of it."""


def socket_of(argv: list[bytes]) -> str:
    """Return the socket of the shared connection that ssh would use. '' when only ssh knows, or there is none yet."""
    found = [word[len(OPTION) : -1] for word in argv if word.startswith(OPTION) and word.endswith(b'"')]
    path = os.fsdecode(found[0]) if len(found) == 1 else ""
    if not path.startswith("/") or any(sign in path for sign in '%"$\\'):
        return ""
    try:
        state = os.stat(path, follow_symlinks=False)
    except OSError:
        return ""
    return path if stat.S_ISSOCK(state.st_mode) and state.st_uid == os.geteuid() else ""


def run(path: str, command: bytes, data: bytes, patience: float) -> Result | None:
    """Run a command over the connection of this socket. Returns what ssh would: exit code, output, error output.

    None when the master has not begun it; then nothing has run. ``patience``: seconds that it may take to begin it.
    """
    if len(command) > LONGEST - 1024:
        return None
    pipes = [os.pipe() for _stream in range(3)]
    (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = pipes
    ours, theirs = [ours_in, ours_out, ours_err], [theirs_in, theirs_out, theirs_err]
    with contextlib.ExitStack() as open_ends, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as master:
        try:
            master.settimeout(patience)
            master.connect(path)
            _begin(master, command, theirs)
        except (OSError, _UnusableError):
            return None
        finally:
            for number in theirs:
                os.close(number)
            for number in ours:
                open_ends.callback(_closed, number)
        return _carry(master, ours, data)


def _closed(number: int) -> None:
    with contextlib.suppress(OSError):
        os.close(number)


def _words(*values: int | bytes) -> bytes:
    """Return a message: numbers of four bytes, and texts after their length."""
    parts = [struct.pack(">I", one) if isinstance(one, int) else struct.pack(">I", len(one)) + one for one in values]
    body = b"".join(parts)
    return struct.pack(">I", len(body)) + body


def _exactly(master: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = master.recv(size - len(found))
        if not more:
            raise _UnusableError
        found += more
    return found


def _message(master: socket.socket) -> tuple[int, bytes]:
    """Return the kind and the rest of the master's next message."""
    size = struct.unpack(">I", _exactly(master, 4))[0]
    if not 4 <= size <= LONGEST:
        raise _UnusableError
    body = _exactly(master, size)
    return struct.unpack(">I", body[:4])[0], body[4:]


def _begin(master: socket.socket, command: bytes, streams: list[int]) -> None:
    """Have the master open a session for a command, without a terminal, with these three streams."""
    master.sendall(_words(HELLO, VERSION))
    kind, rest = _message(master)
    if kind != HELLO or rest[:4] != struct.pack(">I", VERSION):
        raise _UnusableError
    nothing = b""
    master.sendall(_words(NEW_SESSION, 0, nothing, 0, 0, 0, 0, NO_ESCAPE, nothing, command))
    for number in streams:
        master.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [number]))])
    kind, rest = _message(master)
    if kind != OPENED:
        raise _UnusableError


def _carry(master: socket.socket, ours: list[int], data: bytes) -> Result:
    """Write the input, read both outputs to their ends, and wait for the end of the session."""
    to, out, err = ours
    found: dict[int, list[bytes]] = {out: [], err: []}
    code, said = FAILED, b""
    left = memoryview(data)
    poll = select.poll()
    os.set_blocking(to, False)
    master.setblocking(False)
    if SET_SIZE is not None and len(data) > CHUNK:
        with contextlib.suppress(OSError):
            fcntl.fcntl(to, SET_SIZE, min(len(data), LARGEST))
    poll.register(to, select.POLLOUT)
    for number in (out, err, master.fileno()):
        poll.register(number, select.POLLIN)
    waited = {to, out, err, master.fileno()}
    while waited - {to}:
        for number, _event in poll.poll():
            if number == to:
                try:
                    left = left[os.write(to, left) :] if left else left
                except BlockingIOError:
                    continue
                except OSError:  # the command ended without reading all, which is its right
                    left = left[:0]
                if left:
                    continue
                os.close(to)
            else:
                try:
                    more = master.recv(CHUNK) if number == master.fileno() else os.read(number, CHUNK)
                except BlockingIOError:
                    continue
                except OSError:  # the master is gone
                    more = b""
                if more and number == master.fileno():
                    said += more
                elif more:
                    found[number].append(more)
                if more:
                    continue
            poll.unregister(number)
            waited.discard(number)
    while len(said) >= 4:
        size = struct.unpack(">I", said[:4])[0]
        body, said = said[4 : 4 + size], said[4 + size :]
        if len(body) == 12 and struct.unpack(">I", body[:4])[0] == EXIT:
            code = struct.unpack(">I", body[8:])[0] & 0xFF
    return code, b"".join(found[out]), b"".join(found[err])
