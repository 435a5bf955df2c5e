# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes a folder of the node for a bind mount. What exists keeps its owner, its mode and its content."""

from __future__ import annotations

import os

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make(path: str, uid: int, gid: int) -> bool:
    """Make the last part of a path with this owner; whether it was made. Raises OSError.

    No link is followed: a guest may be able to write into a folder on the way, which is its own mount.
    """
    *parents, name = [part for part in path.split("/") if part]
    here = os.open("/", _DIRECTORY)
    try:
        for part in parents:
            there = os.open(part, _DIRECTORY, dir_fd=here)
            os.close(here)
            here = there
        try:
            os.mkdir(name, 0o755, dir_fd=here)
        except FileExistsError:
            return False
        made = os.open(name, _DIRECTORY, dir_fd=here)
        try:
            if os.fstat(made).st_uid == os.geteuid() and not os.listdir(made):
                os.fchmod(made, 0o755)
                os.fchown(made, uid, gid)
                return True
        finally:
            os.close(made)
        return False
    finally:
        os.close(here)
