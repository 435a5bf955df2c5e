# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests' own commands on the node share a connection over SSH: one of its own takes each 0.1 s of a processor."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

# Seconds after which a command hangs, and is not just one of many on a busy machine.
HANGS = 900.0


class NodeSsh:
    """The node of a lab, by its variables as lab.py prints them."""

    def __init__(self, lab: Mapping[str, str]) -> None:
        self.socket = Path(lab['PHOENIX_LAB_SSH_KEY']).with_name('tests.ssh')
        self.node = lab['PHOENIX_LAB_NODE']
        # Without the socket, each command has a connection of its own.
        self.command = ['ssh', '-F', lab['PHOENIX_LAB_SSH_CONFIG'], '-S', str(self.socket)]

    def sh(self, script: str, check: bool = True) -> str:
        """A shell script on the node; its standard output."""
        command = [*self.command, self.node, 'sh -s']
        done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=HANGS, check=False)
        assert done.returncode == 0 or not check, f'{script!r} gave {done.returncode}: {done.stdout}{done.stderr}'
        return done.stdout

    def connect(self) -> None:
        """Begin the connection that commands share, unless it is there."""
        if not self._control('-O', 'check'):
            self.socket.unlink(missing_ok=True)
            # It notices by itself that the node of a killed session has gone.
            assert self._control('-M', '-N', '-f', '-o', 'ServerAliveInterval=60'), f'no connection to {self.node}'

    def disconnect(self) -> None:
        """End it, where it is there."""
        self._control('-O', 'exit')

    def _control(self, *words: str) -> bool:
        """Whether this succeeds with the connection."""
        quiet = subprocess.DEVNULL
        command = [*self.command, *words, self.node]
        done = subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=HANGS, check=False)
        return done.returncode == 0
