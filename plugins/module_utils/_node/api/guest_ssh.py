# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inside of containers by SSH from this machine, for a node that is reached by a token.

A container is recognized by its host key, which its record keeps (docs/adr/0016). The first contact after its creation
takes the key that answers; from then on no other one is accepted. What is known of a container lies in a file of this
user, for the tasks that run inside it.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass

from ..._core import guesttext
from ..._core.container.remote import sshwords
from ..guest import bounded, guest
from ..store import read_private, write_atomic

CONNECT = 10
"""Seconds that a container has to answer at its port."""


@dataclass(frozen=True)
class GuestSsh:
    """How the containers of a node are reached.

    Attributes:
        folder: of this user, where the addresses and host keys of containers lie.
        ident: tells nodes of the same name apart.
        private_key_file: the key of root; empty for those of the agent.
        common_args: further arguments of ssh, such as a jump host.
    """

    folder: str
    ident: str
    private_key_file: str = ""
    port: int = 22
    common_args: tuple[str, ...] = ()
    program: str = "ssh"

    def place(self, ctid: int) -> str:
        """The file of a container."""
        return os.path.join(self.folder, f"{self.ident}-{ctid}")


@dataclass
class _Known:
    """What is known of a container: where it answers, with which host key (None for not yet), and who said so."""

    address: str | None
    key: str | None
    is_learned: bool = False


class UnreachableError(guest.GuestError):
    """A container does not let anybody in over SSH."""


class SshWay(guest.Way):
    """Each command is one connection, ended after its time with all that it has started here."""

    survives_network = False

    def __init__(self, ssh: GuestSsh) -> None:
        self._ssh = ssh
        self._known: dict[int, _Known] = {}

    def expect(self, ctid: int, address: str | None, key: str | None) -> None:
        """Say where a container is, and which host key it has on record.

        A key that this process has learned stays, where the record has none yet.
        """
        before = self._known.get(ctid)
        if key is None and before is not None and before.is_learned:
            before.address = address
        else:
            self._known[ctid] = _Known(address, key)

    def key(self, ctid: int) -> str | None:
        """The host key of a container, as it is on record or was learned."""
        known = self._known.get(ctid)
        return known.key if known else None

    def forget(self, ctid: int) -> None:
        """Forget the host key of a container: it is made again, or is to renew it."""
        self._known.pop(ctid, None)

    def run(
        self, ctid: int, script: str, timeout: float, data: bytes = b"", limit: int = bounded.LIMIT, tail: int = 0
    ) -> bounded.Answer:
        """Run a shell script inside a container. Raises BoundError, and UnreachableError where it lets nobody in."""
        known = self._known.get(ctid)
        if known is None or not known.address:
            raise UnreachableError(
                f"container {ctid} has no address, so nothing inside it can be reached over SSH",
                remedy="give it a static ip, or look why its DHCP client gets none",
            )
        place = self._ssh.place(ctid)
        text = sshwords.place_text(ctid, known.address, known.key)
        if read_private(place) != text:
            write_atomic(place, text)
        ssh = self._ssh
        words = [ssh.program, *sshwords.options(ctid, place, known.key is not None), "-p", str(ssh.port)]
        if ssh.private_key_file:
            words += ["-o", "IdentitiesOnly=yes", "-i", ssh.private_key_file]
        words += [*_ALONE, *ssh.common_args, "-T", "-l", "root", known.address, inside(script)]
        done = bounded.run(words, timeout + CONNECT, data=data, limit=limit, tail=tail)
        if done.code == sshwords.FAILED:
            raise self._refused(ctid, known, done)
        if known.key is None:
            known.key = sshwords.learned(read_private(place) or "", ctid)
            known.is_learned = True
        return done

    def _refused(self, ctid: int, known: _Known, done: bounded.Answer) -> UnreachableError:
        """The error of a connection that was not made, by what ssh says of it."""
        said = guesttext.line(done.stderr or done.stdout, 600)
        why, remedy = sshwords.trouble(said, ctid)
        at = f"root@{known.address} port {self._ssh.port}"
        return UnreachableError(f"container {ctid} {why} ({at}: {said or 'no answer'})", remedy=remedy)


# One connection for one command: it asks nobody, and no other connection goes through it.
_ALONE = ("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT}", "-o", "ControlPath=none", "-o", "LogLevel=ERROR")


def inside(script: str) -> str:
    """The line for the login shell of root: a script in a clean environment."""
    return shlex.join(["env", "-i", *guest.ENVIRONMENT, "/bin/sh", "-c", script])
