# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command over the SSH connection that Ansible's ssh keeps open, without a process of ssh.

Another ssh would load its libraries and read its configuration, only to hand the command and its three streams to the
first one (the *master*) through the socket `ControlPath`. So does this, in the words of that socket (OpenSSH's
PROTOCOL.mux, version 4). What runs on the other side, and what becomes of it when this process is killed, is the same.
A master that does not speak them, or opens no session, is left to ssh: nothing has run then.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import secrets
import select
import socket
import stat
import struct
import typing as t

HELLO, NEW_SESSION, OPEN_FORWARD, CLOSE_FORWARD = 0x00000001, 0x10000002, 0x10000006, 0x10000007
DONE, FAILURE, EXIT, OPENED = 0x80000001, (0x80000002, 0x80000003), 0x80000004, 0x80000006
LOCAL = 1
"""A forward from this machine to the node."""
TO_SOCKET = 0xFFFFFFFE
"""The port that stands for the path of a socket (OpenSSH's PORT_STREAMLOCAL)."""
VERSION = 4
LOST = 255
"""The exit code of ssh when the connection is lost."""
OPTION = b'ControlPath="'
"""How Ansible names the socket to ssh, unless the user does."""
NO_ESCAPE = 0xFFFFFFFF
LONGEST = 256 * 1024
"""Bytes of a message; ssh's own bound for a packet."""
CHUNK = 65536
SET_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)
LARGEST = 1 << 20
"""Bytes that a pipe may hold: Linux's limit for an ordinary user."""

Result = tuple[int, bytes, bytes]


class UnusableError(Exception):
    """The master does not do what is expected of it, and has begun nothing."""


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

    None when the master has not begun it; then nothing has run. ``patience``: seconds for the master's greeting.
    """
    try:
        # No terminal, no X11, no agent, no subsystem; a terminal's name is of no use.
        request = words(NEW_SESSION, 0, b"", 0, 0, 0, 0, NO_ESCAPE, b"", command)
        with Session(path, request, (True, False, False), patience) as session:
            return session.carry(data)
    except UnusableError:
        return None


def words(*values: int | bytes) -> bytes:
    """Return a message: numbers of four bytes, and texts after their length."""
    parts = [struct.pack(">I", one) if isinstance(one, int) else struct.pack(">I", len(one)) + one for one in values]
    body = b"".join(parts)
    return struct.pack(">I", len(body)) + body


class Session:
    """What the master has opened, with this process's ends of its streams. Raises UnusableError when it opens none."""

    def __init__(self, path: str, request: bytes, inputs: t.Sequence[bool], patience: float) -> None:
        """``inputs``: for each stream whether it is one that is written here."""
        if len(request) > LONGEST:
            raise UnusableError
        self.streams: list[int] = []
        self.lost = False
        """Whether the master has gone without a word, so that nobody knows what it has begun."""
        theirs: list[int] = []
        with contextlib.ExitStack() as failed:
            failed.callback(self.close)
            self._master = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                for is_input in inputs:
                    reading, writing = os.pipe()
                    self.streams.append(writing if is_input else reading)
                    theirs.append(reading if is_input else writing)
                _greet(self._master, path, patience)
                self._open(request, theirs)
            except OSError as error:
                raise UnusableError from error
            finally:
                for number in theirs:
                    os.close(number)
            failed.pop_all()

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the streams, and the session with them."""
        while self.streams:
            os.close(self.streams.pop())
        self._master.close()

    def _open(self, request: bytes, theirs: list[int]) -> None:
        """Ask for the session. From here on the master may begin it, so only its refusal says that it has not."""
        self._master.settimeout(None)
        try:
            self._master.sendall(request)
            for number in theirs:
                self._master.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [number]))])
            kind, _rest = _message(self._master)
        except (OSError, UnusableError):
            kind = 0
        if kind in FAILURE:
            raise UnusableError
        self.lost = kind != OPENED

    def carry(self, data: bytes) -> Result:
        """Write the input, read both outputs to their ends, and wait for the end of the session.

        All at once: megabytes in both directions would block each other.
        """
        if self.lost:
            return LOST, b"", b"the open connection to the node has ended\n"
        to, out, err = self.streams
        found: dict[int, list[bytes]] = {out: [], err: [], self._master.fileno(): []}
        left = memoryview(data)
        os.set_blocking(to, False)
        self._master.setblocking(False)
        if SET_SIZE is not None and len(data) > CHUNK:
            with contextlib.suppress(OSError):
                fcntl.fcntl(to, SET_SIZE, min(len(data), LARGEST))
        poll = select.poll()
        poll.register(to, select.POLLOUT)
        for number in found:
            poll.register(number, select.POLLIN)
        open_ends = set(found)
        while open_ends:
            for number, _event in poll.poll():
                if number == to:
                    left = written(to, left)
                    if not left:
                        poll.unregister(to)
                        self.streams.remove(to)
                        os.close(to)
                    continue
                try:
                    more = os.read(number, CHUNK)
                except BlockingIOError:
                    continue
                except OSError:  # the master is gone
                    more = b""
                found[number].append(more)
                if not more:
                    poll.unregister(number)
                    open_ends.discard(number)
        return _code(b"".join(found[self._master.fileno()])), b"".join(found[out]), b"".join(found[err])


@contextlib.contextmanager
def connected(path: str, target: str, folder: str, patience: float) -> t.Iterator[socket.socket]:
    """Connect with a socket on the node, through a socket in a folder of this process's user alone.

    The master listens there for this one connection: not every ssh can do what `ssh -W` does for a socket. A node that
    does not have the socket ends the connection. Raises UnusableError when the master does not do it.
    """
    own = os.path.join(folder, f"phoenix-{secrets.token_hex(6)}")
    forward = LOCAL, os.fsencode(own), TO_SOCKET, os.fsencode(target), TO_SOCKET
    with socket.socket(socket.AF_UNIX) as master, socket.socket(socket.AF_UNIX) as made:
        try:
            _greet(master, path, patience)
            master.sendall(words(OPEN_FORWARD, 1, *forward))
            if _message(master)[0] != DONE:
                raise UnusableError
            made.connect(own)
        except OSError as error:
            raise UnusableError from error
        try:
            yield made
        finally:
            with contextlib.suppress(OSError, UnusableError):
                master.sendall(words(CLOSE_FORWARD, 2, *forward))
                _message(master)
            with contextlib.suppress(OSError):
                os.unlink(own)


def written(number: int, left: memoryview) -> memoryview:
    """Write as much as goes. Returns the rest, nothing when nobody reads it: that is a command's right."""
    try:
        return left[os.write(number, left) :]
    except BlockingIOError:
        return left
    except OSError:
        return left[:0]


def greets(path: str, patience: float) -> bool:
    """Return whether the master of this socket lives. While it does, nothing is lost that the node has sent before."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as master:
        try:
            _greet(master, path, patience)
        except (OSError, UnusableError):
            return False
    return True


def _greet(master: socket.socket, path: str, patience: float) -> None:
    master.settimeout(patience)
    master.connect(path)
    master.sendall(words(HELLO, VERSION))
    kind, rest = _message(master)
    if kind != HELLO or rest[:4] != struct.pack(">I", VERSION):
        raise UnusableError


def _message(master: socket.socket) -> tuple[int, bytes]:
    """Return the kind and the rest of the master's next message."""
    size = struct.unpack(">I", _exactly(master, 4))[0]
    if not 4 <= size <= LONGEST:
        raise UnusableError
    body = _exactly(master, size)
    return struct.unpack(">I", body[:4])[0], body[4:]


def _exactly(master: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = master.recv(size - len(found))
        if not more:
            raise UnusableError
        found += more
    return found


def _code(said: bytes) -> int:
    """Return the exit code that the master has said, as ssh returns it."""
    code = LOST
    while len(said) >= 4:
        size = struct.unpack(">I", said[:4])[0]
        body, said = said[4 : 4 + size], said[4 + size :]
        if len(body) == 12 and struct.unpack(">I", body[:4])[0] == EXIT:
            code = struct.unpack(">I", body[8:])[0] & 0xFF
    return code
