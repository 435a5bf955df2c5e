# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong in a configuration file, where, and what to do about it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Union

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core import secretwords

Pointer = tuple[Union[str, int], ...]  # noqa: UP007 - evaluated when imported, by Python 3.9 as well

_SHOWN = 60  # characters of a faulty value that a report shows


@dataclass(frozen=True)
class Finding:
    """One fault (or one warning) in one file.

    Attributes:
        file: the file as the user knows it.
        path: keys and indices from the top of the document to the place.
        got: what stands there, as text that is safe to show.
        expected: what should stand there.
        remedy: what to do.
        nearest: the known key or value that looks most like the unknown one.
        line, column: counted from 1; 0 where the place is not known.
        at_key: the place is the key rather than the value.
    """

    file: str
    path: Pointer
    got: str
    expected: str
    remedy: str
    nearest: str | None = None
    line: int = 0
    column: int = 0
    at_key: bool = False

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer (RFC 6901)."""
        return to_pointer(self.path)


@dataclass(frozen=True)
class Notice:
    """A note that stops nothing; `path` is its place."""

    path: Pointer
    text: str

    def __str__(self) -> str:
        line = f"{to_pointer(self.path)}: {self.text}"
        # Keys come from the file: a line feed or an escape sequence in one must not reach the terminal.
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)


def to_pointer(path: Pointer) -> str:
    """The JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def is_secret(path: Pointer, value: Any) -> bool:
    """Whether a value must not be shown: its key or its shape says that it is a secret."""
    return any(isinstance(part, str) and secretwords.is_secret_name(part) for part in path) or (
        secretwords.is_secret_value(value)
    )


def show(path: Pointer, value: Any, hidden: bool = False) -> str:
    """A value as a report may show it: JSON, bounded, on one line, secrets left out."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if hidden or is_secret(path, value):
        return "a value that is not shown (%s)" % ("text" if isinstance(value, str) else "number")
    if isinstance(value, str):
        short = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
        return json.dumps(short, ensure_ascii=not short.isprintable())
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
