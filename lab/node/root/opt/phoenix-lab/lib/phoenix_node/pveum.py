# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pveum user|group|role|acl list, and user token list USERID."""

from __future__ import annotations

import sys

from . import options
from .show import show
from .socket_client import ApiError, call

LISTS = {
    ('user', 'list'): '/access/users',
    ('group', 'list'): '/access/groups',
    ('role', 'list'): '/access/roles',
    ('acl', 'list'): '/access/acl',
}


def main(words: list[str]) -> int:
    """Exit code 0, 255 for a refused call."""
    try:
        arguments, given = options.parse(words)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 255
    path = LISTS.get((arguments[0], arguments[1])) if len(arguments) == 2 else None
    if len(arguments) == 4 and arguments[:3] == ['user', 'token', 'list']:
        path = f'/access/users/{arguments[3]}/token'
    form = given.pop('output-format', 'text')
    if path is None or given:
        print("ERROR: the lab's pveum lists users, groups, roles, permissions and tokens, and no more", file=sys.stderr)
        return 255
    try:
        show(call('GET', path), form)
    except ApiError as problem:
        print(problem, file=sys.stderr)
        return 255
    return 0
