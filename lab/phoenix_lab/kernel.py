# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's kernel parameters that labs need; as they were again when the last lab of the machine is gone."""

from __future__ import annotations

import json
from pathlib import Path

from .instance import STATE_ROOT, Instance, write_atomically

PROC = Path('/proc/sys')
BEFORE = STATE_ROOT / 'sysctl.before'
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
    """Raise what is too low, and remember what it was."""
    present = {name: int((PROC / name).read_text()) for name in LEAST}
    low = {name: value for name, value in present.items() if value < LEAST[name]}
    if not low:
        return
    remembered = json.loads(BEFORE.read_text()) if BEFORE.exists() else {}
    write_atomically(BEFORE, json.dumps({**low, **remembered}))
    for name in low:
        (PROC / name).write_text(f'{LEAST[name]}\n')


def down(lab: Instance) -> None:
    """Put them back, when no other lab is there."""
    others = [facts for facts in STATE_ROOT.glob('*/instance.json') if facts.parent != lab.state]
    if BEFORE.exists() and not others:
        for name, value in json.loads(BEFORE.read_text()).items():
            (PROC / name).write_text(f'{value}\n')
        BEFORE.unlink()
