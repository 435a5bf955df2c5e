# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pct COMMAND ...: one function a command; messages and exit codes as recorded on a node."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from . import inside, options
from .socket_client import ApiError, ask, call, config_exists, is_upid, node_name, wait

# Options that may stand without a value.
FLAGS = (
    'full',
    'force',
    'purge',
    'start',
    'unprivileged',
    'verbose',
    'current',
    'skiplock',
    'forceStop',
    'debug',
    'restore',
    'unique',
    'onboot',
    'protection',
    'template',
    'destroy-unreferenced-disks',
    'ignore-unpack-errors',
    'overrule-shutdown',
    'console',
)
USAGE = {
    'create': 'pct create <vmid> <ostemplate> [OPTIONS]',
    'set': 'pct set <vmid> [OPTIONS]',
    'clone': 'pct clone <vmid> <newid> [OPTIONS]',
    'snapshot': 'pct snapshot <vmid> <snapname> [OPTIONS]',
    'resize': 'pct resize <vmid> <disk> <size> [OPTIONS]',
}
Handler = Callable[[list[str], dict[str, str]], int]


def main(words: list[str]) -> int:
    """The exit code. Which non-zero one means nothing on a real node either (pct exec's does)."""
    name = words[0] if words else ''
    handler: Handler | None = globals().get('_' + name.replace('-', '_')) if name in COMMANDS else None
    if name in ('exec', 'enter', 'console', 'push', 'pull'):
        return inside.main(name, words[1:])
    if handler is None:
        print(
            f"ERROR: unknown command 'pct {name}'\nUSAGE: pct <COMMAND> [ARGS] [OPTIONS]"
            if name
            else 'ERROR: no command specified\nUSAGE: pct <COMMAND> [ARGS] [OPTIONS]',
            file=sys.stderr,
        )
        return 255
    try:
        arguments, given = options.parse(words[1:], FLAGS)
        return handler(arguments, given)
    except ApiError as problem:
        return _refused(name, problem)
    except (ValueError, IndexError) as problem:
        missing = isinstance(problem, IndexError)
        text = '400 not enough arguments' if missing else f'{problem}\n400 unable to parse option'
        print('{}\n{}'.format(text, USAGE.get(name, f'pct {name} <vmid> [OPTIONS]')), file=sys.stderr)
        return 255


def _refused(name: str, problem: ApiError) -> int:
    unknown = [key for key, text in problem.errors.items() if 'not defined in schema' in text]
    if unknown:
        print('\n'.join('Unknown option: ' + key for key in unknown) + '\n400 unable to parse option', file=sys.stderr)
    else:
        print(problem, file=sys.stderr)
    if problem.status == 400:
        print('\n{}'.format(USAGE.get(name, f'pct {name} <vmid> [OPTIONS]')), file=sys.stderr)
    return 2 if 'does not exist' in problem.message and problem.status != 400 else 255


def _path(vmid: str, suffix: str = '') -> str:
    return '/nodes/{}/lxc/{}{}'.format(node_name(), quote(vmid, safe=''), suffix)


def _run(method: str, path: str, params: dict[str, str] | None = None) -> int:
    """A call; a task it forks runs in the foreground."""
    data = call(method, path, params)
    if not is_upid(data):
        return 0
    status, log = wait(data)
    lines = [line for line in log if not line.startswith('TASK ')]
    if status != 'OK' and not status.startswith('WARNINGS'):
        print('\n'.join([line for line in lines if line not in status] + [status]), file=sys.stderr)
        return 255
    if lines:
        print('\n'.join(lines))
    return 0


# ------------------------------------------------------------------ reading
def _list(_arguments: list[str], _given: dict[str, str]) -> int:
    rows = sorted(call('GET', f'/nodes/{node_name()}/lxc'), key=lambda row: int(row['vmid']))
    if rows:
        print(f"{'VMID':<10} {'Status':<10} {'Lock':<12} {'Name':<20}")
    for row in rows:
        print(f"{row['vmid']:<10} {row['status']:<10} {row.get('lock', ''):<12} {row.get('name', ''):<20}")
    return 0


def _status(arguments: list[str], given: dict[str, str]) -> int:
    data = call('GET', _path(arguments[0], '/status/current'))
    if 'verbose' not in given:
        print('status: {}'.format(data['status']))
    else:
        data.pop('ha', None)
        for key in sorted(data):
            print(f'{key}: {data[key]}')
    return 0


def _encoded(value: Any) -> str:
    return re.sub(r'[^\x20-\x39\x3b-\x7e\x80-\U0010ffff]|%', lambda m: f'%{ord(m.group()):02X}', str(value))


def _config(arguments: list[str], given: dict[str, str]) -> int:
    params: dict[str, str] = {key: given[key] for key in ('current', 'snapshot') if key in given}
    data = call('GET', _path(arguments[0], '/config'), params)
    raw = data.pop('lxc', [])
    data.pop('digest', None)
    for key in sorted(data):
        print('{}: {}'.format(key, _encoded(data[key]) if key == 'description' else data[key]))
    for key, value in raw:
        print(f'{key}: {value}')
    return 0


def _pending(arguments: list[str], _given: dict[str, str]) -> int:
    for row in sorted(call('GET', _path(arguments[0], '/pending')), key=lambda row: str(row['key'])):
        key = row['key']
        if key in ('digest', 'lxc'):
            continue
        shown = _encoded if key == 'description' else str
        if 'value' in row and 'delete' not in row:
            print('cur {}: {}'.format(key, shown(row['value'])))
        if 'pending' in row:
            print('new {}: {}'.format(key, shown(row['pending'])))
        if 'delete' in row:
            print('del {}: {}'.format(key, shown(row.get('value', ''))))
    return 0


def _listsnapshot(arguments: list[str], _given: dict[str, str]) -> int:
    import time

    rows = {row['name']: row for row in call('GET', _path(arguments[0], '/snapshot'))}

    def show(name: str, depth: int) -> None:
        row = rows[name]
        stamp = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(row['snaptime'])) if row.get('snaptime') else ''
        about = row.get('description', '').rstrip('\n')
        print(f"{' ' * depth}`-> {name:<{27 - depth}} {stamp:<23} {about}")
        for child in sorted(n for n in rows if rows[n].get('parent') == name):
            show(child, depth + 1)

    for name in [n for n in rows if rows[n].get('parent') not in rows]:
        show(name, 0)
    return 0


# ------------------------------------------------------------------ writing
def _create(arguments: list[str], given: dict[str, str]) -> int:
    return _run(
        'POST', f'/nodes/{node_name()}/lxc', {'vmid': arguments[0], 'ostemplate': arguments[1], **_files(given)}
    )


def _files(given: dict[str, str]) -> dict[str, str]:
    """--ssh-public-keys names a file, and the password may be asked for."""
    if 'ssh-public-keys' in given:
        with open(given['ssh-public-keys'], encoding='utf-8') as keys:
            given['ssh-public-keys'] = keys.read()
    return given


def _set(arguments: list[str], given: dict[str, str]) -> int:
    return _run('PUT', _path(arguments[0], '/config'), given)


def _resize(arguments: list[str], given: dict[str, str]) -> int:
    return _run('PUT', _path(arguments[0], '/resize'), {'disk': arguments[1], 'size': arguments[2], **given})


def _clone(arguments: list[str], given: dict[str, str]) -> int:
    return _run('POST', _path(arguments[0], '/clone'), {'newid': arguments[1], **given})


def _template(arguments: list[str], given: dict[str, str]) -> int:
    code = _run('POST', _path(arguments[0], '/template'), given)
    # The API answers nothing: the task is found by its type.
    for task in call(
        'GET',
        f'/nodes/{node_name()}/tasks',
        {'vmid': arguments[0], 'typefilter': 'vztemplate', 'source': 'all', 'limit': '1'},
    ):
        status, _log = wait(task['upid'])
        if status != 'OK':
            print(status, file=sys.stderr)
            return 255
    return code


def _destroy(arguments: list[str], given: dict[str, str]) -> int:
    return _run('DELETE', _path(arguments[0]), given)


def _start(arguments: list[str], given: dict[str, str]) -> int:
    return _run('POST', _path(arguments[0], '/status/start'), given)


def _stop(arguments: list[str], given: dict[str, str]) -> int:
    return _run('POST', _path(arguments[0], '/status/stop'), given)


def _shutdown(arguments: list[str], given: dict[str, str]) -> int:
    return _run('POST', _path(arguments[0], '/status/shutdown'), given)


def _reboot(arguments: list[str], given: dict[str, str]) -> int:
    return _run('POST', _path(arguments[0], '/status/reboot'), given)


def _snapshot(arguments: list[str], given: dict[str, str]) -> int:
    return _run('POST', _path(arguments[0], '/snapshot'), {'snapname': arguments[1], **given})


def _delsnapshot(arguments: list[str], given: dict[str, str]) -> int:
    return _run('DELETE', _path(arguments[0], '/snapshot/' + quote(arguments[1], safe='')), given)


def _rollback(arguments: list[str], given: dict[str, str]) -> int:
    return _run('POST', _path(arguments[0], '/snapshot/{}/rollback'.format(quote(arguments[1], safe=''))), given)


def _unlock(arguments: list[str], _given: dict[str, str]) -> int:
    if not config_exists(arguments[0]):
        raise ApiError(500, f"Configuration file 'nodes/{node_name()}/lxc/{arguments[0]}.conf' does not exist")
    ask({'op': 'unlock', 'vmid': int(arguments[0])})
    return 0


COMMANDS = (
    'list',
    'status',
    'config',
    'pending',
    'listsnapshot',
    'create',
    'set',
    'resize',
    'clone',
    'template',
    'destroy',
    'start',
    'stop',
    'shutdown',
    'reboot',
    'snapshot',
    'delsnapshot',
    'rollback',
    'unlock',
)
