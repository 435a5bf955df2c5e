# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of pct that reach into a running container: exec, enter, console, push, pull."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from . import options
from .socket_client import config_exists, node_name


def main(name: str, words: list[str]) -> int:
    """exec and enter replace this process by lxc-attach, so its exit code is theirs."""
    if not words:
        print(f'400 not enough arguments\npct {name} <vmid> [OPTIONS]', file=sys.stderr)
        return 255
    vmid = words[0]
    if not config_exists(vmid):
        print(f"Configuration file 'nodes/{node_name()}/lxc/{vmid}.conf' does not exist", file=sys.stderr)
        return 2
    if name in ('push', 'pull'):
        return _transfer(name, vmid, words[1:])
    if not running(vmid):
        print(f"container '{vmid}' not running!", file=sys.stderr)
        return 255
    if name == 'exec':
        command = words[1:]
        keep = '--keep-env'
        while command and command[0] != '--' and command[0].startswith('--'):
            if command[0].split('=')[0] == '--keep-env':
                value = command[0].partition('=')[2] or (command.pop(1) if len(command) > 1 else '1')
                keep = '--keep-env' if value in ('1', 'yes', 'true', 'on') else '--clear-env'
            command.pop(0)
        command = command[1:] if command[:1] == ['--'] else command
        if not command:
            print('400 not enough arguments\npct exec <vmid> [<extra-args>] [OPTIONS]', file=sys.stderr)
            return 255
        os.execvp('lxc-attach', ['lxc-attach', '-n', vmid, keep, '--', *command])
    os.execvp('lxc-attach', ['lxc-attach', '-n', vmid, '--clear-env'])
    return 255


def running(vmid: str) -> bool:
    """Whether the container's monitor listens."""
    listening = Path('/proc/net/unix').read_text().splitlines()
    return any(line.endswith(f'@/var/lib/lxc/{vmid}/command') for line in listening)


def _transfer(name: str, vmid: str, words: list[str]) -> int:
    arguments, given = options.parse(words)
    if len(arguments) < 2:
        print(f'400 not enough arguments\npct {name} <vmid> <file> <destination> [OPTIONS]', file=sys.stderr)
        return 255
    source, target = arguments[:2]
    if not running(vmid):
        print(
            'can only push files to a running CT'
            if name == 'push'
            else 'can only pull files from a running VM at /usr/share/perl5/PVE/CLI/pct.pm line 657.',
            file=sys.stderr,
        )
        return 255
    inside = ['lxc-attach', '-n', vmid, '--clear-env', '--']
    if name == 'push':
        try:
            with open(source, 'rb') as stream:
                # Written to a new file and renamed, so an interrupted push leaves no half of it.
                script = (
                    'set -e; umask 077; cat > "$0.pct"; chmod "$1" "$0.pct"; chown "$2:$3" "$0.pct"; mv "$0.pct" "$0"'
                )
                return subprocess.run(
                    [
                        *inside,
                        'sh',
                        '-c',
                        script,
                        target,
                        given.get('perms', '0644'),
                        given.get('user', '0'),
                        given.get('group', '0'),
                    ],
                    stdin=stream,
                    check=False,
                ).returncode
        except OSError as e:
            print(f"failed to open '{source}' for reading: {e.strerror}", file=sys.stderr)
            return 255
    found = subprocess.run([*inside, 'cat', source], capture_output=True, check=False)
    if found.returncode:
        sys.stderr.buffer.write(found.stderr)
        return 255
    Path(target).write_bytes(found.stdout)
    return 0
