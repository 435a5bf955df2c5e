# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The latest lines of the controller's audit trail."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit.audit_file import default_directory

DAYS = 7
"""So many of the trail's latest files are read."""
MOST_BYTES = 4 * 1024 * 1024
"""So much of the end of each."""


def latest_lines() -> Iterator[str]:
    """The lines, oldest first."""
    folder = os.environ.get("PHOENIX_LOG_DIR") or default_directory()
    for path in sorted(glob.glob(os.path.join(folder, "orchestrator_*.log")))[-DAYS:]:
        try:
            with open(path, "rb") as file:
                file.seek(max(0, os.path.getsize(path) - MOST_BYTES))
                yield from file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            continue  # rotated meanwhile, or another user's
