# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of .conf files, and PVE's lock file for each.

The files are the truth: whoever edits one (as root does to set raw lines) is obeyed at the next request.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
from pathlib import Path

_NAME = re.compile(r'([1-9][0-9]{2,8})\.conf')


class ConfStore:
    """Reads and writes <conf_dir>/<CTID>.conf; locks <lock_dir>/pve-config-<CTID>.lock with flock."""

    def __init__(self, conf_dir: Path, lock_dir: Path) -> None:
        self.conf_dir = conf_dir
        self.lock_dir = lock_dir
        conf_dir.mkdir(parents=True, exist_ok=True)
        lock_dir.mkdir(parents=True, exist_ok=True)
        self._held: dict[int, int] = {}

    def path(self, vmid: int) -> Path:
        """Where the container's config is."""
        return self.conf_dir / f'{vmid}.conf'

    def stamps(self) -> dict[int, tuple[int, int, int]]:
        """{CTID: what changes when the file does} of all files."""
        out = {}
        with os.scandir(self.conf_dir) as entries:
            for entry in entries:
                found = _NAME.fullmatch(entry.name)
                if found and entry.is_file():
                    stat = entry.stat()
                    out[int(found.group(1))] = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        return out

    def read(self, vmid: int) -> str | None:
        """The file's text, None when there is none."""
        try:
            return self.path(vmid).read_text(encoding='utf-8', errors='surrogateescape')
        except FileNotFoundError:
            return None

    def write(self, vmid: int, text: str) -> None:
        """Replace the file atomically, readable as on /etc/pve (root and www-data)."""
        target = self.path(vmid)
        temporary = target.with_name(f'{target.name}.tmp.{os.getpid()}')
        temporary.write_text(text, encoding='utf-8', errors='surrogateescape')
        os.chmod(temporary, 0o640)
        os.replace(temporary, target)

    def remove(self, vmid: int) -> None:
        """Delete the file; fine when it is not there."""
        self.path(vmid).unlink(missing_ok=True)

    async def lock(self, vmid: int, timeout: float) -> bool:
        """Take the container's lock file within timeout (real seconds); False when somebody kept it."""
        deadline = asyncio.get_running_loop().time() + timeout
        descriptor = os.open(self.lock_dir / f'pve-config-{vmid}.lock', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if asyncio.get_running_loop().time() >= deadline:
                    os.close(descriptor)
                    return False
                # flock cannot be awaited without a thread, and PVE itself polls by alarm.
                await asyncio.sleep(0.02)
                continue
            self._held[vmid] = descriptor
            return True

    def unlock(self, vmid: int) -> None:
        """Let go of the lock file."""
        descriptor = self._held.pop(vmid, None)
        if descriptor is not None:
            os.close(descriptor)
