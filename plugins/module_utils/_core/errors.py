# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of all errors that have words of their own for the user."""

from __future__ import annotations

import re
from typing import Any


class KnownError(Exception):
    """A failure that a message explains: where it happened, what failed, why, and what to do next.

    ``where`` is a container, a file or an address; ``what`` the work or the thing. Only ``why`` is required. The
    message is ``where: what: why; remedy``. Whatever else is given becomes part of the module's result.
    """

    def __init__(self, why: str, *, what: str = "", where: str = "", remedy: str = "", **fields: Any) -> None:
        super().__init__(why)
        self.why = why
        self.what = what
        self.where = where
        self.remedy = remedy
        self.fields = fields

    def happened_at(self, where: str) -> None:
        """Add the place, unless the error has one or its cause begins with it."""
        if not self.where and not re.match(rf"{re.escape(where)}\b", self.why):
            self.where = where

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.where, self.what, self.why) if part)
        return f"{text}; {self.remedy}" if self.remedy else text
