# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel parameters of the machine that labs need. They are raised, and never lowered again.

Other programs rely on them by then: Docker, a VPN or another lab needs `ip_forward` as well, and nothing says who
set it first. After a reboot they are as the machine configures them.
"""

from __future__ import annotations

from pathlib import Path

PROC = Path('/proc/sys')
# Guests are routed. All unprivileged guests are one user to the kernel, and each service of theirs has a session
# keyring: with the default of 200 keys a handful of guests leaves none for Docker ('disk quota exceeded'). And each
# systemd watches with several instances of inotify, of which a user has 128 ('Too many open files').
LEAST = {
    'net/ipv4/ip_forward': 1,
    'kernel/keys/maxkeys': 20000,
    'kernel/keys/maxbytes': 2000000,
    'fs/inotify/max_user_instances': 1024,
}


def up() -> None:
    """Raise what is too low."""
    for name, least in LEAST.items():
        if int((PROC / name).read_text()) < least:
            (PROC / name).write_text(f'{least}\n')
