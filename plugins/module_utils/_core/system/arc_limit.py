# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The limit of the ARC: its line in the file of module parameters, which may set more."""

from __future__ import annotations

import re

PARAMETER = "zfs_arc_max"
FILE = "/etc/modprobe.d/zfs.conf"
_LINE = re.compile(rf"\s*options\s+zfs\s(?:.*\s)?{PARAMETER}=")
_VALUE = re.compile(rf"\b{PARAMETER}=\S*")


def with_limit(text: str, limit: int) -> str:
    """Return the file's text with this limit, in bytes, in the last line that sets one; else in a line of its own."""
    lines = text.splitlines()
    setting = [number for number, line in enumerate(lines) if _LINE.match(line)]
    if setting:
        lines[setting[-1]] = _VALUE.sub(f"{PARAMETER}={limit}", lines[setting[-1]])
    else:
        lines.append(f"options zfs {PARAMETER}={limit}")
    return "\n".join(lines) + "\n"
