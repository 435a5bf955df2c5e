# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of one run as JSON and as a plot."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import pygal
from pygal.style import Style

from bench.costs import Cost
from bench.figures import Figure


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


def as_json(figures: Sequence[Figure], where: str) -> str:
    """The run: where and on what, and each figure with its limit and what it was made from."""
    rows = [
        {
            'what': figure.what,
            'value': round(figure.value, 3),
            'unit': figure.unit.strip(),
            'limit': figure.limit,
            'limit_is': 'least' if figure.at_least else 'most',
            'reached': figure.reached,
            'costs': _costs(figure.costs),
        }
        for figure in figures
    ]
    return json.dumps({'where': where, **machine(), 'figures': rows}, indent=1) + '\n'


def as_svg(figures: Sequence[Figure], where: str) -> str:
    """Each figure as a share of its limit: a bar up to 1 keeps the promise."""
    facts = machine()
    chart = pygal.HorizontalBar(
        js=[],
        style=Style(colors=('#2e7d32', '#c62828')),
        title=f'Share of the promised limit, {facts["date"]}, {where}, {facts["processors"]} processors',
        truncate_label=-1,
        show_legend=True,
        legend_at_bottom=True,
        width=1100,
        height=80 + 40 * max(len(figures), 4),
        disable_xml_declaration=True,
    )
    chart.x_labels = [figure.what for figure in figures]
    chart.add('reached', [figure.share if figure.reached else None for figure in figures], formatter='{:.2f}'.format)
    chart.add('missed', [None if figure.reached else figure.share for figure in figures], formatter='{:.2f}'.format)
    drawn: str = chart.render(is_unicode=True)
    return drawn


def write(figures: Sequence[Figure], where: str, folder: Path) -> list[Path]:
    """Both files; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {'bench.json': as_json(figures, where), 'bench.svg': as_svg(figures, where)}
    for name, text in files.items():
        (folder / name).write_text(text, encoding='utf-8')
    return [folder / name for name in files]
