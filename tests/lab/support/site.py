# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of the tests' own, and projects (two JSON files and an inventory source) whose playbooks run against it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import kept_template, warm
from .node_ssh import HANGS, NodeSsh
from .warm import imported

CHECKOUT = Path(__file__).resolve().parents[3]
LAB = CHECKOUT / 'lab' / 'lab.py'
# One of their own for each checkout, and for each user of this file that says so.
INSTANCE = os.environ.get('PHOENIX_LAB_TESTS', 's')[0] + hashlib.sha256(bytes(CHECKOUT)).hexdigest()[:7]
TEMPLATE = 'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst'
WITH_PYTHON = 'local:vztmpl/debian-12-python_12.7-1_amd64.tar.zst'
APT = 'DEBIAN_FRONTEND=noninteractive apt-get -q -y'
# And most of what base_setup installs: the certificates alone are 4 s of a processor, which one test need take.
PYTHON = f'{APT} update && {APT} install --no-install-recommends python3 python3-apt ca-certificates curl less tzdata'
MUTATING = ('POST', 'PUT', 'DELETE')
# What a test runs unless it says otherwise: site.yml does the same to containers, after looking at the node's own part.
CONTAINERS = 'playbooks/containers.yml'
SITE = 'site.yml'
STATE = '/var/lib/phoenix_hypervisor'
# A storage of a type that takes snapshots of containers' volumes and links clones to a template's.
TANK = 'pvesh create /storage --storage tank --type zfspool --pool rpool/tank --content rootdir,images'
TRAIL = '/var/log/phoenix_hypervisor'


def until(what: Callable[[], Any], seconds: float = 300) -> Any:
    """The first true answer of what(); fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < deadline, f'nothing after {seconds} s of waiting for {what}'
        time.sleep(0.05)


class Lab:
    """The node of the tests. Commands go over SSH, as the product's do."""

    def __init__(self, instance: str = INSTANCE) -> None:
        self.instance = instance
        self.variables: dict[str, str] = {}
        self.shares = False

    def run(self, *words: str) -> str:
        """lab.py with these words; its output."""
        if words == ('down',) and self.shares:
            self.disconnect()
        env = dict(os.environ, PHOENIX_LAB_INSTANCE=self.instance)
        done = subprocess.run(
            [sys.executable, LAB, *words], capture_output=True, text=True, env=env, timeout=HANGS, check=False
        )
        assert done.returncode == 0, f'lab.py {words}: {done.stdout}{done.stderr}'
        if words == ('reset',) and self.shares:
            self._node.connect()
        return done.stdout

    def up(self, keep: bool = False, share: bool = False) -> None:
        """Start afresh, or take the existing node. ``share``: the tests' own commands share a connection, which each
        reset renews where it has ended."""
        if not keep:
            self.run('down')
        self.run('up')
        lines = self.run('env').splitlines()
        self.variables = dict(line.removeprefix('export ').split('=', 1) for line in lines)
        self._node, self.shares = NodeSsh(self.variables), share
        if share:
            self._node.connect()
        warm.node(self.sh)

    def disconnect(self) -> None:
        """Have a connection for each command of the tests, until the next reset."""
        self._node.disconnect()

    @property
    def login(self) -> dict[str, str]:
        """Ansible's variables for the node, as an inventory source has them."""
        known_hosts = self.variables['PHOENIX_LAB_KNOWN_HOSTS']
        return {
            'ansible_host': self.variables['PHOENIX_LAB_NODE_IP'],
            'ansible_user': 'root',
            'ansible_ssh_private_key_file': self.variables['PHOENIX_LAB_SSH_KEY'],
            'ansible_ssh_common_args': f'-o UserKnownHostsFile={known_hosts} -o IdentitiesOnly=yes',
        }

    def node_seconds(self) -> float:
        """CPU seconds that the node and its guests have taken so far."""
        name = f'lxc.payload.phoenix-lab-{self.instance}'
        # One that a killed lab left takes no more; lxc gives the next one a number.
        first = list(Path('/sys/fs/cgroup/cpuacct').glob(f'{name}*/cpuacct.usage'))
        if first:
            return sum(int(file.read_text(encoding='ascii')) for file in first) / 1e9
        total = 0
        for file in Path('/sys/fs/cgroup').glob(f'{name}*/cpu.stat'):
            figures = file.read_text(encoding='ascii').split()
            total += int(figures[figures.index('usage_usec') + 1])
        return total / 1e6

    def has_template(self, volume: str) -> bool:
        """Whether the node's storage has it."""
        return volume.rpartition('/')[2] in self.sh('ls /var/lib/vz/template/cache')

    def add_python_template(self) -> None:
        """A second template, that has Python: only the tests of its absence need to install it."""
        name = WITH_PYTHON.rpartition('/')[2]
        # What apt makes again from its lists would be a third of what each guest unpacks.
        unused = '/var/cache/apt/*.bin /var/log/journal/*'
        script = f'''set -e
pct create 999 {TEMPLATE} --rootfs local:2 --hostname python --unprivileged 0 --memory 512 \\
  --net0 name=eth0,bridge=vmbr0,ip=dhcp --start 1
left=300
until pct exec 999 -- ip -4 addr show eth0 | grep -q inet; do left=$((left-1)); [ $left -gt 0 ]; sleep 0.1; done
pct exec 999 -- sh -c '{PYTHON}' >/dev/null
pct exec 999 -- sh -c 'rm -rf {unused}'
pct stop 999
root=$(find /var/lib/vz/images/999 -maxdepth 2 -name etc -printf '%h\n')
tar -C $root --numeric-owner -cf - . | zstd -q -1 -o /var/lib/vz/template/cache/{name}
pct destroy 999
'''
        kept_template.add(self.variables, name, script, self.sh)

    def sh(self, script: str, check: bool = True) -> str:
        """A shell script on the node; its standard output."""
        return self._node.sh(script, check)

    def guest(self, ctid: int, script: str) -> str:
        """A shell script in a guest."""
        return self.sh(f"pct exec {ctid} -- sh -c '{script}'")

    def await_port(self, port: int) -> None:
        """Wait until a program that has been started on the node listens there."""
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
        until(lambda: self.sh(f'python3 -c "{connect}" 2>/dev/null && echo up || true'))

    def sha256(self, path: str) -> str:
        """The SHA-256 of a file of the node."""
        return self.sh(f'sha256sum {path}').split()[0]

    # -- what the control plane and the product left ----------------------------------------------------------------

    def requests(self) -> list[dict[str, Any]]:
        """The control plane's own record, every request of it."""
        lines = self.sh('cat /var/log/pveproxy/requests.jsonl 2>/dev/null || true').splitlines()
        return [json.loads(line) for line in lines]

    def mutations(self) -> list[dict[str, Any]]:
        """What it was asked to change, logins aside."""
        return [r for r in self.requests() if r['method'] in MUTATING and not r['path'].startswith('/access/ticket')]

    def forget_requests(self) -> None:
        """Empty that record."""
        self.sh(': > /var/log/pveproxy/requests.jsonl')

    def word(self, ctid: int) -> str:
        """The state file's text, '' when there is none."""
        return self.sh(f'cat {STATE}/state/{ctid}.state 2>/dev/null || true').strip()

    def trail(self) -> str:
        """The node's audit trail."""
        return self.sh(f'cat {TRAIL}/*.log 2>/dev/null || true')

    def config(self, ctid: int) -> dict[str, str]:
        """The container's config as PVE keeps it, {} when there is none."""
        text = self.sh(f'cat /etc/pve/lxc/{ctid}.conf 2>/dev/null || true')
        return dict(line.split(': ', 1) for line in text.splitlines() if ': ' in line)

    def status(self, ctid: int) -> str:
        """running or stopped."""
        return self.sh(f'pct status {ctid}').split()[-1]

    def volumes(self) -> list[str]:
        """The CTIDs that have volumes on the storage, one for each volume."""
        folders = self.sh("find /var/lib/vz/images -mindepth 2 -maxdepth 2 -printf '%h\\n' | sort").split()
        return [folder.rpartition('/')[2] for folder in folders]

    def node_files(self) -> str:
        """A fingerprint of what belongs to PVE and to the product on the node: content, modes, owners, times."""
        return self.sh(
            f'for place in {STATE} /etc/pve {TRAIL} /run/phoenix_hypervisor /var/lib/vz/images /var/lib/lxc; do '
            "[ -e $place ] || { echo \"$place: none\"; continue; }; "
            "find $place -xdev -maxdepth 4 -printf '%p %y %m %u %s %C@ %l\\n' | sort; "
            '[ $place = /var/lib/vz/images ] || find $place -xdev -type f -exec sha256sum {} + | sort; done'
        )

    def await_boot(self, *ctids: int) -> None:
        """Wait until the systemd of each guest has started all that it starts: until then it still writes files."""
        for ctid in ctids:
            until(functools.partial(self.has_booted, ctid))

    def has_booted(self, ctid: int) -> bool:
        """Whether the systemd of a guest has started all that it starts."""
        return self.sh(f'pct exec {ctid} -- systemctl is-system-running || true').strip() in ('running', 'degraded')

    def guest_files(self, ctid: int) -> dict[str, str]:
        """Every plain file of a running guest with its size and its times of change: reading changes neither."""
        listing = self.guest(
            ctid,
            'find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /dev -o -path /var/log/journal \\) '
            '-prune '
            '-o -type f -printf "%p|%s %m %T@ %C@\\n"',
        )
        return dict(line.rsplit('|', 1) for line in listing.splitlines())


class Run:
    """A finished run of a playbook."""

    def __init__(self, rc: int, output: str, results: Path) -> None:
        self.rc = rc
        self.output = output
        lines = results.read_text(encoding='utf-8').splitlines() if results.exists() else []
        self.events: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def good(self) -> Run:
        """Itself, when it succeeded."""
        assert self.rc == 0, self.output
        return self

    @property
    def totals(self) -> dict[str, dict[str, int]]:
        """The recap, by host."""
        return next((event['hosts'] for event in self.events if event['status'] == 'stats'), {})

    @property
    def changed(self) -> int:
        """The changed tasks of all hosts."""
        return sum(totals['changed'] for totals in self.totals.values())

    def of(self, action: str, host: str = '950') -> list[dict[str, Any]]:
        """The results of a module for a host, in order, those that were skipped left out."""
        found = [e for e in self.events if e.get('action') == action and e['host'] == host]
        return [event['result'] for event in found if event['status'] != 'skipped']

    def state(self, host: str = '950') -> dict[str, Any]:
        """The first result of phoenix_lxc_state."""
        return self.of('phoenix.hypervisor.phoenix_lxc_state', host)[0]

    def tasks(self, host: str = '950') -> list[str]:
        """The names of the tasks that ran for a host."""
        return [e['task'] for e in self.events if e['status'] in ('ok', 'failed') and e['host'] == host]


class Project:
    """A folder with the two JSON files and the inventory source."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.count = 0
        source = {
            'plugin': 'phoenix.hypervisor.phoenix',
            'lxc_config': 'phoenix_lxc_configs.json',
            'hypervisor_config': 'hypervisor_config.json',
            'nodes': {lab.variables['PHOENIX_LAB_NODE']: lab.login},
        }
        self.inventory.write_text(json.dumps(source), encoding='utf-8')  # JSON is YAML
        self.write('hypervisor_config.json', '{}')

    @property
    def inventory(self) -> Path:
        """The inventory source."""
        return self.folder / 'phoenix.yml'

    @property
    def logs(self) -> Path:
        """Where the controller's trail goes."""
        return self.folder / 'log'

    def write(self, name: str, text: str) -> Path:
        """A file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')
        return path

    def containers(self, **by_ctid: Mapping[str, Any]) -> None:
        """Write the containers: keys are CTIDs with an underscore before them."""
        configs = {name.lstrip('_'): container(**values) for name, values in by_ctid.items()}
        self.write('phoenix_lxc_configs.json', json.dumps({'lxc_configs': configs}, indent=2))

    def script(self, text: str, name: str = 'app.sh') -> str:
        """An application script; its name."""
        self.write(name, '#!/bin/sh\nset -eu\n' + text)
        return name

    def feature(self, name: str = 'marker', tasks: Sequence[Mapping[str, Any]] = ()) -> str:
        """A feature of the test's own, a role beside the configuration; its name."""
        marker = {
            'name': 'Leave a mark',
            'ansible.builtin.copy': {'content': name, 'dest': f'/etc/{name}', 'mode': '0644'},
        }
        self.write(f'roles/{name}/meta/phoenix_feature.yml', '{}')
        self.write(f'roles/{name}/meta/argument_specs.yml', '{"argument_specs": {"main": {"options": {}}}}')
        self.write(f'roles/{name}/tasks/main.yml', json.dumps([*tasks, marker]))
        return name

    def command(self, *words: str, playbook: str = CONTAINERS) -> list[str]:
        """The command line of a run."""
        return [ansible('ansible-playbook'), '-i', str(self.inventory), playbook, *words]

    def environment(self, **more: str) -> dict[str, str]:
        """The variables of a run: the checkout's collection, the controller's trail in the project."""
        self.count += 1
        env = {name: value for name, value in os.environ.items() if not name.startswith('ANSIBLE_')}
        env.update(
            ANSIBLE_CALLBACK_PLUGINS=str(CHECKOUT / 'tests' / 'lab' / 'support' / 'callback'),
            ANSIBLE_CALLBACKS_ENABLED='lab_results,phoenix.hypervisor.phoenix_log,phoenix.hypervisor.phoenix_plan',
            ANSIBLE_COLLECTIONS_PATH=os.pathsep.join([str(CHECKOUT / 'collections'), *shared_collections()]),
            ANSIBLE_NOCOLOR='1',
            ANSIBLE_STDOUT_CALLBACK='default',  # the tests read what Ansible itself shows
            ANSIBLE_TIMEOUT='60',  # for a connection or the prompt of a password: ten seconds are few on a busy machine
            LAB_RESULTS=str(self.results),
            PHOENIX_LOG_DIR=str(self.logs),
            **warm.controller(),
        )
        env.update(more)
        return {name: value for name, value in env.items() if value}

    @property
    def results(self) -> Path:
        """The results of the latest run."""
        return self.folder / f'results-{self.count}.jsonl'

    def play(
        self,
        *words: str,
        playbook: str = CONTAINERS,
        cwd: Path = CHECKOUT,
        env: Mapping[str, str] | None = None,
        timeout: float = HANGS,
        alone: bool = False,
    ) -> Run:
        """Run a playbook to its end, which must come within so many seconds. ``alone``: in its own process."""
        variables = self.environment(**(env or {}))
        command = self.command(*words, playbook=playbook)
        if not env and cwd == CHECKOUT and not alone:
            return Run(*imported.run(command, variables, cwd, timeout), self.results)
        done = subprocess.run(
            command,
            cwd=cwd,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Run(done.returncode, done.stdout, self.results)

    def start(self, *words: str, playbook: str = CONTAINERS, under: Sequence[str] = ()) -> Started:
        """Begin a run that the test ends, under another command if need be."""
        return Started(self, [*under, *self.command(*words, playbook=playbook)], self.environment())


class Started:
    """A run in a session of its own, which can be killed with all of its processes."""

    def __init__(self, project: Project, command: Sequence[str], env: Mapping[str, str]) -> None:
        self.results = project.results
        self.log = project.results.with_suffix('.log')
        with open(self.log, 'w', encoding='utf-8') as out:
            self.process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, ended: bool = False) -> None:
        """SIGKILL to the whole group, as a closed lid or the out-of-memory killer would. ``ended``: also where what
        the test did before has made it fail already."""
        assert ended or self.process.poll() is None, self.log.read_text(encoding='utf-8')
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self) -> Run:
        """Its end."""
        rc = self.process.wait(timeout=HANGS)
        return Run(rc, self.log.read_text(encoding='utf-8'), self.results)


def container(**values: Any) -> dict[str, Any]:
    """A container's entry: small, from the template with Python, without features, unless the test says otherwise."""
    entry: dict[str, Any] = {
        'name': 'guest',
        'template': WITH_PYTHON,
        'storage_pool': 'local',
        'storage_size_gb': 2,
        'memory_mb': 256,
        'swap_mb': 0,
        'cores': 1,
        'network_config': {'name': 'eth0', 'bridge': 'vmbr0', 'ip': 'dhcp'},
        'unprivileged': True,
        'features': [],
    }
    entry.update(values)
    return {name: value for name, value in entry.items() if value is not None}


def ansible(name: str) -> str:
    """A command of the ansible-core that these tests run in."""
    own = Path(sys.executable).parent / name
    found = str(own) if own.exists() else shutil.which(name)
    assert found, f'{name} is not installed'
    return found


def shared_collections() -> list[str]:
    """Where the community collections are, as the caller's environment says; never another copy of this one."""
    paths = [path for path in os.environ.get('ANSIBLE_COLLECTIONS_PATH', '').split(os.pathsep) if path]
    return [path for path in paths if (Path(path) / 'ansible_collections' / 'community').is_dir()]
