# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the next run does what it plans, as data and as lines for people. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import status_rows
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.guesttext import clean
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.shown_text import one_line

VERSION = 1
_WIDE = 44
"""Characters of a value on the screen; the file has all of it."""
_DIGEST = 12
_KEYS = ("KEY", "VERDICT", "CONFIGURED", "ON THE NODE", "RECORDED", "APPLIED LAST")
_DIGESTS = ("NAME", "VERDICT", "DIGEST WANTED", "IN THE LEDGER", "APPLIED LAST")


def document(at: str, nodes: Iterable[Mapping[str, Any]], without_node: Iterable[str]) -> dict[str, Any]:
    """The explanations of the containers of a run as plain data, by CTID.

    Args:
        at: the time, ISO 8601.
        nodes: the facts of the nodes, as phoenix_lxc_info sets them with ``explain``.
        without_node: containers whose node the run does not have.
    """
    nodes = list(nodes)
    found: dict[str, Any] = {}
    for facts in nodes:
        for ctid, seen in (facts.get("phoenix_observed") or {}).items():
            why = seen.get("why")
            if why:
                name = seen.get("name") or seen.get("hostname") or ""
                keys = [{**_plain(row), "at": _time(row.get("at"))} for row in why["keys"]]
                found[str(ctid)] = {"ctid": int(ctid), "name": _plain(name), **_plain(why), "keys": keys}
    for ctid, fault in status_rows.unobserved(nodes, without_node).items():
        found[ctid] = {"ctid": int(ctid), "name": "", "fault": _plain(fault)}
    return {"version": VERSION, "at": at, "containers": [found[ctid] for ctid in sorted(found, key=int)]}


def lines(why: Mapping[str, Any]) -> list[str]:
    """The explanation of one container for the screen."""
    who = f"{why['ctid']} {why['name']}".strip()
    if "fault" in why:
        return [f"{who}: {one_line(why['fault'], 400)}"]
    steps = why["steps"]
    result = [f"{who}: {_summary(why)}"]
    result += [f"  {n}. {_title(step)}: {one_line(step['reason'], 300)}" for n, step in enumerate(steps, 1)]
    result += _table(_KEYS, map(_key, why["keys"]))
    for row in why["keys"]:
        if row["by_hand"]:
            result.append(f"  {row['key']}: {one_line(','.join(row['by_hand']))} was set by hand and is kept")
        if row["live"] is not None:
            result.append(f"  {row['key']}: the running container has {one_line(row['live'], _WIDE)}")
    if why["not_managed"]:
        result.append(f"  not managed: {', '.join(why['not_managed'])}")
    work = [*why["features"], *([why["application"]] if why["application"] else [])]
    result += _table(_DIGESTS, map(_digest, work))
    result += [f"  {row['name']}: {one_line(', '.join(row['differs']), 400)}" for row in work if row["differs"]]
    result += [f"  feature {name} is no longer listed: left behind" for name in why["left_behind"]]
    if why["application"] and why["application"]["health_due"]:
        result.append(f"  health check: {one_line(why['application']['health_due'])}")
    result += [f"  waits for a restart: {key}" for key in why["waiting"]]
    return result + [f"  note: {one_line(note, 400)}" for note in why["notes"]]


def _summary(why: Mapping[str, Any]) -> str:
    if why["error"]:
        return f"{why['state']}, refused: {one_line(why['error'], 800)}"
    steps = len(why["steps"])
    if not steps:
        return f"{why['state']}, the next run changes nothing"
    return f"{why['state']} -> {why['final_state']}, the next run makes {steps} {'step' if steps == 1 else 'steps'}"


def _title(step: Mapping[str, Any]) -> str:
    return f"{step['kind']} {step['name']}".strip()


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    source = f" ({row['source']})" if row["source"] and row["source"] != row["key"] else ""
    values = ("-" if row[name] is None else one_line(row[name], _WIDE) for name in ("configured", "actual", "recorded"))
    return (f"{row['key']}{source}", row["verdict"], *values, _last(row))


def _digest(row: Mapping[str, Any]) -> tuple[str, ...]:
    verdict = one_line(f"due: {row['due']}", 2 * _WIDE) if row["due"] else "current"
    return row["name"], verdict, row["digest"][:_DIGEST] or "-", row["applied_digest"][:_DIGEST] or "-", _last(row)


def _last(row: Mapping[str, Any]) -> str:
    """When it was applied last, and by which run."""
    if not row["at"] and not row["run"]:
        return "-"
    return f"{row['at'] or 'unknown'} by run {row['run'] or 'unknown'}"


def _time(seconds: Any) -> str:
    """Seconds since the epoch as ISO 8601; empty for none."""
    if not isinstance(seconds, int) or not 0 < seconds < 2**33:
        return ""
    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; none without rows."""
    every = [head, *rows]
    if len(every) == 1:
        return []
    widths = [max(len(row[column]) for row in every) for column in range(len(head))]
    cells = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in every)
    return ["", *(f"  {line}".rstrip() for line in cells)]


def _plain(value: Any) -> Any:
    """A value whose texts, some of which a guest may have written, are safe for a terminal."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return clean(str(value)) if isinstance(value, str) else value
