#!/usr/bin/env python3
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: the playbooks on two real containers of the lab, as a user would call them, and what comes of it.

Starts the lab, runs site.yml, prints the fleet, calls the service that the application script of 950 installed, reboots
that container, calls it again, and runs site.yml once more: nothing may change. Ends with exit code 0 only then.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request

import toolchain
from toolchain import ROOT

SERVICE_CTID = 950
SERVICE_PORT = 8080
# Seconds that the service may take after a boot of its container.
BOOT_LIMIT = 60


class Demo:
    """The commands of a demo, each shown before it runs."""

    def __init__(self, chain: toolchain.Toolchain) -> None:
        self.python = str(chain.bin / 'python')
        self.env = chain.env()
        self.inventory = ''

    def start_lab(self) -> None:
        """Start the lab, or take the one that runs, and ask where its inventory source is."""
        self.show('lab/lab.py up')
        self.call(self.python, 'lab/lab.py', 'up')
        variables = self.output(self.python, 'lab/lab.py', 'env')
        found = re.search(r"PHOENIX_LAB_INVENTORY='?([^'\n]+)", variables)
        if not found:
            sys.exit(f'lab.py env names no inventory:\n{variables}')
        self.inventory = found[1]

    def show(self, command: str) -> None:
        """A line that says what runs now."""
        print(f'\n$ {command}', flush=True)

    def call(self, *command: str) -> None:
        """Run a command with its output to the terminal; ends the demo when it fails."""
        code = subprocess.run(command, cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, check=False).returncode
        if code:
            sys.exit(f'demo: exit code {code} from {" ".join(command)}')

    def output(self, *command: str) -> str:
        """A command's output; ends the demo when it fails."""
        done = subprocess.run(
            command, cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f'demo: exit code {done.returncode} from {" ".join(command)}\n{done.stdout}{done.stderr}')
        return done.stdout

    def playbook(self, name: str) -> None:
        """Run a playbook against the lab."""
        self.show(f'ansible-playbook -i {self.inventory} {name}')
        self.call('ansible-playbook', '-i', self.inventory, name)

    def on_node(self, command: str) -> str:
        """Run a command on the node, over SSH."""
        return self.output(self.python, 'lab/lab.py', 'ssh', command).strip()

    def service_address(self) -> str:
        """The service's URL; the container has its address by DHCP."""
        address = self.on_node(f'pct exec {SERVICE_CTID} -- hostname -I').split()[0]
        return f'http://{address}:{SERVICE_PORT}/'


def fetch(url: str) -> str:
    """The service's answer, '' while there is none."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.read().decode().strip()
    except OSError:
        return ''


def await_answer(demo: Demo, limit: float) -> str:
    """Poll until the service answers: its container boots, and gets its address anew."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        addresses = demo.on_node(f'pct exec {SERVICE_CTID} -- hostname -I || true').split()
        answer = fetch(f'http://{addresses[0]}:{SERVICE_PORT}/') if addresses else ''
        if answer:
            return answer
        time.sleep(0.2)
    sys.exit(f'demo: the service of {SERVICE_CTID} did not answer within {limit:.0f} s after the reboot')


def changed_hosts(recap: str) -> dict[str, int]:
    """Host -> number of changes, from the recap of a run."""
    return {host: int(count) for host, count in re.findall(r'^(\S+)\s+: ok=\d+\s+changed=(\d+)', recap, re.MULTILINE)}


def main() -> int:
    """The demo in its order."""
    started = time.monotonic()
    chain = toolchain.default()
    toolchain.prepare_all([chain])
    demo = Demo(chain)
    demo.start_lab()
    demo.playbook('site.yml')
    demo.playbook('playbooks/status.yml')

    url = demo.service_address()
    demo.show(f'curl {url}')
    print(fetch(url) or sys.exit(f'demo: no answer from {url}'))
    demo.show(f'pct reboot {SERVICE_CTID}    # on the node')
    print(demo.on_node(f'pct reboot {SERVICE_CTID}'))
    demo.show(f'curl {url}    # as soon as it answers again')
    print(await_answer(demo, BOOT_LIMIT))

    demo.show(f'ansible-playbook -i {demo.inventory} site.yml    # again')
    recap = demo.output('ansible-playbook', '-i', demo.inventory, 'site.yml')
    print(recap)
    changes = changed_hosts(recap)
    if not changes or any(changes.values()):
        sys.exit(f'demo: the second run should have changed nothing: {changes or "no recap"}')
    print(f'Nothing changed on {", ".join(changes)}. The whole demo took {time.monotonic() - started:.0f} s.')
    print('The lab stays for you to look at: python3 lab/lab.py ssh. make lab-down removes it.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
