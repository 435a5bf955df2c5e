# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a file is that a process of a guest has open, without a question to its file system.

A guest can have a file system of its own (FUSE) that never answers. Whoever asks that one for the size of a file waits
for ever, and not even SIGKILL ends it. What the kernel has in its memory is enough to tell files apart.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

_HERE = -100  # AT_FDCWD of fcntl.h
_DONT_SYNC = 0x4000  # AT_STATX_DONT_SYNC
_TYPE_AND_INODE = 0x101  # STATX_TYPE, STATX_INO
_FIELDS = struct.Struct("=28xH2xQ88xIIII112x")  # of struct statx: mode, inode, device numbers of the file and under it


class Known(NamedTuple):
    """A file: its mode, its inode on a device, and what a device file stands for, each as (major, minor)."""

    mode: int
    inode: int
    device: tuple[int, int]
    stands_for: tuple[int, int]


def look(path: str) -> Known:
    """What a path leads to, as the kernel knows it now. Raises OSError."""
    import ctypes  # for the function that Python has not; most modules load this file and never look

    found = ctypes.create_string_buffer(_FIELDS.size)
    if ctypes.CDLL(None, use_errno=True).statx(_HERE, os.fsencode(path), _DONT_SYNC, _TYPE_AND_INODE, found):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    mode, inode, its_major, its_minor, major, minor = _FIELDS.unpack(found)
    return Known(mode, inode, (major, minor), (its_major, its_minor))
