# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`zfs` before zfs-fuse, which knows neither lz4 and its like nor records over 128 KiB.

Such a value is kept in a user property of the dataset, which is inherited and goes with it as the real one would,
beside the nearest value that zfs-fuse takes; `zfs get` answers with it. Every call is a line of CALLS, for the tests:
the arguments as they came, in JSON.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

REAL = '/usr/sbin/zfs'
CALLS = '/run/phoenix-lab/zfs-calls'
PREFIX = 'phoenix.lab:'
# Property -> what a value must look like, and what zfs-fuse gets instead.
STANDS_FOR = {
    'compression': (re.compile(r'lz4|zstd(-\d+|-fast(-\d+)?)?'), 'on'),
    'recordsize': (re.compile(r'(256|512)[kK]|1[mM]|262144|524288|1048576'), '128K'),
}
BYTES = {'256k': 262144, '512k': 524288, '1m': 1048576}
FIELDS = 'name,property,value,source'


def main(words: list[str]) -> int:
    """The exit code of zfs-fuse."""
    with open(CALLS, 'a', encoding='utf-8') as calls:
        calls.write(json.dumps(words) + '\n')
    if words[:1] == ['get']:
        return get(words[1:])
    if words[:1] in (['set'], ['create']):
        words = told(words)
    if words[:1] == ['inherit']:
        for name in STANDS_FOR.keys() & words:
            also = [PREFIX + name if word == name else word for word in words]
            subprocess.run([REAL, *also], check=True)
    return subprocess.run([REAL, *words], check=False).returncode


def told(words: list[str]) -> list[str]:
    """The words for zfs-fuse. A value that it knows ends one that it did not."""
    result: list[str] = []
    for index, word in enumerate(words):
        name, mark, value = word.partition('=')
        option = words[0] == 'create' and words[index - 1] == '-o'
        if name not in STANDS_FOR or not mark or not (option or words[0] == 'set'):
            result.append(word)
            continue
        pattern, stand_in = STANDS_FOR[name]
        known = not pattern.fullmatch(value)
        also = [f'{PREFIX}{name}={"-" if known else value}']
        result.append(word if known else f'{name}={stand_in}')
        if option:
            result += ['-o', *also]
        else:
            # `set` of this age takes one property a call.
            subprocess.run([REAL, 'set', *also, *words[index + 1 :]], check=True)
    return result


def get(words: list[str]) -> int:
    """`zfs get`, in all of its forms; only the answers of the two properties differ."""
    options, fields, rest = [], FIELDS, list(words)
    flags = ''
    while rest and rest[0].startswith('-'):
        word = rest.pop(0)
        if word in ('-o', '-d', '-s', '-t'):
            value = rest.pop(0) if rest else ''
            fields = value if word == '-o' else fields
            options += [] if word == '-o' else [word, value]
        else:
            flags += word[1:]
    options += [f'-{flag}' for flag in flags if flag not in 'Hp']
    exact = ['-p'] if 'p' in flags else []
    if not rest:
        return subprocess.run([REAL, 'get', *words], check=False).returncode
    wanted = rest[0].split(',')
    mine = [] if wanted == ['all'] else [PREFIX + name for name in STANDS_FOR if name in wanted]
    command = [REAL, 'get', '-H', *exact, *options, '-o', FIELDS, ','.join(wanted + mine), *rest[1:]]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode and not done.stdout:
        return done.returncode
    rows = [line.split('\t') for line in done.stdout.splitlines()]
    kept = {(row[0], row[1][len(PREFIX) :]): row[2] for row in rows if row[1].startswith(PREFIX)}
    shown = [
        dict(zip(FIELDS.split(','), answer(row, kept, bool(exact)), strict=True))
        for row in rows
        if not row[1].startswith(PREFIX)
    ]
    show([[row.get(field, '-') for field in fields.split(',')] for row in shown], fields.split(','), 'H' in flags)
    return done.returncode


def answer(row: list[str], kept: dict[tuple[str, str], str], exact: bool) -> list[str]:
    """A row with what was asked for in the place of what stands for it."""
    value = kept.get((row[0], row[1]), '-')
    if value == '-':
        return row
    if row[1] == 'recordsize':
        size = BYTES.get(value.lower(), value)
        value = str(size) if exact else next((k.upper() for k, v in BYTES.items() if str(v) == str(size)), str(size))
    return [row[0], row[1], value, *row[3:]]


def show(rows: list[list[str]], fields: list[str], bare: bool) -> None:
    """As zfs prints them: with tabs, or in columns."""
    if not bare:
        table = [[field.upper() for field in fields], *rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(fields))]
        rows = [['  '.join(map(str.ljust, row, widths)).rstrip()] for row in table]
    for row in rows:
        sys.stdout.write('\t'.join(row) + '\n')
