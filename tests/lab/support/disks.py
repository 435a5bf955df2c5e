# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Invented disks for a node of the lab: loop devices over files, with names in /dev/disk/by-id; and ZFS by zfs-fuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .site import Lab

FOLDER = '/var/lib/vz/disks'
ADD = f"""set -e
mkdir -p {FOLDER} /dev/disk/by-id
for name in $NAMES; do
  truncate -s 96M {FOLDER}/$name
  left=20
  until
    device=$(losetup -f); number=${{device#/dev/loop}}
    [ -b $device ] || mknod $device b 7 $number
    losetup $device {FOLDER}/$name
  do left=$((left-1)); [ $left -gt 0 ]; sleep 0.1; done
  ln -sf $device /dev/disk/by-id/$name
done
"""
REMOVE = f"""
for pool in $(zpool list -H -o name 2>/dev/null); do zpool destroy -f $pool; done
systemctl stop phoenix-lab-zfs
for link in /dev/disk/by-id/*; do losetup -d $(readlink $link); rm $link; done
rm -rf {FOLDER}
"""


@contextmanager
def disks(lab: Lab, *names: str) -> Iterator[None]:
    """These disks, and ZFS. Loop devices are the whole machine's, so they go before the node does."""
    lab.sh(f"NAMES='{' '.join(names)}'\n{ADD}")
    lab.sh('systemctl start phoenix-lab-zfs')
    try:
        yield
    finally:
        lab.sh(REMOVE, check=False)
