# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the connection plugin runs to carry a command into a container over SSH, without its node.

A run by a token has looked where the container answers and with which host key, and left that in a file. The command
line of ssh is run by a small program of this controller, which bounds what the container writes and how long it takes,
as the relay on a node does. It ends standard error with the same trailer, whose nonce the container does not know.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import sys

from ...module_utils._core.container.remote import sshwords
from ..run.user_folder import GUESTS, folder
from .pct_wrapper import GUEST_ENVIRONMENT, NodeCall

_ASSIGNMENTS = [f"{name}={value}" for name, value in GUEST_ENVIRONMENT.items()]

# Arguments: nonce, bytes on standard output, bytes on standard error (0 for any number), seconds, the command of ssh.
# A command that was ended inside has 15 s to say so. The exit code of ssh is that of the command inside, but for 255:
# then there is no trailer, and the connection has failed.
RELAY = r"""
import os, selectors, signal, subprocess, sys, time
nonce, most = sys.argv[1], {1: int(sys.argv[2]), 2: int(sys.argv[3])}
start, seconds = time.monotonic(), float(sys.argv[4])
end = start + seconds + 15
child = subprocess.Popen(sys.argv[5:], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
said, seen, word = selectors.DefaultSelector(), {1: 0, 2: 0}, 'ran'
for stream, to in ((child.stdout, 1), (child.stderr, 2)):
    said.register(stream, selectors.EVENT_READ, to)
while said.get_map() and word == 'ran':
    for key, _ in said.select(max(0.0, end - time.monotonic())):
        data = os.read(key.fd, 65536)
        if not data:
            said.unregister(key.fileobj)
            continue
        seen[key.data] += len(data)
        if most[key.data] and seen[key.data] > most[key.data]:
            word = 'flood'
            break
        left = memoryview(data)
        while left:
            left = left[os.write(key.data, left):]
    if time.monotonic() >= end:
        word = 'late'
if word != 'ran':
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
code = child.wait()
if code == 124 and time.monotonic() >= start + seconds:
    word = 'late'
if word != 'ran' or code != 255:
    sys.stderr.write('\n%s %d %s -\n' % (nonce, code if 0 <= code < 256 else 128 - code, word))
"""


class UnknownPlaceError(Exception):
    """Nobody has looked yet where a container answers."""


@dataclasses.dataclass(frozen=True)
class Direct:
    """A container that is reached over SSH: its address, and the file with its host key."""

    ctid: int
    address: str
    place: str

    def options(self) -> list[str]:
        """The arguments of ssh that no other one may outrank."""
        return sshwords.options(self.ctid, self.place, known=True)

    def line(self, call: NodeCall) -> str:
        """The command for the login shell inside. A time-out ends what it has started, where the tool is there."""
        script = 'cd "$HOME" 2>/dev/null\n' + call.command
        limited = ["timeout", "-k", "5", str(call.seconds), "/bin/sh", "-c", script]
        plain = ["/bin/sh", "-c", script]
        clean = f"exec env -i {shlex.join(_ASSIGNMENTS)}"
        with_limit, without = f"{clean} {shlex.join(limited)}", f"{clean} {shlex.join(plain)}"
        return f"if command -v timeout >/dev/null; then {with_limit}; else {without}; fi"

    def argv(self, call: NodeCall, ssh: list[bytes]) -> list[bytes]:
        """The command of ssh within the bounds of a call."""
        bounds = [call.nonce, str(call.output_limit), str(call.error_limit), str(call.seconds)]
        words = [sys.executable, "-I", "-S", "-c", RELAY, *bounds]
        return [*(word.encode() for word in words), *ssh]

    def trouble(self, said: str) -> str:
        """Why the container could not be reached, by what ssh said."""
        why, remedy = sshwords.trouble(said, self.ctid)
        return f"container {self.ctid} {why} (root@{self.address}: {said or 'no answer'}); {remedy}"


def _read(path: str) -> str:
    """The text of a file of this user. Raises FileNotFoundError and UnknownPlaceError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            return file.read(65536).decode("utf-8", "replace")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnknownPlaceError(f"{path}: {error.strerror}") from None


def find(ctid: int, ident: str) -> Direct:
    """Return where a container is, as the run by a token has left it. Raises UnknownPlaceError."""
    place = os.path.join(folder(GUESTS), f"{ident}-{ctid}")
    text = ""
    with contextlib.suppress(FileNotFoundError):
        text = _read(place)
    address = sshwords.address_of(text)
    if address is None or sshwords.learned(text, ctid) is None:
        raise UnknownPlaceError(
            "its address and SSH host key are not known to this controller yet; a run of playbooks/containers.yml "
            "looks them up, or status.yml where the container has its features"
        )
    return Direct(ctid, address, place)
