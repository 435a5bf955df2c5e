# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's audit file: one a day, appended to line by line, never through a link that somebody planted."""

from __future__ import annotations

import os
import stat

SYSTEM_DIRECTORY = "/var/log/phoenix_hypervisor"


def default_directory(system: str = SYSTEM_DIRECTORY) -> str:
    """Return where the trail goes without a setting: the system's log directory, else the user's state directory."""
    nearest = system if os.path.lexists(system) else os.path.dirname(system)
    if os.access(nearest, os.W_OK | os.X_OK):
        return system
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "phoenix_hypervisor")


def append_line(directory: str, day: str, line: str) -> None:
    """Append one line to ``orchestrator_<day>.log`` by a single write, which O_APPEND keeps whole among writers.

    ``day`` is YYYYMMDD. The directory is created with 0750, the file with 0600. Raises OSError when the file can't be
    written, is a symbolic link, or is not a plain file of one name that belongs to this user.
    """
    if not os.path.isdir(directory):
        # makedirs' mode does not reach the parents, and is cut by the umask.
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o750)
    path = os.path.join(directory, f"orchestrator_{day}.log")
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_uid != os.geteuid():
            raise PermissionError(f"refusing to write to {path}: not a plain file of this user")
        if stat.S_IMODE(status.st_mode) != 0o600:
            os.fchmod(descriptor, 0o600)
        os.write(descriptor, (line + "\n").encode("ascii"))
    finally:
        os.close(descriptor)
