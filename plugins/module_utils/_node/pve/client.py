# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control plane as the product speaks to it, whatever carries the calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

# PVE's words for a lock that ends by itself: the config's, the file's, and the one that a migration, a replication or
# the start after a rollback holds (PVE facts, 'Locks' and 'Pending changes').
LOCKED = ("CT is locked", "can't lock file", "Failed to obtain guest migration lock")


class PveError(Exception):
    """A refusal or failure of the control plane, in PVE's own words, with the call that met it.

    ``status`` is the HTTP status (0 when the call never got an answer); ``errors`` holds PVE's text per parameter;
    ``log`` is the tail of the task's log when a task failed.
    """

    def __init__(
        self,
        call: str,
        status: int,
        reason: str,
        errors: Mapping[str, str] | None = None,
        log: list[str] | None = None,
    ) -> None:
        self.call = call
        self.status = status
        self.reason = reason.strip()
        self.errors = dict(errors or {})
        self.log = list(log or [])
        super().__init__(self.text())

    def text(self) -> str:
        """One text for people: PVE's words, each refused parameter, the call, the log's tail."""
        fields = "; ".join(f"{key}: {' '.join(str(text).split())}" for key, text in sorted(self.errors.items()))
        status = f" ({self.status})" if self.status else ""
        parts = [f"{self.reason}{': ' if fields else ''}{fields} [{self.call}{status}]"]
        if self.log:
            parts.append("task log: " + " | ".join(self.log))
        return "; ".join(parts)

    @property
    def locked(self) -> bool:
        """Whether another task holds the container just now, so that waiting may help."""
        words = f"{self.reason} {' '.join(self.errors.values())}"
        return any(text in words for text in LOCKED)


class LostAnswerError(PveError):
    """A write was sent and its answer was lost: it may have been carried out. Look before it is made again."""


class Client(Protocol):
    """One connection to a node's control plane."""

    def request(self, method: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """One call below /api2/json. Returns ``data``. Raises PveError."""


def call_text(method: str, path: str, params: Mapping[str, Any] | None) -> str:
    """A call as an error names it: without values, which may be secret."""
    keys = ", ".join(sorted(params or ()))
    return f"{method} {path}{' with ' + keys if keys else ''}"


def form_value(value: Any) -> str:
    """A parameter as PVE's form decoder takes it: booleans are 0 or 1, ``true`` is refused."""
    return str(int(value)) if isinstance(value, bool) else str(value)
