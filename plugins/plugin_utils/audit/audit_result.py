# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a task's result goes into the audit trail. Pure.

Arguments never do, and of a result only the message of what did not succeed: Ansible has taken out what ``no_log``
marks before a callback sees it, and a censored result has no message left.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import re
import typing as t

#: Longest message in a line, in characters.
MESSAGE_LIMIT = 300

#: Whose modules may write lines of their own, and the connection over which none of them may.
OWN = "phoenix.hypervisor."
INTO_CONTAINERS = ("phoenix.hypervisor.pct", "pct")

_CTID_NAME = re.compile(r"[1-9][0-9]{2,8}\Z")
_EXTRA = re.compile(r"[a-z][a-z0-9_]*\Z")
_ENTRY_KEYS = ("event", "outcome", "seconds", "ctid")
_RESERVED = (*_ENTRY_KEYS, "run")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line to be: everything but its time and its run."""

    ctid: int | None
    event: str
    outcome: str
    seconds: float | None = None
    level: str = "INFO"
    extras: c.Mapping[str, str] = dataclasses.field(default_factory=dict)


def ctid_of(host: str, phoenix_ctid: object) -> int | None:
    """Return the CTID that a host stands for: its variable, else a name that can be one."""
    for candidate in (phoenix_ctid, host):
        if isinstance(candidate, (int, str)) and not isinstance(candidate, bool) and _CTID_NAME.match(str(candidate)):
            return int(candidate)
    return None


def outcome_of(result: c.Mapping[str, t.Any], status: str) -> str:
    """Return the outcome of a result that Ansible reported as ok, failed, ignored, skipped or unreachable."""
    return "changed" if status == "ok" and result.get("changed") is True else status


def task_entry(
    task: str,
    host: str,
    ctid: int | None,
    status: str,
    result: c.Mapping[str, t.Any],
    seconds: float | None,
    dry_run: bool,
) -> Entry:
    """Return the line of a task's result."""
    extras = {"host": host}
    censored = "censored" in result
    if censored:
        extras["no_log"] = "yes"
    elif status in ("failed", "ignored", "unreachable", "skipped"):
        message = result.get("msg") or result.get("skip_reason")
        if isinstance(message, str):
            extras["msg"] = shortened(message)
    level = {"failed": "ERROR", "unreachable": "ERROR", "ignored": "WARNING"}.get(status, "INFO")
    return _dry(Entry(ctid, task, outcome_of(result, status), seconds, level, extras), dry_run)


def is_of_node(action: str | None, on_container: bool, source: c.Mapping[str, t.Any]) -> bool:
    """Return whether a result, or that of a loop's item, comes from a module of this collection on a node.

    A container's root answers as he likes. Where a task is delegated, Ansible itself writes into the result by which
    connection; without delegation the host of the task has answered, and ``on_container`` says what that is.
    """
    if not str(action or "").startswith(OWN):
        return False
    delegated = source.get("_ansible_delegated_vars")
    if not isinstance(delegated, c.Mapping):
        return not on_container
    return delegated.get("ansible_connection") not in INTO_CONTAINERS


def module_entries(
    result: c.Mapping[str, t.Any],
    ctid: int | None,
    dry_run: bool,
    accepts: c.Callable[[c.Mapping[str, t.Any]], bool],
) -> list[Entry]:
    """Return the lines that a module asks for with ``phoenix_audit`` in its result, or in those of a loop's items.

    ``accepts`` tells whose word counts. Each line is a dict of event, outcome, and optionally seconds, ctid and further
    plain values. What has another form is left out: a result may come from anywhere.
    """
    items = result.get("results")
    sources: list[t.Any] = [result, *(items if isinstance(items, list) else [])]
    entries: list[Entry] = []
    for source in sources:
        if isinstance(source, c.Mapping) and "censored" not in source and accepts(source):
            audit = source.get("phoenix_audit")
            for raw in audit if isinstance(audit, list) else []:
                entry = _module_entry(raw, ctid)
                if entry is not None:
                    entries.append(_dry(entry, dry_run))
    return entries


def shortened(message: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return a message cut to a length, with a mark where it was cut."""
    return message if len(message) <= limit else message[: limit - 3] + "..."


def _module_entry(raw: object, ctid: int | None) -> Entry | None:
    if not isinstance(raw, c.Mapping):
        return None
    event, outcome, seconds = raw.get("event"), raw.get("outcome"), raw.get("seconds")
    if not isinstance(event, str) or not isinstance(outcome, str):
        return None
    own = raw.get("ctid", ctid)
    extras = {
        str(key): shortened(str(value))
        for key, value in raw.items()
        if key not in _RESERVED and isinstance(key, str) and _EXTRA.match(key) and isinstance(value, (str, int, float))
    }
    measured = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    return Entry(
        ctid=ctid_of("", own),
        event=shortened(event),
        outcome=shortened(outcome),
        seconds=float(t.cast(float, seconds)) if measured else None,
        level="ERROR" if outcome == "failed" else "INFO",
        extras=extras,
    )


def _dry(entry: Entry, dry_run: bool) -> Entry:
    """Mark the line of a dry run. What it would have been stays readable beside that."""
    if not dry_run or entry.outcome == "dry-run":
        return entry
    extras = {key: value for key, value in entry.extras.items() if key not in ("changed", "result")}
    if entry.outcome == "changed":
        extras["changed"] = "would"
    else:
        extras["result"] = entry.outcome
    return dataclasses.replace(entry, outcome="dry-run", extras=extras)
