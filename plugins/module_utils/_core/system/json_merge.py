# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A JSON object in a file, into which keys are merged: the keys of others stay as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import KnownError


class NoObjectError(KnownError, ValueError):
    """The text is no JSON object."""


def parse(text: str) -> dict[str, Any]:
    """Return the object of a file; an empty file is an empty one. Raises NoObjectError."""
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoObjectError(str(error)) from None
    if not isinstance(found, dict):
        raise NoObjectError(f"it is of type {type(found).__name__}")
    return found


def merged(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the keys of another one: objects are merged, null removes, anything else replaces."""
    result = dict(present)
    for key, value in wanted.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            before = result.get(key)
            result[key] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def text(value: Mapping[str, Any]) -> str:
    """Return an object as the text of its file."""
    return json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False) + "\n"
