# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's disk: a file system of its own in a sparse file, for the node's upper layer and the guests.

Each guest is thousands of files that come and go. The host's file system may be slow at that: ext4 without a journal
looks at every inode that was deleted in the last minutes before it takes one, which costs ten times what the files do.
And `down` deletes one file. Where the host has no loop devices, the folders lie on its own file system.
"""

from __future__ import annotations

import os
import time

from .instance import Instance
from .run import LabError, run, say

# Sparse: it takes what the guests' files take, and gives back what they no longer do.
BYTES = 64 << 30
MAKE = ['mkfs.ext4', '-q', '-F', '-m', '0', '-J', 'size=64', '-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard']
MOUNT = ['mount', '-o', 'loop,noatime,discard,noinit_itable']


def up(lab: Instance) -> None:
    """Mount the disk, made when it is missing. A lab that began without one goes on without."""
    if attach(lab) or lab.disk.exists():
        return
    lab.disk.mkdir(parents=True)
    temporary = lab.image.with_suffix('.new')
    with open(temporary, 'wb') as image:
        image.truncate(BYTES)
    if run([*MAKE, str(temporary)], check=False).returncode == 0:
        temporary.rename(lab.image)
        if attach(lab):
            return
        lab.image.unlink()
    temporary.unlink(missing_ok=True)
    say("no loop device can be mounted: the guests' files go to the file system of the host")


def attach(lab: Instance) -> bool:
    """Mount the disk, if there is one; whether it is mounted."""
    if os.path.ismount(lab.disk):
        return True
    return lab.image.exists() and run([*MOUNT, str(lab.image), str(lab.disk)], check=False).returncode == 0


def down(lab: Instance) -> None:
    """Unmount it. The file stays."""
    deadline = time.monotonic() + 120
    while os.path.ismount(lab.disk):
        done = run(['umount', str(lab.disk)], check=False)
        if done.returncode and time.monotonic() > deadline:
            raise LabError(f'{lab.disk} cannot be unmounted: {done.stderr.strip()}')
        if done.returncode:
            time.sleep(0.1)  # the namespaces of a killed node end one after the other
