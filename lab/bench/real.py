# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real node in the lab's place: `make bench REAL=NODE`. Only what the bench created is destroyed.

NODE is what `ssh root@NODE` understands. Nothing is created unless the CTIDs of the bench are free, and unless the node
has a Debian 12 template on the storage `local`, a storage for root volumes, and the bridge.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import uuid
from pathlib import Path
from typing import Any

from support.site import STATE

from bench.costs import Act
from bench.node import MARK, TINY, BenchNode, LeftOut

# Storages that link the volumes of a clone to those of its template.
LINKING = ('zfspool', 'lvmthin', 'rbd')
# The collection's own folders on a node. Those that the bench finds missing are removed at its end.
RUNTIME = '/run/phoenix_hypervisor'
PLACES = (STATE, '/var/log/phoenix_hypervisor', '/var/cache/phoenix_hypervisor', RUNTIME, f'{RUNTIME}_warm')
# A script holds the lock of its bench and says who it is. So the end of an interrupted bench can end its script.
HOLD = """exec 9>>{lock}; flock -s 9; echo $$ >{lock}; trap 'exit 1' TERM
"""
# A script ends after its command of the moment, which ends at once where it works in a container.
END = """for ctid in {ctids}; do
  ! grep -qs "^hostname: {mark}$ctid$" /etc/pve/lxc/$ctid.conf || pct stop $ctid >/dev/null 2>&1 || true
done
flock -n {lock} true || {{ kill "$(cat {lock})" 2>/dev/null || true; flock -w 600 {lock} true; }}
"""
ACCESS_LOG = '/var/log/pveproxy/access.log'
BRIDGE = os.environ.get('PHOENIX_BENCH_BRIDGE', 'vmbr0')
# Removes one container, when it is the bench's. A module that an interrupted run left on the node stops before its next
# call, since its lease is gone, and holds the busy file until then. PVE's own lock is waited for.
REMOVE = """rm -f {state}/leases/{ctid}.json
[ ! -e {runtime}/{ctid}.busy ] || flock -w 600 {runtime}/{ctid}.busy true
conf=/etc/pve/lxc/{ctid}.conf
n=300
while grep -qs '^lock:' $conf; do n=$((n-1)); [ $n -gt 0 ] || break; sleep 1; done
if [ -e $conf ]; then
  grep -qs '^hostname: {mark}{ctid}$' $conf || {{ echo foreign; exit 0; }}
  ! pct status {ctid} | grep -q running || pct stop {ctid} >&2
  pct destroy {ctid} >&2 || {{ echo failed; exit 0; }}
fi
rm -rf {state}/*/{ctid}.* {runtime}/{ctid}.*
"""


class RealNode(BenchNode):
    """A node that people use, reached as root over SSH."""

    is_lab = False
    bridge = BRIDGE

    def __init__(self, destination: str, ctids: list[int]) -> None:
        super().__init__('real')
        self.destination = destination.removeprefix('root@')
        self.ctids = ctids
        self.absent: list[str] = []
        self.foreign_layers: set[str] = set()
        self.linking_storage = ''
        self.is_free = False
        self.lock = f'/run/phoenix-bench-{uuid.uuid4()}.lock'

    @property
    def login(self) -> dict[str, str]:
        """The user's own SSH configuration has the rest."""
        return {'ansible_host': self.destination, 'ansible_user': 'root'}

    def other_login(self) -> dict[str, Any]:
        """What OpenSSH makes of the destination: a plugin that does not use it reads no configuration of it."""
        done = subprocess.run(
            ['ssh', '-G', f'root@{self.destination}'], capture_output=True, text=True, timeout=60, check=True
        )
        words = [line.split(' ', 1) for line in done.stdout.splitlines() if ' ' in line]
        found = dict(reversed(words))  # of several values the first counts
        keys = [Path(value).expanduser() for key, value in words if key == 'identityfile']
        login: dict[str, Any] = {'ansible_host': found['hostname'], 'ansible_port': int(found['port'])}
        key_file = next((str(key) for key in keys if key.exists()), None)
        if key_file:
            login['ansible_private_key_file'] = key_file
        through = found.get('proxycommand') or (
            f'ssh -W %h:%p {found["proxyjump"]}' if found.get('proxyjump', 'none') != 'none' else ''
        )
        return {**login, **({'ansible_paramiko_proxy_command': through} if through not in ('', 'none') else {})}

    # -- before and after ---------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Find what the parts need; stop when something is missing, or when somebody uses what the bench would use."""
        name = self.sh('pveversion >/dev/null && basename "$(readlink /etc/pve/local)"').strip()
        self.variables = {'PHOENIX_LAB_NODE': name}
        problems = []
        taken = self.present()
        if taken:
            problems.append(
                f'CTIDs {taken} exist, and the bench would use them; those with the host name {MARK}CTID are '
                'of a bench that was killed: destroy them with `pct destroy CTID`'
            )
        numbers = '|'.join(map(str, self.ctids))
        files = self.sh(f"ls -d {STATE}/*/* 2>/dev/null | grep -E '/({numbers})[.][^/]*$' || true").split()
        files += self.sh(f'ls {self.templates}/{TINY} 2>/dev/null || true').split()
        if files:
            problems.append(f'{" ".join(files)} would be replaced; remove what an earlier bench left, or move it')
        storages = self.ask(f'/nodes/{name}/storage', '--enabled', '1')
        self.find_storages(storages, problems)
        self.find_template(name, problems)
        if not self.sh(f'ls -d /sys/class/net/{shlex.quote(self.bridge)}/bridge 2>/dev/null || true'):
            problems.append(f'there is no bridge {self.bridge}; name another one with PHOENIX_BENCH_BRIDGE')
        if problems:
            raise SystemExit('\n'.join([f'{self.destination}: nothing is created.', *problems]))
        self.is_free = True
        self.absent = self.sh(f'for place in {" ".join(PLACES)}; do [ -e $place ] || echo $place; done').split()
        self.foreign_layers = self.addresses()

    def ask(self, *words: str) -> Any:
        """An answer of the node's API."""
        return json.loads(self.sh(f'pvesh get {" ".join(map(shlex.quote, words))} --output-format json'))

    def find_storages(self, storages: list[dict[str, Any]], problems: list[str]) -> None:
        """The storages that the parts create volumes on: the one with the most space."""
        able = [one for one in storages if 'rootdir' in one['content'].split(',') and one.get('active')]
        able.sort(key=lambda one: (-int(one.get('avail') or 0), one['storage']))
        wanted = os.environ.get('PHOENIX_BENCH_STORAGE')
        if wanted:
            able = [one for one in able if one['storage'] == wanted]
        if not able:
            named = f'storage {wanted} is not one' if wanted else 'there is none'
            problems.append(f'the bench needs an active storage with the content rootdir: {named}')
            return
        self.storage = able[0]['storage']
        self.linking_storage = next((one['storage'] for one in able if one['type'] in LINKING), '')

    def find_template(self, name: str, problems: list[str]) -> None:
        """The newest Debian 12 template, and the folder of the storage that it is on."""
        local = self.ask('/storage/local')
        if 'vztmpl' not in local.get('content', '').split(',') or 'path' not in local or 'content-dirs' in local:
            problems.append('the storage local must be a folder with the content vztmpl in its usual place')
            return
        self.templates = f'{local["path"]}/template/cache'
        content = self.ask(f'/nodes/{name}/storage/local/content', '--content', 'vztmpl')
        found = [one['volid'] for one in content if re.search(r'/debian-12-standard_[^/]*_amd64\.tar\.', one['volid'])]
        if not found:
            problems.append(
                'there is no Debian 12 template on the storage local; get one with `pveam update`, '
                '`pveam available --section system` and `pveam download local debian-12-standard_…`'
            )
            return
        self.debian = max(found, key=lambda one: [int(number) for number in re.findall(r'\d+', one)])

    def prepare(self) -> None:
        """Begin each part with nothing of the part before."""
        self.remove_containers()

    def clean(self) -> None:
        """Remove what the bench created on the node, after an interrupted run too."""
        if not self.is_free:
            return
        left = self.remove_containers()
        numbers = {str(ctid) for ctid in self.ctids}
        for address in self.addresses() - self.foreign_layers:
            by = self.sh(f"sed -n 's/.*\"by\": *\\([0-9]*\\).*/\\1/p' {STATE}/layers/{address}.json").strip()
            if by in numbers:
                self.sh(f'rm -f {STATE}/layers/{address}.* {self.templates}/phoenix-layer-{address}.tar.zst')
        self.sh(
            f'rm -f {self.templates}/{TINY}; '
            f'for ctid in {" ".join(sorted(numbers))}; do rm -rf {self.templates}/.phoenix-layer-$ctid; done'
        )
        if self.absent and not left:
            self.sh(f'rm -rf {" ".join(self.absent)}')
        self.sh(f'rm -f {self.lock}', holds=False)
        if left:
            raise SystemExit(f'{self.destination}: CTIDs {left} could not be destroyed; see `pct destroy CTID` there')

    def remove_containers(self) -> list[int]:
        """Destroy the bench's containers, and remove what a run left of them; those that can't be destroyed."""
        ctids = ' '.join(map(str, self.ctids))
        self.sh(END.format(ctids=ctids, mark=MARK, lock=self.lock), holds=False)
        left = []
        # A container whose creation failed has files and no config.
        files = self.sh(f'ls {STATE}/*/ {RUNTIME}/ 2>/dev/null || true').split()
        named = {int(name.partition('.')[0]) for name in files if name.partition('.')[0].isdigit()}
        # Clones before their sources.
        for ctid in sorted(set(self.ctids) & (named | set(self.present())), reverse=True):
            said = self.sh(REMOVE.format(ctid=ctid, state=STATE, runtime=RUNTIME, mark=MARK)).split()
            if said == ['failed']:
                left.append(ctid)
            elif said == ['foreign']:
                print(f'CTID {ctid} on {self.destination} is not of the bench and is left alone', flush=True)
        return left

    def present(self) -> list[int]:
        """The CTIDs of the bench that some node of the cluster has a guest for."""
        listing = self.sh(
            "ls /etc/pve/nodes/*/lxc /etc/pve/nodes/*/qemu-server 2>/dev/null | grep -o '^[0-9]*' || true"
        )
        return sorted(set(self.ctids) & set(map(int, listing.split())))

    def addresses(self) -> set[str]:
        """The layers on the node."""
        return set(self.sh(f"cd {STATE}/layers 2>/dev/null && ls | sed -n 's/[.]json$//p' || true").split())

    # -- what the parts ask for ---------------------------------------------------------------------------------------

    def forget_warmth(self) -> None:
        """Keep nothing: a real node has nothing of the tests."""

    def linking(self) -> str:
        """A storage of the node, never one of the bench's own."""
        if not self.linking_storage:
            raise LeftOut(f'the node has no storage of type {" or ".join(LINKING)} for root volumes')
        return self.linking_storage

    def create_with_python(self, ctid: int) -> None:
        """Install Python in the container itself: no template is made for it."""
        install = (
            'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends python3'
        )
        self.sh(
            f'set -e; {self.create(ctid, "--memory 512")}; pct start {ctid}; {self.has_address(ctid)}; '
            f"pct exec {ctid} -- sh -c '{install}' >/dev/null"
        )

    def calls(self, act: Act) -> int:
        """The lines of root's in pveproxy's log. The log must have some: the bench has just created containers."""
        count = f"grep -cs '127[.]0[.]0[.]1 - root@pam \\[' {ACCESS_LOG} || true"
        before = int(self.sh(count) or 0)
        if not before:
            raise LeftOut(f'{ACCESS_LOG} on the node has no calls of root@pam')
        act()
        return max(int(self.sh(count) or 0) - before, 0)

    def layers(self) -> dict[str, Any]:
        """Bounds that remove no layer of the node's owner."""
        return {'storage': 'local', 'max_size_gb': 100000, 'max_age_days': 100000}

    def sh(self, script: str, check: bool = True, holds: bool = True) -> str:
        """A shell script on the node; its standard output. It holds the lock as long as it works."""
        command = ['ssh', '-o', 'BatchMode=yes', f'root@{self.destination}', 'sh -s']
        text = HOLD.format(lock=self.lock) + script if holds and self.is_free else script
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=1800, check=False)
        if done.returncode == 255:
            raise SystemExit(f'ssh root@{self.destination} failed: {done.stderr.strip()}')
        if check and done.returncode:
            raise RuntimeError(f'{script!r} gave {done.returncode}: {done.stdout}{done.stderr}')
        return done.stdout

    def node_seconds(self) -> float:
        """CPU seconds of the whole node: what else runs there counts too, so let it be idle."""
        ticks = [int(word) for word in self.sh('head -n 1 /proc/stat').split()[1:9]]
        return (sum(ticks) - ticks[3] - ticks[4]) / 100
