# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reaching into a running container from its node, by processes that run inside it.

A file inside a guest is only ever touched by a process of that guest: a link planted there can lead nowhere else.
What comes back is untrusted and bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..._core import guesttext
from ..._core.container.applied import ledger
from ..._core.container.registry import addresses
from ..failure import NodeError
from . import bounded, copied_identity

ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C")
TIMEOUT = 15.0
MAX_TABLE = 64 * 1024
"""Bytes of the table of addresses that are read; a container can fill it with any number of them."""

# IFA_F_TEMPORARY, _DADFAILED, _DEPRECATED and _TENTATIVE of linux/if_addr.h.
_UNUSABLE = 0x01 | 0x08 | 0x20 | 0x40

# One process answers everything: when init started, the addresses, the ledger. fib_trie needs no tool in the guest.
_LOOK = (
    "head -c 4096 /proc/1/stat; printf '\\n\\036\\n'; "
    f"head -c {MAX_TABLE} /proc/net/fib_trie 2>/dev/null; printf '\\n\\036\\n'; "
    f"head -c {MAX_TABLE} /proc/net/if_inet6 2>/dev/null; printf '\\n\\036\\n'; "
    f"f={ledger.PATH}; [ -e \"$f\" ] || exit 0; [ -f \"$f\" ] || exit 44; head -c {ledger.MAX_BYTES + 1} \"$f\""
)
_BOOT = "head -c 64 /proc/sys/kernel/random/boot_id; printf '\\n\\036\\n'; "
_WRITE = (
    f'umask 077; f={ledger.PATH}; d="${{f%/*}}"; mkdir -p "$d" && cat > "$f.new" && '
    '{ sync "$f.new" 2>/dev/null || sync; } && mv -f "$f.new" "$f"'
)


class GuestError(NodeError):
    """A process inside the container didn't do what it was asked to."""


@dataclass(frozen=True)
class GuestView:
    """What one look inside a running container tells: its first address of either kind is its own, and no link's."""

    boot: str | None = None
    address: str | None = None
    address_6: str | None = None
    ledger_text: str | None = None
    error: str | None = None


class Way:
    """How a shell inside a container is started: by lxc-attach on its node.

    ``survives_network``: whether a command goes on while the container has no network.
    """

    survives_network = True

    def run(
        self, ctid: int, script: str, timeout: float, data: bytes = b"", limit: int = bounded.LIMIT, tail: int = 0
    ) -> bounded.Answer:
        """Run a shell script inside a container; the rest is as for bounded.run. Raises BoundError and GuestError."""
        return bounded.run([*command(ctid), "/bin/sh", "-c", script], timeout, data=data, limit=limit, tail=tail)


ON_NODE = Way()


def command(ctid: int) -> list[str]:
    """The words before a command that runs inside a container, in a clean environment."""
    words = ["lxc-attach", "-n", str(ctid), "--clear-env"]
    for setting in ENVIRONMENT:
        words += ["-v", setting]
    return [*words, "--"]


def attach(
    ctid: int,
    script: str,
    text: str | None = None,
    timeout: float = TIMEOUT,
    limit: int = bounded.LIMIT,
    way: Way = ON_NODE,
) -> bounded.Answer:
    """Run a shell script inside a container, in a clean environment, ended after so many seconds.

    ``limit``: bytes that it may write on each stream. Raises GuestError past a bound and when it can't be started.
    """
    data = b"" if text is None else text.encode("utf-8")
    try:
        return way.run(ctid, script, timeout, data=data, limit=limit)
    except bounded.BoundError as error:
        raise GuestError(f"a command inside it {error.why}", where=f"container {ctid}") from None


def look(ctid: int, node_boot: str = "", way: Way = ON_NODE) -> GuestView:
    """Start of init, address and ledger of a running container.

    ``node_boot`` is the id of the node's boot; where nobody knows it, the kernel inside is asked for one.
    """
    try:
        done = attach(
            ctid, _LOOK if node_boot else _BOOT + _LOOK, limit=ledger.MAX_BYTES + 2 * MAX_TABLE + 8192, way=way
        )
    except GuestError as error:
        return GuestView(error=str(error))
    parts = done.stdout.decode("utf-8", "replace").split("\n\x1e\n")
    if not node_boot and len(parts) == 5:
        node_boot = "".join(re.findall("[0-9a-f]", parts.pop(0)[:64]))
    if len(parts) != 4 or not node_boot:
        return GuestView(error=guesttext.line(done.stderr) or f"exit code {done.code}")
    why = "" if done.code == 0 else f"not a regular file (exit code {done.code})"
    return view(parts[0], parts[1], parts[2], parts[3], node_boot, why)


def view(
    stat: str, fib_trie: str, if_inet6: str, ledger_text: str | None, node_boot: str, error: str = ""
) -> GuestView:
    """What the kernel's tables say of a container whose init has this state, and its ledger."""
    return GuestView(
        boot=_boot(stat, node_boot),
        address=_address(fib_trie),
        address_6=_address_6(if_inet6),
        ledger_text=ledger_text or None,
        error=error or None,
    )


def _boot(stat: str, node_boot: str) -> str | None:
    """The container's boot: the node's, and when its init started, in ticks."""
    fields = stat.rpartition(")")[2].split()
    if len(fields) < 20 or not re.fullmatch("[0-9]{1,20}", fields[19]):
        return None
    return f"{node_boot[:8]}-{fields[19]}"


def _address(fib_trie: str) -> str | None:
    """The first IPv4 address of the container itself, from the kernel's local table."""
    last = ""
    for line in fib_trie.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] in ("|--", "+--"):
            last = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            address = guesttext.ipv4(last)
            if address is not None:
                return address
    return None


def _address_6(if_inet6: str) -> str | None:
    """The first IPv6 address that others can reach, from the kernel's table: neither tentative nor outdated."""
    for line in if_inet6.splitlines():
        words = line.split()
        if len(words) < 6 or not all(re.fullmatch("[0-9a-f]{2,32}", word) for word in words[:5]):
            continue
        if int(words[3], 16) == 0 and not int(words[4], 16) & _UNUSABLE:
            address = guesttext.ipv6(":".join(re.findall("....", words[0])))
            if address is not None:
                return address
    return None


def write_ledger(ctid: int, text: str, way: Way = ON_NODE) -> None:
    """Replace the ledger inside a running container, whole or not at all."""
    done = attach(ctid, _WRITE, text, way=way)
    if done.code:
        words = guesttext.line(done.stderr, 300)
        raise GuestError(f"its ledger can't be written: {words or done.code}", where=f"container {ctid}")


def is_ready(ctid: int, awaits: str, node_boot: str) -> bool:
    """Whether a started container answers, and has an address of the kind that it is to have (see addresses)."""
    return has_address(look(ctid, node_boot), awaits)


def has_address(view: GuestView, awaits: str) -> bool:
    """Whether a container answers, and has an address of the kind that it is to have."""
    found = {"": "none", addresses.IPV4: view.address, addresses.IPV6: view.address_6}[awaits]
    return view.boot is not None and found is not None


def renew_identity(ctid: int, way: Way = ON_NODE) -> None:
    """Give a running copy host keys, a machine-id and a DHCP identity of its own. Repeating it does no harm.

    One that was created from the archive of another container has the config of that one at ``/etc/vzdump``, as vzdump
    writes it and only a restore removes it, and its journals. Both go.
    """
    done = attach(ctid, copied_identity.script(way.survives_network), timeout=120.0, way=way)
    if done.code:
        words = guesttext.line(done.stderr, 300)
        raise GuestError(f"its identity can't be renewed: {words or done.code}", where=f"container {ctid}")
