# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pvesh get|set|create|delete|ls PATH [options]."""

from __future__ import annotations

import sys

from . import options
from .show import show
from .socket_client import ApiError, call, is_upid, wait

METHODS = {'get': 'GET', 'set': 'PUT', 'create': 'POST', 'delete': 'DELETE', 'ls': 'GET'}
OUTPUT = ('output-format', 'human-readable', 'noborder', 'noheader', 'nooutput', 'noproxy', 'quiet')
FLAGS = ('human-readable', 'noborder', 'noheader', 'nooutput', 'noproxy', 'quiet')


def main(words: list[str]) -> int:
    """Exit code 0, 255 for a refused call, 2 for no such path."""
    if not words or words[0] not in METHODS:
        print(f"ERROR: unknown command '{' '.join(words[:1])}'", file=sys.stderr)
        print('USAGE: pvesh <COMMAND> [ARGS] [OPTIONS]', file=sys.stderr)
        return 255
    try:
        arguments, given = options.parse(words[1:], FLAGS)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 255
    path = '/' + (arguments[0] if arguments else '').strip('/')
    shown = {name: given.pop(name) for name in OUTPUT if name in given}
    try:
        data = call(METHODS[words[0]], path, given)
        if is_upid(data):
            return _task(data, shown)
    except ApiError as problem:
        if problem.status == 501 or problem.status == 404:
            print(f"No '{words[0]}' handler defined for '{path}'", file=sys.stderr)
            return 2
        print(problem, file=sys.stderr)
        if problem.status == 400:
            print(f'pvesh {words[0]} <api_path> [OPTIONS] [FORMAT_OPTIONS]', file=sys.stderr)
        return 255 if problem.status == 400 else 2
    if data is not None and 'nooutput' not in shown and 'quiet' not in shown:
        show(data, shown.get('output-format', 'text'))
    return 0


def _task(upid: str, shown: dict[str, str]) -> int:
    """A task runs in the foreground: its log, then its id; a failed one is an error."""
    status, log = wait(upid)
    failed = status != 'OK' and not status.startswith('WARNINGS')
    lines = [line for line in log if not line.startswith('TASK ')]
    if lines:
        print('\n'.join(lines))
    if failed:
        print(status, file=sys.stderr)
        return 255
    if 'nooutput' not in shown and 'quiet' not in shown:
        show(upid, shown.get('output-format', 'text'))
    return 0
