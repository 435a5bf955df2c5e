#!/usr/bin/env python3
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: from two JSON files to a fleet of real containers, on a machine without Proxmox. Needs root.

A base template, a template with Docker cloned from it, and two services cloned from that; one runs under Docker.

Run it with `make demo`, which sets up what it needs. The exit code is 0 only when all is as promised.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
LAB = CHECKOUT / 'lab' / 'lab.py'
TEMPLATES = ('900', '920')
UNDER_DOCKER = '950'
SERVICES = (UNDER_DOCKER, '951')
PORT = 8080
MUTATING = ('POST', 'PUT', 'DELETE')
STARTED = time.monotonic()
# A container boots in one to three seconds; this is for a machine that has much else to do.
ANSWER_SECONDS = 60.0
RECAP = re.compile(r'^(\S+)\s+: ok=\d+\s+changed=(?P<changed>\d+)\s+unreachable=(?P<lost>\d+)\s+failed=(?P<failed>\d+)')


class DemoError(Exception):
    """Something is not as promised; the text says what."""


def say(text: str = '') -> None:
    """A line of the demo, with the seconds since its start."""
    print(f'[{time.monotonic() - STARTED:5.1f} s] {text}' if text else '', flush=True)


def show(text: str) -> None:
    """Lines of something else's output, set off."""
    for line in text.rstrip().splitlines():
        print(f'          {line}', flush=True)


def lab(*words: str) -> str:
    """A command of lab.py; its output."""
    done = subprocess.run([sys.executable, LAB, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(f'lab.py {" ".join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}')
    return done.stdout


def command(name: str) -> str:
    """A command of the toolchain: beside this interpreter, else on the PATH."""
    own = Path(sys.executable).parent / name
    found = str(own) if own.exists() else shutil.which(name)
    if not found:
        raise DemoError(f'{name} is not here: run the demo with make demo')
    return found


def playbook(inventory: str, *words: str, live: bool = False) -> str:
    """Run ansible-playbook; its output. With live, the tasks that changed something are shown as they end."""
    env = dict(
        os.environ,
        ANSIBLE_NOCOLOR='1',
        ANSIBLE_CALLBACKS_ENABLED='phoenix.hypervisor.phoenix_log',
        ANSIBLE_STDOUT_CALLBACK='default',  # whose lines are read below
    )
    lines = []
    with subprocess.Popen(
        [command('ansible-playbook'), '-i', inventory, *words],
        cwd=CHECKOUT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip  # laid out to be read
        task = ''
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith('TASK ['):
                task = line[6:].split('] *')[0]
            elif live and line.startswith('changed: ['):
                say(f'  {line[10:].split("]")[0].split(" ")[0]}  {task}')
    output = ''.join(lines)
    if process.returncode:
        raise DemoError(f'ansible-playbook {" ".join(words)} ended with {process.returncode}:\n{output}')
    return output


def containers(inventory: str) -> dict[str, dict[str, str]]:
    """What the status playbook says of the containers, by CTID; shows its table."""
    rows = re.findall(r'^\s+- ["\']?(.*?)["\']?$', playbook(inventory, 'playbooks/status.yml'), re.MULTILINE)
    cells = [re.split(r'\s{2,}', row.strip()) for row in rows]
    if not cells or cells[0][0] != 'CTID':
        raise DemoError('the status playbook shows no table')
    show('\n'.join(rows))
    return {row[0]: dict(zip(cells[0], row, strict=False)) for row in cells[1:]}


def answer(address: str) -> dict[str, object]:
    """What the service answers, waited for as long as a boot may take."""
    url = f'http://{address}:{PORT}/'
    # The guests' network is reached directly; a proxy of the user's knows nothing of it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            with opener.open(url, timeout=2) as response:
                text = response.read().decode()
            show(f'$ curl {url}\n{text}')
            return dict(json.loads(text))
        except (OSError, urllib.error.URLError, ValueError) as error:
            if time.monotonic() > deadline:
                raise DemoError(f'{url} gives no answer within {ANSWER_SECONDS:.0f} s: {error}') from error
            time.sleep(0.25)


def mutations() -> list[dict[str, Any]]:
    """What the control plane was asked to change, by its own record."""
    lines = lab('ssh', 'cat /var/log/pveproxy/requests.jsonl').splitlines()
    requests = [json.loads(line) for line in lines]
    return [r for r in requests if r['method'] in MUTATING and not r['path'].startswith('/access/ticket')]


def brief(request: dict[str, Any]) -> str:
    """A request of the record in one line."""
    names = ('vmid', 'newid', 'hostname', 'full')
    shown = [f'{name}={request["params"][name]}' for name in names if name in request['params']]
    return ' '.join([request['method'], request['path'], *shown])


def expect(truth: bool, otherwise: str) -> None:
    """End the demo when something is not as promised."""
    if not truth:
        raise DemoError(otherwise)


def settled(output: str) -> list[str]:
    """The recap's hosts; each must be without a change and without a failure."""
    rows = [match for match in map(RECAP.match, output.splitlines()) if match]
    expect(bool(rows), 'the second run has no recap')
    for row in rows:
        expect(row['changed'] == row['lost'] == row['failed'] == '0', f'the second run was to change nothing: {row[0]}')
    return [row[0] for row in rows]


def demo() -> None:
    """The steps, in order."""
    say('Starting the lab: a real system container that is shaped like a Proxmox VE node')
    lab('up')
    variables = dict(line.removeprefix('export ').split('=', 1) for line in lab('env').splitlines())
    inventory = variables['PHOENIX_LAB_INVENTORY']
    say(f'The node answers at {variables["PHOENIX_LAB_NODE_IP"]}')

    say()
    say('ansible-playbook site.yml: template 900, cloned from it template 920 with Docker, from that 950 and 951')
    playbook(inventory, 'site.yml', live=True)
    say('The run is through. What the node was asked to do, by its own record:')
    # Without those that met the lock of a source that was being cloned, and were made again.
    show('\n'.join(brief(request) for request in mutations() if request['status'] == 200))
    say('Containers now:')
    seen = containers(inventory)
    for ctid in (*TEMPLATES, *SERVICES):
        expect(seen.get(ctid, {}).get('STATE') == 'completed', f'container {ctid} is not completed')
    for ctid in TEMPLATES:
        expect('template: 1' in lab('ssh', f'pct config {ctid}').splitlines(), f'container {ctid} is no template')

    say()
    say(f'The services, {UNDER_DOCKER} from under Docker:')
    before = {ctid: answer(seen[ctid]['ADDRESS']) for ctid in SERVICES}
    shown = inside("docker ps --format '{{.Image}} {{.Ports}}'")
    show(f'$ pct exec {UNDER_DOCKER} -- docker ps\n{shown}')
    expect('->80/tcp' in shown, f'nothing runs under Docker in container {UNDER_DOCKER}')
    boot = boot_of_container()
    say(f'pct reboot {UNDER_DOCKER} on the node, then once more:')
    lab('ssh', f'pct reboot {UNDER_DOCKER}')
    expect(boot != boot_of_container(), f'container {UNDER_DOCKER} did not reboot')
    expect(answer(wait_for_address()) == before[UNDER_DOCKER], 'another container answered')

    say()
    say('site.yml a second time: nothing is to change')
    asked = mutations()
    for host in settled(playbook(inventory, 'site.yml')):
        show(host)
    expect(mutations() == asked, 'the second run asked the control plane to change something')
    say('changed=0 for every host, and the node was not asked to change anything')

    say()
    say('All of it as promised. To look around:')
    show(
        'python3 lab/lab.py ssh                        a shell on the node: pct list, pct enter 950, pct config 950\n'
        'python3 lab/lab.py ssh cat /var/log/phoenix_hypervisor/*.log       what was done, line by line\n'
        'edit lab/demo/phoenix_lxc_configs.json, then\n'
        f'{command("ansible-playbook")} -i {os.path.relpath(inventory, CHECKOUT)} site.yml --check --diff\n'
        '                                              what a run would change\n'
        'make lab-down                                 removes all of it'
    )


def inside(command_line: str) -> str:
    """A command in the container that runs Docker; its output."""
    return lab('ssh', f'pct exec {UNDER_DOCKER} -- {command_line}').strip()


def boot_of_container() -> str:
    """A word that differs after each boot."""
    return inside('stat -c %Y /proc/1')


def wait_for_address() -> str:
    """The container's address after a boot; DHCP may take a moment."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        # Docker's own bridges have addresses too.
        words = inside('ip -4 -oneline address show dev eth0 || true').split()
        if len(words) > 3:
            return words[3].partition('/')[0]
        expect(time.monotonic() < deadline, f'container {UNDER_DOCKER} has no address after its reboot')
        time.sleep(0.25)


def main() -> int:
    """Exit code 0 when all was as promised."""
    if os.geteuid():
        print('demo: it needs root, because it starts containers', file=sys.stderr)
        return 1
    try:
        demo()
    except DemoError as error:
        say(f'The demo failed: {error}')
        return 1
    except KeyboardInterrupt:
        say('Interrupted. make lab-down removes the lab')
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
