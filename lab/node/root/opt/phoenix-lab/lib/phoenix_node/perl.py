# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What starting pct or pvesh costs on a real node, where both are Perl: 0.45 s as measured. Here only when asked for.

There it is work of a processor, which compiles PVE's modules; so it is here. PVE/AccessControl.pm does the same.
Measurements ask for it, so that they compare what a user would see; tests don't, since they would only take longer.
"""

from __future__ import annotations

import time
from pathlib import Path

SECONDS_FILE = Path('/etc/phoenix-lab/perl-start-seconds')


def start() -> None:
    """Work as long as the interpreter would to load PVE's modules; not at all without the file."""
    try:
        seconds = float(SECONDS_FILE.read_text(encoding='ascii'))
    except FileNotFoundError:
        return
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
