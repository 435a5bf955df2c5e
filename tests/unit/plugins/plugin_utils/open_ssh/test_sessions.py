# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands over an open connection, with a stand-in for the ssh that keeps it."""

from __future__ import annotations

import collections.abc as c
import contextlib
import os
import pathlib
import socket
import struct
import subprocess
import tempfile
import threading

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.open_ssh import sessions

PATIENCE = 5.0


class Master:
    """The ssh that keeps the connection: it runs each command on this machine."""

    def __init__(self, path: str, ending: str = "") -> None:
        self.path, self.ending = path, ending
        self.requests: list[bytes] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def serve(self) -> None:
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError, struct.error):
                self.answer(client)

    def message(self, client: socket.socket) -> bytes:
        (size,) = struct.unpack(">I", client.recv(4, socket.MSG_WAITALL))
        return client.recv(size, socket.MSG_WAITALL)

    def answer(self, client: socket.socket) -> None:
        hello = self.message(client)
        if self.ending == "before":
            return
        client.sendall(sessions.words(1, 3) if self.ending == "old" else struct.pack(">I", len(hello)) + hello)
        if self.ending == "old":
            return
        request = self.message(client)
        self.requests.append(request)
        if request[:4] == struct.pack(">I", sessions.OPEN_FORWARD):
            self.forward(client, request[8:])
            return
        streams = [number for _stream in range(3) for number in socket.recv_fds(client, 1, 1)[1]]
        try:
            if self.ending == "refused":
                client.sendall(sessions.words(0x80000003, 0, b"Session open refused by peer"))
            elif self.ending != "asked":
                client.sendall(sessions.words(0x80000006, 0, 7))
                self.work(client, request, streams)
        finally:
            for number in streams:
                with contextlib.suppress(OSError):
                    os.close(number)

    def forward(self, client: socket.socket, request: bytes) -> None:
        """Say on one connection where it would lead, and what has come."""
        own, target = (part[4:] for part in request[4:].split(b"\xff\xff\xff\xfe")[:2])
        if self.ending == "refused":
            client.sendall(sessions.words(0x80000003, 1, b"Port forwarding failed"))
            return
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(own)
            listener.listen()
            client.sendall(sessions.words(sessions.DONE, 1))
            with listener.accept()[0] as one:
                one.sendall(target + b" " + one.recv(100))
            closing = self.message(client)
            assert closing[8:] == request
            self.requests.append(closing)
            client.sendall(sessions.words(sessions.DONE, 2))

    def work(self, client: socket.socket, request: bytes, streams: list[int]) -> None:
        # After the kind: number, an empty text, four flags, the escape sign, a terminal's name.
        assert request[4:36] == bytes(4) + bytes(4) + bytes(16) + b"\xff" * 4 + bytes(4)
        (size,) = struct.unpack(">I", request[36:40])
        command = request[40 : 40 + size]
        assert request[40 + size :] == b""
        done = subprocess.Popen(["/bin/sh", "-c", command], stdin=streams[0], stdout=streams[1], stderr=streams[2])
        while streams:
            os.close(streams.pop())
        code = done.wait()
        if self.ending != "lost":
            client.sendall(sessions.words(0x80000004, 7, code))


@pytest.fixture
def folder() -> c.Iterator[pathlib.Path]:
    """A folder with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="mux") as made:
        yield pathlib.Path(made)


@contextlib.contextmanager
def master(folder: pathlib.Path, ending: str = "") -> c.Iterator[Master]:
    made = Master(str(folder / "socket"), ending)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("code", [0, 1, 77, 254])
def test_a_command_has_its_streams_and_its_exit_code(folder: pathlib.Path, code: int) -> None:
    with master(folder) as one:
        command = f"cat; echo said >&2; exit {code}".encode()
        assert sessions.run(one.path, command, b"words", PATIENCE) == (code, b"words", b"said\n")


def test_megabytes_in_both_directions_at_once(folder: pathlib.Path) -> None:
    data = os.urandom(1 << 20) * 5
    with master(folder) as one:
        assert sessions.run(one.path, b"tee /dev/stderr", data, PATIENCE) == (0, data, data)


def test_input_that_is_not_read(folder: pathlib.Path) -> None:
    with master(folder) as one:
        assert sessions.run(one.path, b"exit 3", bytes(1 << 22), PATIENCE) == (3, b"", b"")


def test_no_input_is_end_of_input(folder: pathlib.Path) -> None:
    with master(folder) as one:
        assert sessions.run(one.path, b"cat; echo end", b"", PATIENCE) == (0, b"end\n", b"")


@pytest.mark.parametrize("ending", ["before", "old", "refused"])
def test_a_master_that_begins_nothing_is_left_to_ssh(folder: pathlib.Path, ending: str) -> None:
    with master(folder, ending) as one:
        assert sessions.run(one.path, b"true", b"", PATIENCE) is None


@pytest.mark.parametrize(("ending", "output"), [("asked", b""), ("lost", b"out\n")])
def test_a_connection_that_is_lost_is_no_success_and_runs_nothing_again(
    folder: pathlib.Path, ending: str, output: bytes
) -> None:
    with master(folder, ending) as one:
        result = sessions.run(one.path, b"echo out", b"", PATIENCE)
    assert result is not None
    assert result[:2] == (255, output)
    assert len(one.requests) == 1


def test_nobody_listens(folder: pathlib.Path) -> None:
    with master(folder) as one:
        pass
    assert sessions.run(one.path, b"true", b"", PATIENCE) is None
    assert sessions.run(str(folder / "none"), b"true", b"", PATIENCE) is None


def test_a_master_that_does_not_greet(folder: pathlib.Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen()
        assert sessions.run(str(folder / "socket"), b"true", b"", 0.1) is None


def test_a_command_that_is_too_long_for_it(folder: pathlib.Path) -> None:
    with master(folder) as one:
        assert sessions.run(one.path, b"true " + b"x" * (256 << 10), b"", PATIENCE) is None
    assert one.requests == []


def test_nothing_is_left_open(folder: pathlib.Path) -> None:
    before = os.listdir("/proc/self/fd")
    with master(folder) as one:
        sessions.run(one.path, b"cat", b"x", PATIENCE)
        one.ending = "refused"
        sessions.run(one.path, b"cat", b"x", PATIENCE)
    assert os.listdir("/proc/self/fd") == before


def test_only_the_socket_that_ansible_names_is_used(folder: pathlib.Path) -> None:
    path = str(folder / "socket")
    option = f'ControlPath="{path}"'.encode()
    with master(folder):
        assert sessions.socket_of([b"ssh", b"-o", option, b"-T", b"pve", b"true"]) == path
        assert sessions.socket_of([b"ssh", b"-o", b"ControlPath=" + path.encode(), b"pve"]) == ""
        assert sessions.socket_of([b"ssh", b"-o", option, b"-o", option]) == ""
    for other in (b"/%h", b"~/x", b"/x", os.fsencode(folder)):
        assert sessions.socket_of([b"ssh", b"-o", b'ControlPath="' + other + b'"']) == ""


def test_a_connection_with_a_socket_of_the_node(folder: pathlib.Path) -> None:
    before = os.listdir("/proc/self/fd")
    with master(folder) as one:
        with sessions.connected(one.path, "/run/guard.sock", str(folder), PATIENCE) as made:
            made.sendall(b"words")
            assert made.recv(100) == b"/run/guard.sock words"
        assert [request[:4] for request in one.requests] == [
            struct.pack(">I", kind) for kind in (sessions.OPEN_FORWARD, sessions.CLOSE_FORWARD)
        ]
    assert os.listdir(folder) == ["socket"]
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("ending", ["before", "old", "refused"])
def test_a_master_that_does_not_lead_there(folder: pathlib.Path, ending: str) -> None:
    with (
        master(folder, ending) as one,
        pytest.raises(sessions.UnusableError),
        sessions.connected(one.path, "/run/guard.sock", str(folder), PATIENCE),
    ):
        pass
    assert os.listdir(folder) == ["socket"]


@pytest.mark.parametrize(("ending", "lives"), [("", True), ("before", False), ("old", False)])
def test_whether_a_master_lives(folder: pathlib.Path, ending: str, lives: bool) -> None:
    with master(folder, ending) as one:
        assert sessions.greets(one.path, PATIENCE) is lives
    assert not sessions.greets(one.path, PATIENCE)
