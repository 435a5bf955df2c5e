# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How PVE's tools print an answer: JSON, or a table with one row an object."""

from __future__ import annotations

import json
from typing import Any


def show(data: Any, form: str = 'text') -> None:
    """Print what a call answered."""
    if form in ('json', 'json-pretty'):
        print(
            json.dumps(
                data,
                sort_keys=True,
                indent=3 if form.endswith('pretty') else None,
                separators=None if form.endswith('pretty') else (',', ':'),
            )
        )
    elif isinstance(data, dict):
        _table(('key', 'value'), [(key, _cell(value)) for key, value in sorted(data.items())])
    elif isinstance(data, list) and data and isinstance(data[0], dict):
        keys = sorted({key for row in data for key in row})
        _table(tuple(keys), [tuple(_cell(row.get(key, '')) for key in keys) for row in data])
    elif data not in (None, []):
        print(data if isinstance(data, str) else json.dumps(data))


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(',', ':'))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(left: str, middle: str, right: str, fill: str) -> str:
        return left + middle.join(fill * (width + 2) for width in widths) + right

    print(line('┌', '┬', '┐', '─'))
    print('│' + '│'.join(f' {head[i].ljust(widths[i])} ' for i in range(len(head))) + '│')
    print(line('╞', '╪', '╡', '═'))
    print(
        ('\n' + line('├', '┼', '┤', '─') + '\n').join(
            '│' + '│'.join(f' {row[i].ljust(widths[i])} ' for i in range(len(head))) + '│' for row in rows
        )
    )
    print(line('└', '┴', '┘', '─'))
