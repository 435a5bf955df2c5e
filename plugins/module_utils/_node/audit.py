# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's copy of the audit trail, written as things happen: a killed run leaves its trace."""

from __future__ import annotations

import datetime
import errno
import os
from collections.abc import Iterator, Mapping
from typing import Any

from .._core.auditline import AuditEvent, format_line
from .store import StoreError, private_directory

DIRECTORY = "/var/log/phoenix_hypervisor"
DAYS = 7
"""So many of the trail's latest files are read."""
MOST_BYTES = 4 * 1024 * 1024
"""So much of the end of each."""


def latest_lines(directory: str = DIRECTORY) -> Iterator[str]:
    """The latest lines of the node's trail, oldest first. A link in the folder is not followed."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.startswith("orchestrator_"))[-DAYS:]
    except OSError:
        return  # no run has written yet
    for name in names:
        try:
            handle = os.open(os.path.join(directory, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue  # rotated meanwhile
        with os.fdopen(handle, "rb") as file:
            file.seek(max(0, os.fstat(handle).st_size - MOST_BYTES))
            yield from file.read(MOST_BYTES).decode("utf-8", "replace").splitlines()


class Audit:
    """Writes lines for one run. A dry run gets ``quiet`` and writes nothing on the node."""

    def __init__(self, run: str, quiet: bool = False, directory: str = DIRECTORY) -> None:
        self._run = run
        self._quiet = quiet
        self._directory = directory

    def write(
        self,
        ctid: int | None,
        event: str,
        outcome: str,
        seconds: float | None = None,
        level: str = "INFO",
        extras: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one event. Raises StoreError when the trail can't be kept."""
        if self._quiet:
            return
        now = datetime.datetime.now().astimezone()
        line = format_line(
            AuditEvent(
                time=now.isoformat(timespec="milliseconds"),
                level=level,
                run=self._run,
                ctid=ctid,
                event=event,
                outcome=outcome,
                seconds=seconds,
                extras={key: str(value) for key, value in (extras or {}).items()},
            )
        )
        private_directory(self._directory)
        path = os.path.join(self._directory, f"orchestrator_{now:%Y%m%d}.log")
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
            handle = os.open(path, flags, 0o600)
            try:
                data = (line + "\n").encode("utf-8")
                size = os.fstat(handle).st_size
                if size and os.pread(handle, 1, size - 1) != b"\n":
                    data = b"\n" + data  # a disk that was full, or a kill, cut the last line off
                if os.write(handle, data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(handle)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
