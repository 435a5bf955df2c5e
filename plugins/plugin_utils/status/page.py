# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status as one HTML page that needs nothing else: no script, no font, no image from outside. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.status.lineage_graph import lineage_graph

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;margin:1rem auto;max-width:78rem;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #8884;overflow-wrap:anywhere}
.wide{overflow-x:auto}code{font-size:.85em}
.good{color:#0a7d32}.due{color:#9a6200}.bad{color:#c01818;font-weight:600}
svg text{font:12px system-ui,sans-serif;fill:currentColor}
svg rect{fill:none;stroke:currentColor}svg path{fill:none;stroke:currentColor;opacity:.6}
@media(min-width:40.01rem){
 th{white-space:nowrap}td{min-width:7.5rem}td:first-child{min-width:3.2rem}
}
@media(max-width:40rem){
 thead{display:none}tr{display:block;margin:.6rem 0;border:1px solid #8886;border-radius:.3rem}
 td{display:flex;gap:.8rem;border:0}td::before{content:attr(data-name);flex:0 0 7rem;font-weight:600}
 td:empty{display:none}
}
"""


def page(status: Mapping[str, Any]) -> str:
    """The page of a status document; every value is escaped."""
    containers = list(status["containers"])
    broken = sum(1 for item in containers if item["error"])
    due = sum(1 for item in containers if not item["error"] and item["steps"])
    waiting = sum(1 for item in containers if item["waiting"])
    summary = (
        f"{len(containers)} containers, {due} with changes due, {waiting} waiting for a restart, {broken} with a fault"
    )
    parts = [
        f"<h1>Status of the fleet</h1><p>{escape(summary)}. {escape(str(status['at']))}</p>",
        _section(
            "Containers", _table(("CTID", "Name", "Node", "State", "Address", "To do"), map(_overview, containers))
        ),
        _section("Lineage", lineage_graph(containers)),
        _section("Features", _table(("CTID", "Feature", "Digest", "Applied", "Run"), _features(containers))),
        _section("GPUs", _table(("GPU", "CTID", "Share of the memory"), _gpus(containers))),
        _section("Volumes in no backup", _table(("CTID", "Paths"), _unsaved(containers))),
        _section("Last runs", _table(("Time", "Run", "Playbook", "Result", "Seconds"), map(_run, status["runs"]))),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Status of the fleet</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{body or '<p>None.</p>'}"


def _table(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table of cells that are HTML already; empty without rows."""
    body = [
        "<tr>"
        + "".join(f'<td data-name="{escape(name)}">{cell}</td>' for name, cell in zip(names, row, strict=True))
        + "</tr>"
        for row in rows
    ]
    if not body:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n'
        + "\n".join(body)
        + "\n</tbody></table></div>"
    )


def _overview(item: Mapping[str, Any]) -> tuple[str, ...]:
    kind = "bad" if item["error"] else "due" if item["steps"] or item["waiting"] else "good"
    marks = [
        word for word, is_on in (("template", item["template"]), ("held", item["held"]), ("HA", item["ha"])) if is_on
    ]
    more = f" <small>({escape(', '.join(marks))})</small>" if marks else ""
    todo = [f"<span class=\"bad\">{escape(item['error'])}</span>"] if item["error"] else []
    todo += [escape(f"{step['kind']} {step['name']}".strip()) + f": {escape(step['reason'])}" for step in item["steps"]]
    todo += [f"waits for a restart: {escape(key)}" for key in item["waiting"]]
    todo += [f"note: {escape(note)}" for note in item["notes"]]
    return (
        str(int(item["ctid"])),
        escape(item["name"]),
        escape(item["node"]),
        f'<span class="{kind}">{escape(item["state_in_words"])}</span>{more}',
        escape(item["address"]),
        "<br>".join(todo),
    )


def _features(containers: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, ...]]:
    for item in containers:
        for feature in item["features"]:
            digest = f'<code title="{escape(feature["digest"])}">{escape(feature["digest"][:12])}</code>'
            cells = (escape(feature["name"]), digest, escape(feature["at"]), escape(feature["run"]))
            yield (str(int(item["ctid"])), *cells)


def _gpus(containers: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, ...]]:
    used = sorted(
        (gpu.strip(), item["ctid"], item["gpu_share"])
        for item in containers
        if item["gpus"]
        for gpu in item["gpus"].split(",")
    )
    for gpu, ctid, share in used:
        yield escape(gpu), str(int(ctid)), "" if share is None else f"{float(share):.0%}"


def _unsaved(containers: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, ...]]:
    for item in containers:
        if item["in_no_backup"]:
            yield str(int(item["ctid"])), escape(", ".join(item["in_no_backup"]))


def _run(run: Mapping[str, Any]) -> tuple[str, ...]:
    kind = {"ok": "good", "failed": "bad"}.get(str(run["outcome"]), "due")
    counts = ", ".join(
        f"{name} {run[name]}" for name in ("changed", "failed", "unreachable") if run.get(name) not in (None, "0")
    )
    text = f"{run['outcome']}{' (dry run)' if run.get('dry_run') else ''}{f': {counts}' if counts else ''}"
    seconds = "" if run["seconds"] is None else f"{float(run['seconds']):.1f}"
    playbook = str(run.get("playbook") or "").rpartition("/")[2]
    return (
        escape(run["at"]),
        escape(run["run"]),
        escape(playbook),
        f'<span class="{kind}">{escape(text)}</span>',
        seconds,
    )
