# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What looks like a secret: by the name of what holds it, or by its shape."""

from __future__ import annotations

import re
from typing import Any

_KEY = re.compile(r"pass(word|phrase|wd)?|secret|token|credential|private_key|api_?key|_hash\Z", re.IGNORECASE)
# Each pattern takes time in proportion to the text, whatever a guest or a file puts in it: no two neighboring
# repetitions of a pattern match the same character.
_VALUE = re.compile(
    r"(?:hf_[A-Za-z0-9]{8}|PVEAPIToken=|\$[0-9a-z]{1,2}\$|-----BEGIN |\$ANSIBLE_VAULT"
    r"|[^!\s][^!\s@]*@[^!\s]+![^=\s]+=|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
    re.IGNORECASE,
)
_NAMED = re.compile(r"(?:api[-_]?key|token|passw(?:or)?d|secret)[\"']?[=:\s]\s*\S", re.IGNORECASE)
_USER_IN_ADDRESS = re.compile(r"[a-z0-9+.-]://[^/\s@:]*:[^/\s@]+@", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Whether what has this name holds a secret."""
    return bool(_KEY.search(name))


def is_secret_value(value: Any) -> bool:
    """Whether a value has the shape of a secret."""
    return isinstance(value, str) and bool(_VALUE.match(value) or _NAMED.search(value))


def holds_secret(text: str) -> bool:
    """Whether a text has something in it that looks like a secret: one of its lines or words, or an address."""
    lines = text.splitlines()
    words = (word for line in lines for word in line.split())
    return any(map(is_secret_value, (text, *lines, *words))) or bool(_USER_IN_ADDRESS.search(text))
