# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of this layer's errors, and how the errors of Python become such."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from .._core.errors import KnownError


class NodeError(KnownError):
    """What the node or a program on it refused, or what a module refuses to do."""


@contextlib.contextmanager
def about(where: str, **fields: Any) -> Iterator[None]:
    """Add the place, and fields of the result, to each known error that doesn't have them."""
    try:
        yield
    except KnownError as error:
        error.happened_at(where)
        error.fields = {**fields, **error.fields}
        raise


@contextlib.contextmanager
def failing(
    what: str = "", *, where: str = "", remedy: str = "", kinds: tuple[type[Exception], ...] = (OSError,)
) -> Iterator[None]:
    """Raise NodeError for an error of these classes; known errors pass.

    The file of an OSError is the place, else ``where`` is. Use it as a decorator, too.
    """
    try:
        yield
    except KnownError:
        raise
    except kinds as error:
        place, why = in_words(error)
        raise NodeError(why, what=what, where=place or where, remedy=remedy) from error


def in_words(error: BaseException) -> tuple[str, str]:
    """Return the place and the cause of an error: the file and the system's words for an OSError."""
    if isinstance(error, OSError) and error.strerror:
        place = error.filename or ""
        return _printable(os.fsdecode(place) if isinstance(place, bytes) else str(place)), _printable(error.strerror)
    return "", _printable(str(error))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
