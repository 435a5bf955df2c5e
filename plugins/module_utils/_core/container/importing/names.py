# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of volumes that nobody has named yet, made of the paths at which they are mounted."""

from __future__ import annotations

import re

_OTHER = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST = 56


class Names:
    """Names that were not given before."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def of_path(self, path: str) -> str:
        """The name of the volume at a path: ``/srv/data`` is ``srv-data``."""
        plain = _OTHER.sub("-", path.strip("/")).strip("-._")[:_LONGEST] or "volume"
        name, number = plain, 1
        while name in self._given:
            number += 1
            name = f"{plain}-{number}"
        self._given.add(name)
        return name
