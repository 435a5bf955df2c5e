# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of tasks that several hosts include by a loop, so that each host gets its own in its own order. Pure.

Ansible gathers the files that the hosts of a play include by one task: equal ones once for all hosts, in the order in
which the first of the hosts names them. Where one host needs the second file only, the others would run their second
file before their first one. Files that follow on different ones are therefore made different.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any


def in_turn(parts: Iterable[str | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the parts, each with ``file`` and with ``after``, which differs where others come before it.

    A text is a file.
    """
    found: list[dict[str, Any]] = []
    before = ""
    for part in parts:
        one = {**({"file": str(part)} if isinstance(part, str) else part), "after": before}
        before = hashlib.sha256(json.dumps(one, sort_keys=True, default=str).encode()).hexdigest()[:16]
        found.append(one)
    return found
