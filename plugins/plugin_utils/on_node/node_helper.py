# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm interpreter on a node: a process that forks for each module that Ansible sends there, several at once.

It runs on the node as ``python3 -c``, with the text of pct_library.py, pct_task.py and this file as program.
Arguments: its named pipe, and the request of the relay that started it (node_relay.py). A request is a line: the
relay's number, the time of its start, the module's size, the number of the relay's descriptor for answers, and what
tells that pipe from others. The answers are `ok`, the number of the module's process, and its exit code.

A module's process has the relay's own streams and environment, which it opens through /proc as only root can. So
nothing is copied, and what a module leaves running has them as it would have without.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import stat
import sys
import time
import typing as t
import zipfile

from ..pct.pct_library import Library
from ..pct.pct_task import begin, identity

# Seconds without a module after which it ends, and that relays may still take who have opened its pipe.
IDLE = 30
LAST = 2
# Seconds that a module may take to arrive before other requests are looked at; its own process awaits the rest.
ARRIVAL = 2
WHOLE = 3600
BYTECODE = "ansible_collections.phoenix.hypervisor.plugins.module_utils._node.bytecode"
# What Python looks at when it starts: for others than its own, it cannot stand in for a new one.
EARLY = ("PYTHON", "LC_", "LANG", "TZ", "MALLOC_", "LD_")


# A module's variable with the process that stands for it below sshd (module_utils/_node/host/session.py).
RELAY = b"PHOENIX_RELAY"


class GoneError(Exception):
    """The relay has gone another way, or stands on streams that cannot be opened."""


class Request:
    """A relay's request, with its streams opened."""

    def __init__(self, line: bytes) -> None:
        words = [int(word) for word in line.split()]
        if len(words) != 5:
            raise GoneError
        self._pid, self._born, self.size, number, inode = words
        self.descriptors: list[int] = []
        self._is_its = False
        try:
            self.answers = self._open(number, os.O_WRONLY)
            if os.fstat(self.answers).st_ino != inode or _birth(self._pid) != self._born:
                raise GoneError
            self._is_its = True
            self.streams = [self._open(0, os.O_RDONLY), self._open(1, os.O_WRONLY), self._open(2, os.O_WRONLY)]
            self.environment = {**_environment(self._pid), RELAY: str(self._pid).encode()}
        except (OSError, GoneError) as error:
            self.refuse()
            raise GoneError from error

    def _open(self, number: int, flags: int) -> int:
        opened = os.open(f"/proc/{self._pid}/fd/{number}", flags | os.O_NONBLOCK | os.O_CLOEXEC)
        self.descriptors.append(opened)
        if not stat.S_ISFIFO(os.fstat(opened).st_mode):
            raise GoneError
        return opened

    def say(self, text: str) -> None:
        """Answer the relay, if it is there."""
        with contextlib.suppress(OSError):
            os.write(self.answers, f"{text}\n".encode())

    def refuse(self) -> None:
        """Let the relay go the other way."""
        if self._is_its:
            self.say("no")
        self.close()

    def close(self, *kept: int) -> None:
        """Close all but these."""
        for number in self.descriptors:
            if number not in kept:
                os.close(number)
        self.descriptors = list(kept)

    def read(self, found: bytes, seconds: float) -> bytes:
        """Return what has arrived of the module within so many seconds."""
        over = time.monotonic() + seconds
        while len(found) < self.size:
            left = over - time.monotonic()
            if left <= 0 or not select.select([self.streams[0]], [], [], left)[0]:
                break
            data = os.read(self.streams[0], self.size - len(found))
            if not data:
                break
            found += data
        return found


def _birth(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def _environment(pid: int) -> dict[bytes, bytes]:
    """Return what a process was started with, without what the relay added to it."""
    with open(f"/proc/{pid}/environ", "rb") as file:
        pairs = [item.partition(b"=") for item in file.read().split(b"\0") if b"=" in item]
    return {name: value for name, _sign, value in pairs if name != b"PERL_BADLANG"}


def _early(environment: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return sorted(item for item in environment.items() if item[0].decode("latin-1").startswith(EARLY))


class Helper:
    """The parent of the modules' processes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._started = identity()
        self._early: list[tuple[bytes, bytes]] | None = None
        self._library = Library()
        self._running: dict[int, Request] = {}
        self._last = time.monotonic()
        self._wake, self._waker = os.pipe()
        for end in (self._wake, self._waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        sys.meta_path.insert(0, self._library)
        self._pipe: int | None = None
        self._ending = False

    def listen(self) -> None:
        """Make the named pipe, unless another helper has it."""
        folder = os.path.dirname(self._path)
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        state = os.lstat(folder)
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o022:
            return
        for name in os.listdir(folder):
            _sweep(os.path.join(folder, name))
        if os.path.exists(self._path):
            return
        own = f"{self._path}.{os.getpid()}"
        os.mkfifo(own, 0o600)
        self._pipe = os.open(own, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        os.rename(own, self._path)

    def close(self) -> None:
        """Take no further requests but those that are on their way."""
        if self._pipe is not None and not self._ending:
            with contextlib.suppress(OSError):
                if os.stat(self._path).st_ino == os.fstat(self._pipe).st_ino:
                    os.unlink(self._path)
        self._ending = True

    def serve(self) -> None:
        """Take requests until none comes any more."""
        over = 0.0
        while self._running or not over or time.monotonic() < over:
            if not over and not self._running and self._is_done():
                self.close()
                over = time.monotonic() + LAST
            waited = [self._wake, *([] if self._pipe is None else [self._pipe])]
            ready = select.select(waited, [], [], 1 if over else IDLE / 2)[0]
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            self._reap()
            if self._pipe is not None and self._pipe in ready:
                for line in os.read(self._pipe, 65536).splitlines():
                    self.take(line)

    def _is_done(self) -> bool:
        return self._pipe is None or self._ending or time.monotonic() - self._last > IDLE

    def _reap(self) -> None:
        for pid in list(self._running):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                request = self._running.pop(pid)
                request.say(str(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)))
                request.close()
                self._last = time.monotonic()

    def take(self, line: bytes) -> None:
        """Run the module of a request."""
        try:
            request = Request(line)
        except (GoneError, ValueError):
            return
        early = _early(request.environment)
        if self._early is None:
            self._early = early
        if identity() != self._started or early != self._early:
            request.refuse()
            self.close()
            return
        request.say("ok")
        payload = request.read(b"", ARRIVAL)
        if len(payload) == request.size:
            self._prepare(payload)
        pid = os.fork()
        if not pid:
            self._be(request, payload)
        request.say(str(pid))
        request.close(request.answers)
        self._running[pid] = request
        self._last = time.monotonic()

    def _prepare(self, payload: bytes) -> None:
        try:
            new = self._library.extend(payload)
        except (OSError, ValueError, zipfile.BadZipFile):
            return  # no space, say: the module runs as it would without
        bytecode = self._library.module(BYTECODE)
        if bytecode is not None:
            t.cast(t.Any, bytecode).leave()
        if new:
            gc.freeze()

    def _be(self, request: Request, payload: bytes) -> t.NoReturn:
        try:
            os.setsid()
            others = [number for one in self._running.values() for number in one.descriptors]
            payload = request.read(payload, WHOLE)
            for number in request.streams:
                os.set_blocking(number, True)
            os.environb.clear()
            os.environb.update(request.environment)
            pipe = [] if self._pipe is None else [self._pipe]
            close = {*others, *pipe, self._wake, self._waker, request.streams[0], request.answers}
            begin(payload, request.streams[1], request.streams[2], close)
        finally:
            os._exit(1)


def _sweep(path: str) -> None:
    """Remove a pipe that nobody reads any more."""
    with contextlib.suppress(OSError):
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW))
        except OSError:
            if path.count(".") == 0 or time.time() - os.lstat(path).st_mtime > 600:
                os.unlink(path)


def work(path: str, line: str) -> None:
    """Serve, beginning with the request of the relay that started this."""
    os.setsid()
    os.chdir("/")
    helper = Helper(path)
    with contextlib.suppress(OSError):
        helper.listen()
    helper.take(line.encode())
    helper.serve()


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2])
