# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon pve-firewall of the lab's node: looks at the files time and again and puts them in force."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from . import nodefilter

PVE = Path('/etc/pve')
# What was compiled last and is in force, for `status`.
IN_FORCE = Path('/run/phoenix-lab/pve-firewall')
# Seconds; the real one looks every 10.
PERIOD = 2.0


def _wanted() -> str:
    return nodefilter.compile_rules(*nodefilter.read(PVE))


def serve() -> None:
    """Until it is stopped."""
    IN_FORCE.unlink(missing_ok=True)
    while True:
        wanted = _wanted()
        if not IN_FORCE.exists() or IN_FORCE.read_text() != wanted:
            done = subprocess.run(['nft', '-f', '-'], input=wanted, text=True, capture_output=True, check=False)
            if done.returncode:
                print(f'status update error: {done.stderr}', file=sys.stderr)
            else:
                IN_FORCE.write_text(wanted)
        time.sleep(PERIOD)


def status() -> None:
    """In pve-firewall's words."""
    enabled = 'enabled' if nodefilter.read(PVE)[0]['options'].get('enable') else 'disabled'
    pending = not IN_FORCE.exists() or IN_FORCE.read_text() != _wanted()
    print(f'Status: {enabled}/running' + (' (pending changes)' if pending else ''))


if __name__ == '__main__':
    {'start': serve, 'status': status}[sys.argv[1]]()
