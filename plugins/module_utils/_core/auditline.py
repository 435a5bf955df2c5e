# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line format of the audit trail, shared by the node's and the controller's copy.

One event is one line::

    2026-11-23T20:15:04.120+00:00 INFO run=R ctid=950 event=created->configured outcome=ok seconds=0.061 calls=2

The first two fields are bare, all others are ``key=value`` in a fixed order with the free ones last, so that
``grep 'ctid=950 '`` and ``grep outcome=failed`` work. A value that is not plain is a JSON string in ASCII: whatever a
container or a task puts into it, control characters and line separators included, the line stays one line and no
value can imitate a field of another.

Pure: the caller brings the time and does the writing.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

#: Levels of a line, mildest first.
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.,:;/+@%~<>^!?*()|-]+\Z")
_KEY = re.compile(r"[a-z][a-z0-9_]*\Z")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)\Z")
_FIELD = re.compile(r' ([a-z][a-z0-9_]*)=("(?:[^"\\]|\\.)*"|[^ "]*)')
_FIXED = ("run", "ctid", "event", "outcome", "seconds")


@dataclasses.dataclass(frozen=True)
class AuditEvent:
    """One event of the audit trail.

    ``time`` is ISO 8601 with an offset; ``ctid`` is None for what concerns no single container; ``seconds`` is None
    where no duration was measured; ``extras`` are further fields, written in their order.
    """

    time: str
    level: str
    run: str
    ctid: t.Optional[int]
    event: str
    outcome: str
    seconds: t.Optional[float] = None
    extras: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


def quote_value(value: str) -> str:
    """Return a value as it stands in a line: bare when plain, else a JSON string in ASCII."""
    if _PLAIN_VALUE.match(value):
        return value
    # JSON leaves DEL alone, which is a control character anyway.
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")


def format_line(event: AuditEvent) -> str:
    """Return the line of an event, without a newline.

    Raises ValueError for a time without offset, an unknown level, a key that is not ``[a-z][a-z0-9_]*`` or one that
    repeats a fixed field: these come from our own code, never from data.
    """
    if not _TIME.match(event.time):
        raise ValueError(f"not an ISO time with an offset: {event.time!r}")
    if event.level not in LEVELS:
        raise ValueError(f"unknown audit level: {event.level!r}")
    fields = {
        "run": event.run,
        "ctid": "-" if event.ctid is None else str(event.ctid),
        "event": event.event,
        "outcome": event.outcome,
        "seconds": "-" if event.seconds is None else f"{event.seconds:.3f}",
    }
    for key, value in event.extras.items():
        if not _KEY.match(key) or key in _FIXED:
            raise ValueError(f"not a usable audit field: {key!r}")
        fields[key] = value
    return " ".join([event.time, event.level, *(f"{key}={quote_value(value)}" for key, value in fields.items())])


def parse_line(line: str) -> AuditEvent:
    """Return the event of a line (with or without its newline). Raises ValueError when it is not one."""
    line = line.removesuffix("\n")
    time, _sep, rest = line.partition(" ")
    level, _sep, rest = rest.partition(" ")
    if not _TIME.match(time) or level not in LEVELS:
        raise ValueError(f"not an audit line: {line!r}")
    fields: dict[str, str] = {}
    rest = " " + rest
    position = 0
    while position < len(rest):
        match = _FIELD.match(rest, position)
        if match is None or match.group(1) in fields:
            raise ValueError(f"not an audit line: {line!r}")
        fields[match.group(1)] = _unquote(match.group(2))
        position = match.end()
    if tuple(fields)[: len(_FIXED)] != _FIXED:
        raise ValueError(f"not an audit line: {line!r}")
    ctid, seconds = fields["ctid"], fields["seconds"]
    return AuditEvent(
        time=time,
        level=level,
        run=fields["run"],
        ctid=None if ctid == "-" else int(ctid),
        event=fields["event"],
        outcome=fields["outcome"],
        seconds=None if seconds == "-" else float(seconds),
        extras={key: value for key, value in fields.items() if key not in _FIXED},
    )


def _unquote(text: str) -> str:
    if not text.startswith('"'):
        return text
    value = json.loads(text)
    if not isinstance(value, str):
        raise ValueError(f"not a string: {text!r}")
    return value


def of_container(lines: t.Iterable[str], ctid: int, limit: int) -> list[str]:
    """Return the latest lines of a container, oldest first, at most so many characters of them.

    What is not a line of a trail is left out.
    """
    kept: list[str] = []
    for line in lines:
        if f" ctid={ctid} " not in line:
            continue
        try:
            event = parse_line(line)
        except ValueError:
            continue
        if event.ctid == ctid:
            kept.append(line)
    left = limit
    for index in range(len(kept) - 1, -1, -1):
        left -= len(kept[index]) + 1
        if left < 0:
            return kept[index + 1 :]
    return kept
