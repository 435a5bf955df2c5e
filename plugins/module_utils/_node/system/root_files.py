# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small files of root that are replaced as a whole: read, compared, checked, and written at once or not at all."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from typing import Any, NamedTuple

from ..failure import NodeError

MOST_BYTES = 1024 * 1024


class Seen(NamedTuple):
    """A file as it is; without one, everything is None."""

    content: str | None = None
    mode: int | None = None
    owner: int | None = None
    group: int | None = None

    def is_of_root(self, mode: int) -> bool:
        """Return whether it belongs to root and has this mode."""
        return (self.mode, self.owner, self.group) == (mode, 0, 0)


def read(path: str) -> Seen:
    """Return a file as it is. Raises OSError for what is no regular file or is larger than a MiB."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Seen()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "it is no regular file", path)
    if status.st_size > MOST_BYTES:
        raise OSError(0, f"it has {status.st_size} bytes, more than {MOST_BYTES}", path)
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return Seen(file.read(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def diff(path: str, before: Seen, content: str | None, mode: int | None) -> dict[str, str]:
    """Return the diff of a file; None as `content` for one that goes. A change of owner or mode alone is shown too."""
    same = before.content == content
    return {
        "before_header": path,
        "after_header": path,
        "before": f"{before.owner}:{before.group} {before.mode or 0:04o}\n" if same else _shown(before.content),
        "after": f"0:0 {mode or 0:04o}\n" if same else _shown(content),
    }


def _shown(content: str | None) -> str:
    return (content or "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def replace(module: Any, path: str, content: str, mode: int, validate: str | None = None) -> None:
    """Write a file through a temporary one beside it. Raises OSError, and NodeError where `validate` refuses it.

    validate: a command with `%s` in the place of the path.
    """
    target = os.path.realpath(path)
    # One name for each file: the next run replaces what a killed one left. Programs that read all files of a folder,
    # such as logrotate and sudo, skip this ending.
    temporary = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.dpkg-tmp")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(content)
            os.fchown(file.fileno(), 0, 0)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        if validate:
            command = [part.replace("%s", temporary) for part in shlex.split(validate)]
            code, out, error = module.run_command(command)
            if code:
                words = (error.strip() or out.strip() or f"exit code {code}")[-2000:]
                raise NodeError(f"{path} is not written, because {command[0]} refuses its new content: {words}")
        os.replace(temporary, target)
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)
