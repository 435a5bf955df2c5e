# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bind mount from the node into another mount namespace: open_tree here, setns in a child, move_mount there."""

from __future__ import annotations

import ctypes
import os

# x86_64 and aarch64 share these numbers (asm-generic, from Linux 5.2 on).
_OPEN_TREE, _MOVE_MOUNT = 428, 429
_OPEN_TREE_CLONE, _AT_RECURSIVE, _MOVE_MOUNT_F_EMPTY_PATH = 1, 0x8000, 4
_CLONE_NEWNS = 0x20000
_AT_FDCWD = -100


def bind_into(source: str, target: str, pid: int) -> None:
    """Mount source of this namespace at target, which exists in the namespace of pid. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    tree = libc.syscall(_OPEN_TREE, _AT_FDCWD, source.encode(), _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC)
    if tree < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    namespace = os.open(f'/proc/{pid}/ns/mnt', os.O_RDONLY)
    root = os.open(f'/proc/{pid}/root', os.O_RDONLY | os.O_DIRECTORY)
    try:
        child = os.fork()
        if not child:
            failed = libc.setns(namespace, _CLONE_NEWNS)
            if not failed:
                os.fchdir(root)
                os.chroot('.')
                failed = libc.syscall(_MOVE_MOUNT, tree, b'', _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH)
            os._exit(ctypes.get_errno() if failed else 0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        for handle in (tree, namespace, root):
            os.close(handle)
    if status:
        raise OSError(status, os.strerror(status))
