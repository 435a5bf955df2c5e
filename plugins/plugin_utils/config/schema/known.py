# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of documents that were judged before."""

from __future__ import annotations

import hashlib
import json
from typing import Any


class Known:
    """Knows nothing, and remembers nothing."""

    def has(self, key: str) -> bool:
        """Return whether a document of this key was found to be valid."""
        return False

    def add(self, key: str) -> None:
        """Remember that it was."""


NOTHING = Known()


def key_of(*parts: Any) -> str:
    """Return a key of a document, its schema and whatever else decides whether it is valid.

    Two of them that differ in anything have different keys, also where Python takes their values for equal, such as 1
    and true. An empty text stands for what is no JSON.
    """
    try:
        text = json.dumps(parts)
    except (TypeError, ValueError, RecursionError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()
