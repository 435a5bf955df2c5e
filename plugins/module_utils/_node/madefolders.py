# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes folders of the node that guests can write into, or that lie below such folders.

A guest may set a link anywhere in a folder that is its mount. So links are followed only where root alone can have set
them, and each step goes on from the folder that is open.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Callable, Optional

from .failure import NodeError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as the kernel has it
_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
Make = Callable[[int, str], None]


class ForeignLinkError(NodeError):
    """A path leads through a link which another user than root can have set."""

    def __init__(self, path: str, link: str) -> None:
        self.link = link
        super().__init__(
            f"{path} leads through the link {link}, which another user than root can have set, so it is not followed",
            remedy="remove the link, or name the folder that it leads to",
        )


def opened(path: str, make: Optional[Make] = None) -> int:
    """Open a folder. ``make`` makes each one that is missing, in the folder that is open.

    Raises OSError, and ForeignLinkError for a link that is not followed.
    """
    left = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    here, way, links = os.open("/", _DIRECTORY), "", 0
    try:
        while left:
            part = left.pop()
            target = _link(here, part)
            if target is None:
                if make is not None and _is_missing(here, part):
                    make(here, part)
                there = os.open(part, _DIRECTORY, dir_fd=here)
                os.close(here)
                here, way = there, f"{way}/{part}"
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if not _is_set_by_root(here, part):
                raise ForeignLinkError(path, f"{way}/{part}")
            if target.startswith("/"):
                os.close(here)
                here, way = os.open("/", _DIRECTORY), ""
            left += [each for each in reversed(target.split("/")) if each not in ("", ".")]
    except BaseException:
        os.close(here)
        raise
    return here


def _link(here: int, part: str) -> str | None:
    """Where a link leads to; None for what is none."""
    try:
        return os.readlink(part, dir_fd=here)
    except OSError:
        return None


def _is_missing(here: int, part: str) -> bool:
    try:
        os.stat(part, dir_fd=here, follow_symlinks=False)
    except FileNotFoundError:
        return True
    return False


def _is_set_by_root(here: int, part: str) -> bool:
    """Whether nobody but the user that runs this can have set a link. A sticky folder keeps the links of others."""
    folder, link = os.fstat(here), os.stat(part, dir_fd=here, follow_symlinks=False)
    closed = not folder.st_mode & _BY_OTHERS or folder.st_mode & stat.S_ISVTX
    return bool(closed) and folder.st_uid == link.st_uid == os.geteuid()


def settle(path: str, uid: int, gid: int, mode: int) -> bool:
    """Make a folder, and those above it, with this owner and mode; whether anything changed.

    An existing one gets them only while it is empty: nobody here knows whose content it is. Raises OSError and
    ForeignLinkError.
    """
    made = []

    def make(here: int, part: str) -> None:
        os.mkdir(part, 0o700, dir_fd=here)
        made.append(part)
        folder = os.open(part, _DIRECTORY, dir_fd=here)
        try:
            _give(folder, uid, gid, mode)
        finally:
            os.close(folder)

    folder = opened(path, make)
    try:
        found = os.fstat(folder)
        right = (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (uid, gid, mode)
        if right or os.listdir(folder):
            return bool(made)
        _give(folder, uid, gid, mode)
        return True
    finally:
        os.close(folder)


def _give(folder: int, uid: int, gid: int, mode: int) -> None:
    os.fchown(folder, uid, gid)
    os.fchmod(folder, mode)  # after the owner, whose change takes the setgid bit away


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
