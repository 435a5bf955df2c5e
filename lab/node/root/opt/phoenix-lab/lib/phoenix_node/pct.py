# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pct COMMAND ...: one function a command; messages and exit codes as recorded on a node."""

from __future__ import annotations

import re
import sys
from typing import Any, Callable
from urllib.parse import quote

from . import inside, options
from .socket_client import ApiError, ask, call, config_exists, is_upid, node_name, wait

# Options that may stand without a value.
FLAGS = ('full', 'force', 'purge', 'start', 'unprivileged', 'verbose', 'current', 'skiplock', 'forceStop', 'debug',
         'restore', 'unique', 'onboot', 'protection', 'template', 'destroy-unreferenced-disks', 'ignore-unpack-errors',
         'overrule-shutdown', 'console')
# Options that take several words: pct create ... --nameserver 1.1.1.1 --nameserver 9.9.9.9 joins them.
USAGE = {'create': 'pct create <vmid> <ostemplate> [OPTIONS]', 'set': 'pct set <vmid> [OPTIONS]',
         'clone': 'pct clone <vmid> <newid> [OPTIONS]', 'snapshot': 'pct snapshot <vmid> <snapname> [OPTIONS]',
         'resize': 'pct resize <vmid> <disk> <size> [OPTIONS]'}
Handler = Callable[[list[str], dict[str, str]], int]


def main(words: list[str]) -> int:
    """The exit code. Which non-zero one means nothing on a real node either (pct exec's does)."""
    name = words[0] if words else ''
    handler: Handler | None = globals().get('_' + name.replace('-', '_')) if name in COMMANDS else None
    if name in ('exec', 'enter', 'console', 'push', 'pull'):
        return inside.main(name, words[1:])
    if handler is None:
        print("ERROR: unknown command 'pct %s'\nUSAGE: pct <COMMAND> [ARGS] [OPTIONS]" % name if name
              else 'ERROR: no command specified\nUSAGE: pct <COMMAND> [ARGS] [OPTIONS]', file=sys.stderr)
        return 255
    try:
        arguments, given = options.parse(words[1:], FLAGS)
        return handler(arguments, given)
    except ApiError as problem:
        return _refused(name, problem)
    except (ValueError, IndexError) as problem:
        text = '400 not enough arguments' if isinstance(problem, IndexError) else '%s\n400 unable to parse option' % problem
        print('%s\n%s' % (text, USAGE.get(name, 'pct %s <vmid> [OPTIONS]' % name)), file=sys.stderr)
        return 255


def _refused(name: str, problem: ApiError) -> int:
    unknown = [key for key, text in problem.errors.items() if 'not defined in schema' in text]
    if unknown:
        print('\n'.join('Unknown option: ' + key for key in unknown) + '\n400 unable to parse option', file=sys.stderr)
    else:
        print(problem, file=sys.stderr)
    if problem.status == 400:
        print('\n%s' % USAGE.get(name, 'pct %s <vmid> [OPTIONS]' % name), file=sys.stderr)
    return 2 if 'does not exist' in problem.message and problem.status != 400 else 255


def _path(vmid: str, suffix: str = '') -> str:
    return '/nodes/%s/lxc/%s%s' % (node_name(), quote(vmid, safe=''), suffix)


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
    rows = sorted(call('GET', '/nodes/%s/lxc' % node_name()), key=lambda row: int(row['vmid']))
    if rows:
        print('%-10s %-10s %-12s %-20s' % ('VMID', 'Status', 'Lock', 'Name'))
    for row in rows:
        print('%-10s %-10s %-12s %-20s' % (row['vmid'], row['status'], row.get('lock', ''), row.get('name', '')))
    return 0


def _status(arguments: list[str], given: dict[str, str]) -> int:
    data = call('GET', _path(arguments[0], '/status/current'))
    if 'verbose' not in given:
        print('status: %s' % data['status'])
    else:
        data.pop('ha', None)
        for key in sorted(data):
            print('%s: %s' % (key, data[key]))
    return 0


def _encoded(value: Any) -> str:
    return re.sub(r'[^\x20-\x39\x3b-\x7e\x80-\U0010ffff]|%', lambda m: '%%%02X' % ord(m.group()), str(value))


def _config(arguments: list[str], given: dict[str, str]) -> int:
    params = {key: given[key] for key in ('current', 'snapshot') if key in given}
    data = call('GET', _path(arguments[0], '/config'), params)
    raw = data.pop('lxc', [])
    data.pop('digest', None)
    for key in sorted(data):
        print('%s: %s' % (key, _encoded(data[key]) if key == 'description' else data[key]))
    for key, value in raw:
        print('%s: %s' % (key, value))
    return 0


def _pending(arguments: list[str], _given: dict[str, str]) -> int:
    for row in sorted(call('GET', _path(arguments[0], '/pending')), key=lambda row: str(row['key'])):
        key = row['key']
        if key in ('digest', 'lxc'):
            continue
        shown = _encoded if key == 'description' else str
        if 'value' in row and 'delete' not in row:
            print('cur %s: %s' % (key, shown(row['value'])))
        if 'pending' in row:
            print('new %s: %s' % (key, shown(row['pending'])))
        if 'delete' in row:
            print('del %s: %s' % (key, shown(row.get('value', ''))))
    return 0


def _listsnapshot(arguments: list[str], _given: dict[str, str]) -> int:
    import time
    rows = {row['name']: row for row in call('GET', _path(arguments[0], '/snapshot'))}

    def show(name: str, depth: int) -> None:
        row = rows[name]
        stamp = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(row['snaptime'])) if row.get('snaptime') else ''
        print('%s`-> %s%s' % (' ' * depth, ('%-*s %-23s ' % (27 - depth, name, stamp)), row.get('description', '').rstrip('\n')))
        for child in sorted(n for n in rows if rows[n].get('parent') == name):
            show(child, depth + 1)
    for name in [n for n in rows if rows[n].get('parent') not in rows]:
        show(name, 0)
    return 0


# ------------------------------------------------------------------ writing
def _create(arguments: list[str], given: dict[str, str]) -> int:
    return _run('POST', '/nodes/%s/lxc' % node_name(), {'vmid': arguments[0], 'ostemplate': arguments[1], **_files(given)})


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
    for task in call('GET', '/nodes/%s/tasks' % node_name(), {
            'vmid': arguments[0], 'typefilter': 'vztemplate', 'source': 'all', 'limit': '1'}):
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
    return _run('POST', _path(arguments[0], '/snapshot/%s/rollback' % quote(arguments[1], safe='')), given)


def _unlock(arguments: list[str], _given: dict[str, str]) -> int:
    if not config_exists(arguments[0]):
        raise ApiError(500, "Configuration file 'nodes/%s/lxc/%s.conf' does not exist" % (node_name(), arguments[0]))
    ask({'op': 'unlock', 'vmid': int(arguments[0])})
    return 0


COMMANDS = ('list', 'status', 'config', 'pending', 'listsnapshot', 'create', 'set', 'resize', 'clone', 'template', 'destroy',
            'start', 'stop', 'shutdown', 'reboot', 'snapshot', 'delsnapshot', 'rollback', 'unlock')
