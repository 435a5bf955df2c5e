# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control plane as the product speaks to it, whatever carries the calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Optional, Protocol

from ..._core.pve.words.faults import Fault, decode
from ..failure import NodeError


class PveError(NodeError):
    """A refusal or failure of the control plane, in PVE's own words, with the call that met it.

    ``status`` is the HTTP status (0 when the call never got an answer); ``errors`` holds PVE's text per parameter;
    ``log`` is the tail of the task's log when a task failed; ``fault`` what is wrong, None when only the words say it.
    """

    KIND: ClassVar[Optional[Fault]] = None

    def __init__(
        self,
        call: str,
        status: int,
        reason: str,
        errors: Mapping[str, str] | None = None,
        log: list[str] | None = None,
        fault: Fault | None = None,
    ) -> None:
        self.fault = fault or self.KIND
        self.call = call
        self.status = status
        self.reason = reason.strip()
        self.errors = dict(errors or {})
        self.log = list(log or [])
        super().__init__(self._text())

    def _text(self) -> str:
        """One text for people: PVE's words, each refused parameter, the call, the log's tail."""
        fields = "; ".join(f"{key}: {' '.join(str(text).split())}" for key, text in sorted(self.errors.items()))
        status = f" ({self.status})" if self.status else ""
        parts = [f"{self.reason}{': ' if fields else ''}{fields} [{self.call}{status}]"]
        if self.log:
            parts.append("task log: " + " | ".join(self.log))
        return "; ".join(parts)


class LockedError(PveError):
    """Another task holds the container just now, so that waiting may help."""

    KIND = Fault.LOCKED


class StaleConfigError(PveError):
    """Somebody changed the configuration since it was looked at: look again."""

    KIND = Fault.STALE_CONFIG


class AlreadyRunningError(PveError):
    """What was to be started runs."""

    KIND = Fault.ALREADY_RUNNING


class NotRunningError(PveError):
    """What was to be stopped doesn't run."""

    KIND = Fault.NOT_RUNNING


class MissingError(PveError):
    """Something that the call names doesn't exist."""

    KIND = Fault.MISSING


class StillRunsError(PveError):
    """A task outlasts the time that was given to it, and goes on."""

    KIND = Fault.STILL_RUNS


class NoAnswerError(PveError):
    """The control plane gave no answer."""

    KIND = Fault.NO_ANSWER


class LostAnswerError(NoAnswerError):
    """A write was sent and its answer was lost: it may have been carried out. Look before it is made again."""


_CLASSES: Mapping[Fault, type[PveError]] = {
    Fault.CREATION_HOLDS_LOCK: LockedError,
    **{
        kind.KIND: kind
        for kind in (LockedError, StaleConfigError, AlreadyRunningError, NotRunningError, MissingError)
        if kind.KIND is not None
    },
}


def refused(
    call: str, status: int, reason: str, errors: Mapping[str, str] | None = None, log: list[str] | None = None
) -> PveError:
    """The error of the kind that PVE's words tell of: those of the answer and of its parameters, not those of a log."""
    fault = decode(" ".join([reason, *map(str, (errors or {}).values())]))
    made = PveError if fault is None else _CLASSES.get(fault, PveError)
    return made(call, status, reason, errors, log, fault)


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
