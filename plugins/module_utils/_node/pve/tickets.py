# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One ticket of root@pam for all modules of a run that share a Python on the node.

Making one is a start of Perl: 0.45 s of a processor (PVE facts, 'Cost of a call'). The Python that modules are forked
from imports this file once, and so has them share an unnamed file in memory: it has no path, none but root can open
it, and it ends with that Python, half a minute after its last module. A module in a Python of its own shares nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from typing import Callable, Optional

from ..waiting import Deadline, looks, pauses

Ticket = tuple[str, str]
Mint = Callable[[], Ticket]
# Seconds. PVE lets one live for two hours, and answers an old one three seconds late.
LASTS = 3600.0
# No longer than whoever makes one may take; after that each makes its own.
PATIENCE = 40.0
_MOST = 16384


def _unnamed() -> Optional[int]:
    """The file in memory, None where this system has none."""
    try:
        return os.memfd_create("phoenix", os.MFD_CLOEXEC)
    except (AttributeError, OSError):
        return None


_FILE = _unnamed()
_IMPORTED_BY = os.getpid()


def shared(mint: Mint, refused: str = "") -> Ticket:
    """The ticket that the modules share, with its CSRF token, or a new one by ``mint``, which they share then.

    ``refused``: the ticket that PVE takes no more. Raises what ``mint`` raises.
    """
    if _FILE is None or not is_shared():
        return mint()
    with _turn(_FILE) as is_mine:
        found = _read(_FILE) if is_mine else None
        if found is None or found[0] == refused:
            found = mint()
            if is_mine:
                _write(_FILE, found)
        return found


def is_shared() -> bool:
    """Whether this process was forked from one that imported this, as modules are that share a Python."""
    return _FILE is not None and os.getpid() != _IMPORTED_BY


def prepare(mint: Mint) -> None:
    """Begin to make the ticket for the modules to come, beside what they and the controller do first.

    For a process that shares it. A failure is reported by the module that needs a ticket and tries again.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        if not os.fork():
            os.setsid()
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
            shared(mint)
    finally:
        os._exit(0)


@contextlib.contextmanager
def _turn(handle: int) -> Iterator[bool]:
    """Have the file to oneself: one makes a ticket, and the others have it then. Yields whether it is so."""
    is_mine = any(_try(handle) for _look in looks(Deadline(PATIENCE), pauses(0.01, 0.1)))
    try:
        yield is_mine
    finally:
        if is_mine:
            fcntl.lockf(handle, fcntl.LOCK_UN)


def _try(handle: int) -> bool:
    """Lock the file for this process. Those that are forked from one another share the descriptor, and no such lock."""
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read(handle: int) -> Optional[Ticket]:
    try:
        made, ticket, csrf = json.loads(os.pread(handle, _MOST, 0) or b"[]")
    except ValueError:
        return None
    return (ticket, csrf) if time.monotonic() - made < LASTS else None


def _write(handle: int, ticket: Ticket) -> None:
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps([time.monotonic(), *ticket]).encode(), 0)
