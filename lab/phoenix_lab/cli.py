# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments in, exit code out."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys

from . import lifecycle, node, outputs
from .instance import NODE, Instance
from .run import LabError, run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='lab.py', description='A Proxmox-shaped node for people without one.')
    commands = parser.add_subparsers(dest='command', required=True)
    up = commands.add_parser('up', help='start the lab, building what is missing')
    up.add_argument('--pve-version', choices=('8', '9'), help='whose defaults the control plane has (9, or as before)')
    down = commands.add_parser('down', help='remove the lab; caches stay')
    down.add_argument('--purge', action='store_true', help='remove the caches too')
    status = commands.add_parser('status', help='what runs; exit code 3 when the lab is down')
    status.add_argument('--json', action='store_true')
    ssh = commands.add_parser('ssh', help='a shell or a command on the node')
    ssh.add_argument('argv', nargs=argparse.REMAINDER)
    gpu = commands.add_parser('gpu', add_help=False, help="simulated GPUs for the node: gpu --help says how")
    gpu.add_argument('argv', nargs=argparse.REMAINDER)
    commands.add_parser('env', help='print shell variables')
    commands.add_parser('reset', help='destroy all guests and the state of the product on the node')
    commands.add_parser('logs', help="the node's journal")
    return parser


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return _dispatch(arguments, Instance())
    except LabError as problem:
        print(f'lab: {problem}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('lab: interrupted; the next up or down clears up', file=sys.stderr)
        return 130


def _dispatch(arguments: argparse.Namespace, lab: Instance) -> int:
    if arguments.command == 'up':
        lifecycle.up(lab, arguments.pve_version)
    elif arguments.command == 'down':
        lifecycle.down(lab, arguments.purge)
    elif arguments.command == 'reset':
        lifecycle.reset(lab)
    elif arguments.command == 'status':
        return _status(lab, arguments.json)
    elif arguments.command == 'logs':
        print(node.attach(lab, ['journalctl', '--no-pager', '-b']))
    elif not node.is_running(lab):
        raise LabError('the lab is not running: lab.py up')
    elif arguments.command == 'gpu':
        print(node.attach(lab, ['/opt/phoenix-lab/bin/gpu', *arguments.argv]), end='')
    elif arguments.command == 'env':
        print(outputs.env_text(lab), end='')
    else:
        ssh = shutil.which('ssh') or 'ssh'
        command = arguments.argv[1:] if arguments.argv[:1] == ['--'] else arguments.argv
        os.execv(ssh, ['ssh', '-F', str(lab.output / 'ssh_config'), NODE, *command])
    return 0


def _status(lab: Instance, as_json: bool) -> int:
    running = node.is_running(lab)
    facts = {'instance': lab.ident, 'running': running, 'container': lab.container, 'bridge': lab.bridge}
    if running:
        facts.update(node_ip=lab.node_ip, guests=str(lab.guests))
    else:
        facts['leftovers'] = lifecycle.leftovers(lab)
    if as_json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f'{name:<10} {value}')
        if running:
            print(run(['ssh', '-F', str(lab.output / 'ssh_config'), NODE, 'pct list'], check=False).stdout, end='')
    return 0 if running else 3
