# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The SSH connection that this process runs under: since when, and from where."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

_LOOPBACK = ("127.", "::1", "::ffff:127.")


@dataclass(frozen=True)
class Session:
    """``since``: seconds since boot; ``client``, ``server``: addresses, '' when unknown; ``port``: the server's."""

    since: float
    client: str = ""
    server: str = ""
    port: int = 0

    @property
    def is_local(self) -> bool:
        """Whether it comes from this machine itself, so that it says nothing about the network."""
        return bool(self.client) and (self.client == self.server or self.client.startswith(_LOOPBACK))


def boot_clock() -> float:
    """Seconds since boot, in which the kernel also counts when a process began."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def find(pid: int | None = None, proc: str = "/proc") -> Session | None:
    """The session of a process: its nearest sshd, which is one process for each connection. None when there is none.

    A module in a Python that waits stands where its relay does.

    A multiplexed connection (ControlPersist) is one connection, as old as its first session.
    """
    relay = os.environ.get("PHOENIX_RELAY", "")
    own = int(relay) if relay.isdigit() else os.getpid()
    current, client, server, port = pid or own, "", "", 0
    for _step in range(64):
        try:
            with open(f"{proc}/{current}/stat", encoding="utf-8", errors="replace") as file:
                head, _paren, tail = file.read().rpartition(")")
            with open(f"{proc}/{current}/environ", "rb") as file:
                environment = file.read().split(b"\0")
        except OSError:
            return None
        fields = tail.split()
        if head.partition("(")[2].startswith("sshd"):
            return Session(int(fields[19]) / os.sysconf("SC_CLK_TCK"), client, server, port)
        for item in environment:
            if item.startswith(b"SSH_CONNECTION=") and not client:
                words = item.decode("ascii", "replace").partition("=")[2].split()
                if len(words) == 4 and words[3].isdigit():
                    client, server, port = words[0], words[2], int(words[3])
        current = int(fields[1])
        if current <= 1:
            return None
    return None
