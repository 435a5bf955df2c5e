# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Proxmox VE that is installed on this node, read from its own file: a call would cost a settled container time."""

from __future__ import annotations

import functools
import os
import re

# pve-manager's own module, as its build writes it: ``sub version { return '8.4.21'; }`` over several lines.
FILE = "usr/share/perl5/PVE/pvecfg.pm"
_VERSION = re.compile(r"^sub version \{\s*return '(\d+\.\d+[^']*)'", re.MULTILINE)


@functools.cache  # a module's process is short
def version(root: str = "/") -> str:
    """The version, such as 8.4.21; empty where the file has none. ``root`` is for tests."""
    try:
        with open(os.path.join(root, FILE), encoding="utf-8", errors="replace") as file:
            found = _VERSION.search(file.read())
    except OSError:
        return ""
    return found.group(1) if found else ""
