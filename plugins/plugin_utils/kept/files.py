# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that a run leaves for the next one: below Ansible's own folder of this user, where nobody else can write.

They save time and nothing else. A folder that can't be made or is not this user's alone keeps nothing, without a word.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import tempfile
from collections.abc import Callable

from ansible import constants

LIMIT = 64
"""Files of one kind that are kept; the oldest go first."""


@functools.cache
def folder(kind: str) -> str | None:
    """Return the folder of a kind of files, made if it is missing; None where nothing can be kept."""
    home = str(constants.config.get_config_value("ANSIBLE_HOME"))
    path = os.path.expanduser(home)
    try:
        os.makedirs(path, exist_ok=True)
        for part in ("phoenix_hypervisor", kind):
            path = os.path.join(path, part)
            # One by one: the mode of makedirs does not reach the folders above.
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, mode=0o700)
            if not _is_own(os.lstat(path), stat.S_ISDIR):
                return None
    except OSError:
        return None
    return path


def read(kind: str, name: str) -> bytes | None:
    """Return the content of a kept file, None when there is none that only this user could have written."""
    place = folder(kind)
    if place is None:
        return None
    try:
        handle = os.open(os.path.join(place, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    if not _is_own(os.fstat(handle), stat.S_ISREG):
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as file:
        with contextlib.suppress(OSError):
            os.utime(handle)  # used: it stays longer
        return file.read()


def names(kind: str) -> list[str]:
    """Return the names of the kept files of a kind, in order."""
    place = folder(kind)
    with contextlib.suppress(OSError):
        return sorted(name for name in os.listdir(place) if not name.startswith(".")) if place else []
    return []


def write(kind: str, name: str, data: bytes) -> None:
    """Keep a file, whole or not at all, and forget the oldest of its kind."""
    place = folder(kind)
    if place is None:
        return
    with contextlib.suppress(OSError):
        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=place)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.rename(temporary, os.path.join(place, name))
        except BaseException:
            os.unlink(temporary)
            raise
        _forget_oldest(place)


def _forget_oldest(place: str) -> None:
    with os.scandir(place) as entries:
        files = sorted((entry.stat(follow_symlinks=False).st_mtime, entry.path) for entry in entries)
    for _time, path in files[: max(0, len(files) - LIMIT)]:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _is_own(found: os.stat_result, kind: Callable[[int], bool]) -> bool:
    return kind(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
