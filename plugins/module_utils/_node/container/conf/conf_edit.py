# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Edits of a container's config file, for the raw lines that the API can't write.

Under PVE's own lock file, after checking digest and lock again, replaced by a rename.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from itertools import repeat

from ...._core.pve import rawlines
from ...._core.pve.conffile import parse_conf
from ...pve.client import LockedError, StaleConfigError, refused
from ...waiting import Deadline, try_lock, until

CHANGED = "detected modified configuration - file changed by other user? Try again."  # as PVE says it
LOCKS = "/run/lock/lxc"
LOCK_WAIT = 10.0  # as long as PVE itself waits


def edit_raw_lines(
    path: str,
    ctid: int,
    digest: str,
    add: Iterable[rawlines.Line],
    remove: Iterable[rawlines.Line],
    locks: str = LOCKS,
) -> None:
    """Add and remove raw lines of the head section. Raises PveError in PVE's words for a lock or a stale digest."""
    call = f"edit of {path}"
    os.makedirs(locks, exist_ok=True)
    handle = os.open(os.path.join(locks, f"pve-config-{ctid}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        _lock(handle, ctid, call)
        with open(path, "rb") as file:
            data = file.read()
        if hashlib.sha1(data, usedforsecurity=False).hexdigest() != digest:
            raise StaleConfigError(call, 0, CHANGED)
        text = data.decode("utf-8")
        held = parse_conf(text).head.get("lock")
        if held:
            raise refused(call, 0, f"CT is locked ({held})")
        temporary = f"{path}.tmp.{os.getpid()}"
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(rawlines.edit(text, add, remove))
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, os.stat(path).st_mode & 0o777)
            os.rename(temporary, path)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise refused(call, 0, f"{error.strerror}") from None
    finally:
        os.close(handle)


def _lock(handle: int, ctid: int, call: str) -> None:
    if not until(lambda: try_lock(handle), Deadline(LOCK_WAIT), repeat(0.1)):
        raise LockedError(call, 0, f"can't lock file '{LOCKS}/pve-config-{ctid}.lock' - got timeout")
