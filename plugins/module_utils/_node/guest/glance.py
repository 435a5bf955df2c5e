# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What guest.look finds, for many running containers at once and without a program in any of them.

A start of lxc-attach takes 9 ms of a processor, so a settled fleet spent most of its time there. What the kernel knows
of a container is read from its init in /proc. The ledgers are read by one process of the node, which enters the mount
namespace of one container after the other with the rights of that container's root. A link in a guest leads nowhere
else there, as for any process of the guest.

That process starts no program and loads no library once it is in a guest, not even a Python module. It opens regular
files only, and is ended when a guest keeps it waiting. A container of which it finds anything but a ledger or none is
left out, and guest.look says what is wrong.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import stat
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Callable, NoReturn

from ..._core.container.applied import ledger
from . import guest

BATCH = 64
"""Containers that are open at once: each takes two file descriptors."""
PATIENCE = 2.0
"""Seconds that a guest may keep the reader waiting, with a file system of its own for example."""
_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS
_ROOT = re.compile(r"^\s*0\s+(\d+)\s+[1-9]\d*\s*$", re.MULTILINE)
_HEAD = struct.Struct("=I?I")
"""Of an answer: CTID, whether there is a ledger, how many bytes of it follow."""


@dataclass(frozen=True)
class _Init:
    """The first process of a container: its folder in /proc, its mount namespace, and the node's ids of its root."""

    ctid: int
    proc: int
    mounts: int
    uid: int
    gid: int


def look(ctid: int, node_boot: str) -> guest.GuestView:
    """What guest.look returns for one container."""
    return look_all([ctid], node_boot).get(ctid) or guest.look(ctid, node_boot)


def is_ready(ctid: int, awaits: str, node_boot: str) -> bool:
    """What guest.is_ready returns, for whoever asks again and again: a start of lxc-attach comes last.

    Before the kernel has the address, it would say no more.
    """
    with ExitStack() as hold, contextlib.suppress(OSError):  # it has stopped meanwhile, or a start is under way
        for init in _inits(ctid, hold):
            if not guest.has_address(guest.view(*_kernel(init.proc), None, node_boot), awaits):
                return False
    return guest.is_ready(ctid, awaits, node_boot)


def look_all(ctids: Iterable[int], node_boot: str) -> dict[int, guest.GuestView]:
    """CTID -> view of running containers, without those that only a process of the guest can look at."""
    views: dict[int, guest.GuestView] = {}
    left = list(ctids)
    while left:
        batch, left = left[:BATCH], left[BATCH:]
        with ExitStack() as hold:
            inits = [found for ctid in batch for found in _inits(ctid, hold)]
            for init, text in _ledgers(inits) if inits else ():
                with contextlib.suppress(OSError):  # it has stopped meanwhile
                    views[init.ctid] = guest.view(*_kernel(init.proc), text, node_boot)
    return views


def _inits(ctid: int, hold: ExitStack) -> list[_Init]:
    """The first process of a container, or none where that is not known."""
    try:
        pid = _monitor(ctid)
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read(4096).split()
        for child in children:
            # Whatever gets its number later is another process: the folder remains that of this one.
            folder = os.open(f"/proc/{int(child)}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            hold.callback(os.close, folder)
            if re.search(r"^NSpid:.*\t1$", _text(folder, "status"), re.MULTILINE):
                mounts = os.open("ns/mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
                hold.callback(os.close, mounts)
                uid, gid = (_ROOT.search(_text(folder, name)) for name in ("uid_map", "gid_map"))
                if uid and gid:
                    return [_Init(ctid, folder, mounts, int(uid[1]), int(gid[1]))]
    except (OSError, ValueError):
        pass  # it has stopped meanwhile, or was started in a way of its own
    return []


def _monitor(ctid: int) -> int:
    """The process that a container's init is a child of: the one that listens at its command socket.

    Any user of the node can listen there while the container is stopped, so it must be a process of this user. One with
    another command line is none: who listened may have ended, and another have its number. Raises OSError and
    ValueError.
    """
    with socket.socket(socket.AF_UNIX) as to:
        to.settimeout(PATIENCE)
        to.connect(f"\0/var/lib/lxc/{ctid}/command")
        pid, uid, _gid = struct.unpack("3i", to.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if uid != os.geteuid():
        raise ValueError(f"user {uid} listens")
    with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
        words = file.read(4096).split("\0")
    if os.path.basename(words[0]) != "lxc-start" or str(ctid) not in words[words.index("-n") + 1 :][:1]:
        raise ValueError(words[0])
    return int(pid)


def _text(folder: int, name: str, limit: int = guest.MAX_TABLE) -> str:
    """So much of a file of a process. Raises OSError when the process has ended."""
    with open(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder), "rb") as file:
        return file.read(limit).decode("utf-8", "replace")


def _kernel(folder: int) -> tuple[str, str, str]:
    """State of init, IPv4 and IPv6 addresses. Raises OSError when it has ended."""
    tables = []
    for name in ("net/fib_trie", "net/if_inet6"):
        try:
            tables.append(_text(folder, name))
        except FileNotFoundError:
            tables.append("")  # a kernel without that protocol
    return _text(folder, "stat", 4096), tables[0], tables[1]


def _ledgers(inits: list[_Init]) -> Iterator[tuple[_Init, str | None]]:
    """Each container with the text of its ledger, None for none, as far as the reader comes."""
    ours, its = os.pipe()
    setns = _setns()
    pid = os.fork()
    if not pid:
        _read_all(inits, its, setns)
    try:
        os.close(its)
        by_ctid = {init.ctid: init for init in inits}
        with open(ours, "rb", buffering=0) as answers:
            data = bytearray()
            while select.select([answers], [], [], PATIENCE)[0]:
                chunk = answers.read(65536)
                if not chunk:
                    break
                data += chunk
                while len(data) >= _HEAD.size:
                    ctid, exists, size = _HEAD.unpack_from(data)
                    if len(data) < _HEAD.size + size:
                        break
                    text = bytes(data[_HEAD.size : _HEAD.size + size]).decode("utf-8", "replace")
                    del data[: _HEAD.size + size]
                    yield by_ctid[ctid], text if exists else None
    finally:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            # One that even this does not end, with a disk that hangs, is left to the node's init.
            os.waitpid(pid, os.WNOHANG)


def _setns() -> Callable[[int, int], int]:
    """The system's function, which Python has from 3.12 on."""
    import ctypes  # only where a container runs

    function: Callable[[int, int], int] = ctypes.CDLL(None, use_errno=True).setns
    return function


def _read_all(inits: list[_Init], to: int, setns: Callable[[int, int], int]) -> NoReturn:
    """Be the reader: write an answer for each container that has a readable ledger or none."""
    code = 1
    try:
        # From here on Python finds no module, so none that a guest has put into its place.
        for places in (sys.path, sys.meta_path, sys.path_hooks):
            places.clear()
        own = os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        # The locks of this run are not its own: it may be left behind.
        needed = {to, own, *(init.mounts for init in inits)}
        for handle in map(int, os.listdir("/proc/self/fd")):
            if handle not in needed:
                with contextlib.suppress(OSError):
                    os.close(handle)
        os.setgroups([])
        for init in inits:
            try:
                os.seteuid(0)
                os.setegid(0)
                if setns(init.mounts, _NEW_MOUNTS):
                    continue
                os.setegid(init.gid)
                os.seteuid(init.uid)
                found = _ledger(own)
            except OSError:
                continue
            answer = _HEAD.pack(init.ctid, found is not None, len(found or b"")) + (found or b"")
            while answer:
                answer = answer[os.write(to, answer) :]
        code = 0
    finally:
        os._exit(code)


def _ledger(own: int) -> bytes | None:
    """The ledger of the guest that this process is in, None for none. Raises OSError for anything else.

    ``own``: the node's folder of this process's descriptors. A file is opened to be read once it is known to be one.
    """
    try:
        place = os.open(ledger.PATH, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise OSError
        handle = os.open(str(place), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=own)
    finally:
        os.close(place)
    try:
        data = b""
        while len(data) <= ledger.MAX_BYTES:
            chunk = os.read(handle, ledger.MAX_BYTES + 1 - len(data))
            if not chunk:
                break
            data += chunk
        return data
    finally:
        os.close(handle)
