# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which container is cloned from which, as an inline SVG. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_WIDTH, _HEIGHT, _ACROSS, _DOWN = 170, 30, 210, 42


def lineage_graph(containers: Iterable[Mapping[str, Any]]) -> str:
    """The graph, sources to the left of their clones; empty where nothing is cloned."""
    items = {str(item["ctid"]): item for item in containers}
    children: dict[str, list[str]] = {}
    for ctid, item in items.items():
        if item["source"] in items and item["source"] != ctid:
            children.setdefault(item["source"], []).append(ctid)
    if not children:
        return ""
    roots = [ctid for ctid in children if items[ctid]["source"] not in items]
    places: dict[str, tuple[int, int]] = {}
    for root in roots:
        _place(root, 0, children, places)
    if not places:
        return ""  # a circle, which the check of the files refuses
    shapes = [_edge(places[source], places[ctid]) for source in children for ctid in children[source] if ctid in places]
    shapes += [_box(items[ctid], place) for ctid, place in places.items()]
    width = max(column for column, _row in places.values()) * _ACROSS + _WIDTH + 2
    height = max(row for _column, row in places.values()) * _DOWN + _HEIGHT + 2
    return (
        f'<div class="wide"><svg role="img" aria-label="Lineage of the containers" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">\n' + "\n".join(shapes) + "\n</svg></div>"
    )


def _place(root: str, column: int, children: Mapping[str, list[str]], places: dict[str, tuple[int, int]]) -> None:
    """Put a container and its clones into rows, each before the next one: a chain may be long, so without recursion."""
    waiting = [(root, column)]
    while waiting:
        ctid, column = waiting.pop()
        if ctid in places:
            continue
        row = max((row for _column, row in places.values()), default=-1) + 1
        places[ctid] = (column, row)
        waiting += [(child, column + 1) for child in reversed(children.get(ctid, []))]


def _edge(source: tuple[int, int], clone: tuple[int, int]) -> str:
    x, y = source[0] * _ACROSS + 20, source[1] * _DOWN + _HEIGHT + 1
    end_x, end_y = clone[0] * _ACROSS + 1, clone[1] * _DOWN + _HEIGHT // 2 + 1
    return f'<path d="M{x} {y} V{end_y} H{end_x}"/>'


def _box(item: Mapping[str, Any], place: tuple[int, int]) -> str:
    x, y = place[0] * _ACROSS + 1, place[1] * _DOWN + 1
    text = f"{item['ctid']} {item['name']}"
    shown = text if len(text) <= 22 else text[:21] + "…"
    title = f"<title>{escape(text)}: {escape(item['state_in_words'])}</title>"
    return (
        f'<g>{title}<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="4"/>'
        f'<text x="{x + 8}" y="{y + 20}">{escape(shown)}</text></g>'
    )
