# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real node in the lab's place: `make bench REAL=NODE`. Only what the bench made itself is destroyed.

NODE is what `ssh root@NODE` understands. The CTIDs that the bench uses must be free, which is looked at before anything
is created, and a Debian 12 template must be on the storage `local`.
"""

from __future__ import annotations

import subprocess

from support.site import STATE, Lab

# What the parts create: single containers, and the fleets.
SINGLE = range(950, 970)
FLEET_FIRST = 1000


class RealNode(Lab):
    """A node that people use, reached as root over SSH."""

    def __init__(self, destination: str, fleet: int) -> None:
        super().__init__('real')
        self.destination = destination
        self.ctids = [*SINGLE, *range(FLEET_FIRST, FLEET_FIRST + fleet + 1)]
        self.is_free = False

    @property
    def login(self) -> dict[str, str]:
        """The user's own SSH configuration has the rest."""
        return {'ansible_host': self.destination, 'ansible_user': 'root'}

    def run(self, *words: str) -> str:
        """In place of lab.py: `down` destroys what this run created, and nothing else is needed."""
        if words == ('down',) and self.is_free:
            for ctid in self.present():
                self.sh(f'pct stop {ctid} 2>/dev/null; pct destroy {ctid} --purge 1; rm -f {STATE}/*/{ctid}.*')
        return ''

    def up(self, keep: bool = False) -> None:
        """See that the node is one, and that nobody has the CTIDs."""
        self.variables = {'PHOENIX_LAB_NODE': self.sh('pveversion >/dev/null && hostname -s').strip()}
        if self.is_free:
            self.run('down')
        else:
            taken = self.present()
            if taken:
                raise SystemExit(f'CTIDs {taken} exist on {self.destination}; the bench would have to use them')
            self.is_free = True

    def present(self) -> list[int]:
        """The CTIDs of the bench that some node of the cluster has a guest for."""
        listing = self.sh(
            "ls /etc/pve/nodes/*/lxc /etc/pve/nodes/*/qemu-server 2>/dev/null | grep -o '^[0-9]*' || true"
        )
        return sorted(set(self.ctids) & set(map(int, listing.split())))

    def sh(self, script: str, check: bool = True) -> str:
        """A shell script on the node; its standard output."""
        command = ['ssh', '-o', 'BatchMode=yes', f'root@{self.destination}', 'sh -s']
        done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=1800, check=False)
        if check and done.returncode:
            raise RuntimeError(f'{script!r} gave {done.returncode}: {done.stdout}{done.stderr}')
        return done.stdout

    def node_seconds(self) -> float:
        """CPU seconds of the whole node: what else runs there counts too, so let it be idle."""
        ticks = [int(word) for word in self.sh('head -n 1 /proc/stat').split()[1:9]]
        return (sum(ticks) - ticks[3] - ticks[4]) / 100
