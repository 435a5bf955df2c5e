# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what the lab answered with what the recorded node did. A * in a recorded text stands for anything."""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

_SAFE = ''.join(chr(c) for c in range(0x20, 0x7F) if chr(c) not in '%:')


def matches(recorded: Any, got: Any) -> bool:
    """Whether got is the recorded value."""
    if recorded == '*':
        return got is not None
    if isinstance(recorded, str) and isinstance(got, str):
        return re.fullmatch('.*'.join(re.escape(part) for part in recorded.split('*')), got, re.DOTALL) is not None
    if isinstance(recorded, dict) and isinstance(got, dict):
        return set(recorded) == set(got) and all(matches(recorded[k], got[k]) for k in recorded)
    if isinstance(recorded, list) and isinstance(got, list):
        return len(recorded) == len(got) and all(matches(r, g) for r, g in zip(recorded, got, strict=True))
    return type(recorded) is type(got) and recorded == got


def _shown(key: str, value: Any) -> str:
    return urllib.parse.quote(str(value), safe=_SAFE) if key == 'description' else str(value)


def view(kind: str, data: Any) -> list[str] | None:
    """API data as pct prints it."""
    if not isinstance(data, (dict, list)):
        return None
    return _view(kind, data)


def _view(kind: str, data: Any) -> list[str]:
    if kind == 'config':
        return [f'{k}: {_shown(k, data[k])}' for k in sorted(data) if k not in ('digest', 'lxc')]
    if kind == 'pending':
        lines = []
        for item in sorted(data, key=lambda item: item['key']):
            key = item['key']
            if key == 'digest':
                continue
            if 'value' in item:
                lines.append(
                    '{} {}: {}'.format('del' if item.get('delete') else 'cur', key, _shown(key, item['value']))
                )
            if 'pending' in item:
                lines.append('new {}: {}'.format(key, _shown(key, item['pending'])))
        return lines
    if kind == 'list':
        return ['{} {} {}'.format(x['vmid'], x['status'], x['name']) for x in sorted(data, key=lambda x: x['vmid'])]
    if kind == 'verbose':
        return [f'{k}: {data[k]}' for k in sorted(data) if k not in ('cpu', 'ha')]
    if kind == 'status':
        return ['status: ' + data['status']]
    if kind == 'snapshots':
        return ['{}: {}'.format(x['name'], x['description'].strip()) for x in data]
    raise ValueError(kind)


def _check_item(item: dict[str, Any], data: Any, check: Any) -> None:
    """One row of a list, found by its first key: all of it (data), a part (has), or only its keys (keys)."""
    key = next(iter(item))
    rows = [row for row in data if row.get(key) == item[key]] if isinstance(data, list) else []
    row = rows[0] if rows else {}
    if 'data' in item:
        check('row', item['data'], row)
    for name, value in item.get('has', {}).items():
        check('row ' + name, value, row.get(name))
    for name in item.get('keys', ()):
        check('row ' + name, '*', row.get(name))


def _check_answer(expect: dict[str, Any], got: dict[str, Any], check: Any) -> None:
    """Status line and body."""
    body = got['body'] if isinstance(got['body'], dict) else {}
    data = body.get('data')
    check('status', expect['status'], got['status'])
    check('reason', expect['reason'], got['reason'])
    if 'text' in expect:
        check('body', expect['text'], got['text'])
    for key in ('data', 'message', 'errors'):
        if key in expect:
            check(key, expect[key], body.get(key))
    if 'view' in expect:
        kind, lines = expect['view']
        check('pct ' + kind, lines, view(kind, data))
    if 'item' in expect:
        _check_item(expect['item'], data, check)
    if 'sorted' in expect:
        check('data', expect['sorted'], sorted(data, key=lambda x: x['key']) if isinstance(data, list) else data)
    if 'member' in expect:
        check('member', expect['member'], ((data or {}).get('members') or [None])[0])
    if 'rows' in expect:
        check('rows', True, isinstance(data, list) and len(data) > 1)
    if 'lacks' in expect:
        check('lacks ' + expect['lacks'], True, expect['lacks'] not in (data or {}))


def _check_effects(expect: dict[str, Any], got: dict[str, Any], conf: Any, check: Any) -> None:
    """The task that was started, the config and the files afterwards."""
    task = got['task'] or {}
    if 'task' in expect:
        check('task', expect['task'], task.get('exitstatus'))
    if 'log' in expect:
        check('task log', expect['log'], task.get('log'))
    if 'log_end' in expect:
        check('task log', expect['log_end'], (task.get('log') or [None])[-1])
    for vmid, keys in expect.get('get', {}).items():
        for key, value in keys.items():
            have = got['configs'].get(vmid, {}).get(key)
            if value is None:
                check(f'config {vmid} has {key}', False, have is not None)
            else:
                check(f'config {vmid} {key}', value, have)
    for name, same in (('same_conf', True), ('other_conf', False)):
        if name in expect:
            check('file unchanged', same, got['before'].get(expect[name]) == conf(expect[name]))
    for vmid, lines in expect.get('conf', {}).items():
        check('conf ' + vmid, lines, conf(vmid))


def differences(expect: dict[str, Any], got: dict[str, Any], conf: Any) -> list[tuple[str, Any, Any]]:
    """[(aspect, recorded, got)] of a step. conf(vmid) reads a .conf; got['before'] holds those before the step.

    What a recording gives of an answer differs: data is all of it, item one row of a list, sorted a list in any order,
    member the first member of a pool, rows "some rows", lacks a key that is not there, get some keys of the config
    afterwards (None: absent), same_conf and other_conf whether the file changed.
    """
    out: list[tuple[str, Any, Any]] = []

    def check(aspect: str, recorded: Any, value: Any) -> None:
        if not matches(recorded, value):
            out.append((aspect, recorded, value))

    _check_answer(expect, got, check)
    _check_effects(expect, got, conf, check)
    return out
