# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to one checkout's lab: names, paths and addresses, so that two checkouts don't meet."""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .run import LOCKS, LabError, run

STATE_ROOT = Path('/var/lib/phoenix-lab')
CACHE_ROOT = Path('/var/cache/phoenix-lab')
RUN_ROOT = Path('/run/phoenix-lab')
CHECKOUT = Path(__file__).resolve().parents[2]
NODE = 'pve'


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a small file so that a reader sees the old or the new text, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    temporary.write_text(text)
    temporary.chmod(mode)
    temporary.replace(path)


class Instance:
    """The lab of one checkout. Nothing is touched by making one."""

    def __init__(self, ident: str | None = None) -> None:
        own = hashlib.sha256(bytes(CHECKOUT)).hexdigest()[:8]
        ident = ident or os.environ.get('PHOENIX_LAB_INSTANCE') or own
        if not re.fullmatch(r'[a-z0-9]{1,8}', ident):
            raise LabError(f'PHOENIX_LAB_INSTANCE must be 1 to 8 characters of a-z and 0-9, not {ident!r}')
        self.ident = ident
        self.container = 'phoenix-lab-' + ident
        self.bridge = 'phx' + ident
        self.veth = 'phv' + ident
        self.nft_table = 'phoenix_lab_' + ident
        self.state = STATE_ROOT / ident
        self.lxcpath = self.state / 'lxc'
        self.image = self.state / 'disk.img'
        self.disk = self.state / 'disk'
        self.upper = self.disk / 'root' / 'upper'
        self.storage = self.disk / 'storage'
        # A second lab of the same checkout must not take over the files of the first.
        self.output = CHECKOUT / '.lab' if ident == own else CHECKOUT / '.lab' / ident

    # ------------------------------------------------------------ addresses
    @property
    def _facts(self) -> Path:
        return self.state / 'instance.json'

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The /23 of this lab: its first half joins host and node, the second is the guests'."""
        if not self._facts.exists():
            with shared():
                chosen = _free_network(self.ident)
                write_atomically(self._facts, json.dumps({'network': str(chosen), 'checkout': str(CHECKOUT)}) + '\n')
        return ipaddress.IPv4Network(json.loads(self._facts.read_text())['network'])

    @property
    def link(self) -> ipaddress.IPv4Network:
        return next(self.network.subnets(new_prefix=24))

    @property
    def guests(self) -> ipaddress.IPv4Network:
        return list(self.network.subnets(new_prefix=24))[1]

    @property
    def host_ip(self) -> str:
        return str(self.link[1])

    @property
    def node_ip(self) -> str:
        return str(self.link[2])

    # ----------------------------------------------------------------- lock
    @contextmanager
    def lock(self) -> Iterator[None]:
        """One `up`, `down` or `reset` of this instance at a time; the next one waits."""
        with locked(RUN_ROOT / (self.ident + '.lock'), remove=True):
            yield


@contextmanager
def shared() -> Iterator[None]:
    """One lab at a time: for folders that labs share, which the last one removes, and for the choice of a network."""
    with locked(RUN_ROOT / 'shared.lock'):
        yield


def remove_empty(folder: Path) -> None:
    """Remove a folder unless another lab has something in it. Within shared()."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@contextmanager
def locked(path: Path, remove: bool = False) -> Iterator[None]:
    """Hold an exclusive flock on path, which is made when needed and, with remove, deleted at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = open(path, 'w')  # noqa: SIM115 - closed below, whichever way the loop goes
        os.set_inheritable(handle.fileno(), False)
        fcntl.flock(handle, fcntl.LOCK_EX)
        # The previous holder may have deleted the file that we waited for.
        if path.exists() and os.fstat(handle.fileno()).st_ino == path.stat().st_ino:
            break
        handle.close()
    LOCKS.add(handle.fileno())
    try:
        yield
    finally:
        LOCKS.discard(handle.fileno())
        if remove:
            path.unlink(missing_ok=True)
        handle.close()


def _free_network(ident: str) -> ipaddress.IPv4Network:
    """A /23 in 10.64.0.0/10, chosen by hash, that no route or other lab uses."""
    used = [
        ipaddress.ip_network(route['dst'], strict=False)
        for route in json.loads(run(['ip', '-j', '-4', 'route', 'show', 'table', 'all']).stdout or '[]')
        if re.match(r'\d', route.get('dst', ''))
    ]
    for facts in STATE_ROOT.glob('*/instance.json'):
        with suppress(FileNotFoundError):  # that lab is being removed
            used.append(ipaddress.ip_network(json.loads(facts.read_text())['network']))
    resolvers = re.findall(r'^nameserver\s+(\d+\.\d+\.\d+\.\d+)', Path('/etc/resolv.conf').read_text(), re.MULTILINE)
    used += [ipaddress.ip_network(address) for address in resolvers]
    start = int.from_bytes(hashlib.sha256(ident.encode()).digest()[:4], 'big')
    for offset in range(8192):
        slot = (start + offset) % 8192
        candidate = ipaddress.IPv4Network((int(ipaddress.IPv4Address('10.64.0.0')) + slot * 512, 23))
        if not any(candidate.overlaps(other) for other in used if other.version == 4):
            return candidate
    raise LabError('no free /23 in 10.64.0.0/10')
