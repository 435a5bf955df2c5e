# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kept figures as JSON and as a plot. Each part has the date and the load of its own run."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pygal
from pygal.style import Style

from bench.costs import ROUNDS, Cost
from bench.figures import Figure

# In the order of the page.
ORDER = ('paper', 'provision', 'inside', 'peers', 'host', 'fleet', 'clones', 'layers')
Part = dict[str, Any]


class ReportError(Exception):
    """A kept file that no bench has written in this form."""


def machine() -> dict[str, object]:
    """What was measured on, without names and addresses."""
    with open('/proc/cpuinfo', encoding='utf-8') as cpuinfo:
        models = [line.partition(':')[2].strip() for line in cpuinfo if line.startswith('model name')]
    return {
        'date': datetime.datetime.now(datetime.UTC).strftime('%Y-%m-%dT%H:%M:%SZ'),
        'processors': os.cpu_count(),
        'processor': models[0] if models else platform.machine(),
        'memory_gib': round(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30, 1),
        'load': [round(value, 1) for value in os.getloadavg()],
        'python': platform.python_version(),
        'rounds': ROUNDS,
    }


def _costs(costs: dict[str, Cost]) -> dict[str, dict[str, float]]:
    """Name -> its seconds."""
    return {
        name: {
            'wall_seconds': round(cost.wall, 3),
            'controller_cpu_seconds': round(cost.controller, 3),
            'node_cpu_seconds': round(cost.node, 3),
        }
        for name, cost in costs.items()
    }


def part(figures: Sequence[Figure], where: str) -> Part:
    """The run of a part: where and on what, and each figure with its limit and what it was made from."""
    rows = [
        {
            'what': figure.what,
            'value': round(figure.value, 3),
            'unit': figure.unit.strip(),
            'limit': figure.limit,
            'limit_is': 'least' if figure.at_least else 'most',
            'reached': figure.reached,
            'share': round(figure.share, 3),
            'costs': _costs(figure.costs),
        }
        for figure in figures
    ]
    return {'where': where, **machine(), 'figures': rows}


def kept(folder: Path) -> dict[str, Part]:
    """The parts that earlier runs left in a folder. Raises ReportError."""
    file = folder / 'bench.json'
    try:
        parts = json.loads(file.read_text(encoding='utf-8'))['parts']
        rows = [row for one in parts.values() for row in one['figures'] if one['where'] and one['date']]
        if not all({'what', 'share', 'reached'} <= set(row) for row in rows) or set(parts) - set(ORDER):
            raise KeyError
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(
            f'{file}: expected the figures of an earlier bench; remove the file, or name another folder'
        ) from error
    return {name: parts[name] for name in ORDER if name in parts}


def as_svg(parts: dict[str, Part]) -> str:
    """Each figure as a share of its limit: a bar up to 1 keeps the promise."""
    rows = [row for one in parts.values() for row in one['figures']]
    days = sorted({one['date'][:10] for one in parts.values()})
    places = sorted({f'{one["where"]}, {one["processors"]} processors' for one in parts.values()})
    when = days[0] if len(days) == 1 else f'{days[0]} to {days[-1]}'
    chart = pygal.HorizontalBar(
        js=[],
        style=Style(colors=('#2e7d32', '#c62828')),
        title=f'Share of the promised limit, {when}, {"; ".join(places)}',
        truncate_label=-1,
        show_legend=True,
        legend_at_bottom=True,
        width=1100,
        height=80 + 40 * max(len(rows), 4),
        disable_xml_declaration=True,
    )
    chart.x_labels = [row['what'] for row in rows]
    chart.add('reached', [row['share'] if row['reached'] else None for row in rows], formatter='{:.2f}'.format)
    chart.add('missed', [None if row['reached'] else row['share'] for row in rows], formatter='{:.2f}'.format)
    drawn: str = chart.render(is_unicode=True)
    return drawn


def write(name: str, figures: Sequence[Figure], where: str, folder: Path) -> None:
    """Keep the figures of a part in the place of its earlier ones, and draw all that are kept. Raises ReportError."""
    known = {**kept(folder), name: part(figures, where)}
    parts = {key: known[key] for key in ORDER if key in known}
    folder.mkdir(parents=True, exist_ok=True)
    texts = {'bench.json': json.dumps({'parts': parts}, indent=1) + '\n', 'bench.svg': as_svg(parts)}
    for file, text in texts.items():
        fresh = folder / f'.{file}.new'
        fresh.write_text(text, encoding='utf-8')
        fresh.replace(folder / file)
