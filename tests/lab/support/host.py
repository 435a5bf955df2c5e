# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the node's set-up have in common: its files, and changes that roll back."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from .site import STATE, Lab, Started, until

HOST = 'playbooks/hypervisor.yml'


def files(lab: Lab, places: str) -> str:
    """A fingerprint of files and folders, with their times of change."""
    return lab.sh(f'find {places} -printf "%p %y %m %s %C@\\n" 2>/dev/null | sort || true')


def revert_phase(lab: Lab, name: str) -> str:
    """Where the latest change stands; '' too while the node can't be reached."""
    return lab.sh(f'cat {STATE}/revert/{name}/phase 2>/dev/null', check=False).strip()


def settled(lab: Lab, name: str, phase: str) -> None:
    """The latest change has ended so, and nothing waits for its end any more."""
    assert revert_phase(lab, name) == phase
    units = 'systemctl list-units --state=active,activating,failed --plain --no-legend "phoenix-revert*"'
    until(lambda: lab.sh(units) == '')  # the script says that it is done before it ends
    assert 'phoenix-revert' not in lab.sh('find /etc/systemd/system')


def kill_all(run: Started) -> None:
    """SIGKILL to a run with its workers, which are sessions of their own and would go on and confirm."""
    family = {run.process.pid}
    parents = {}
    for status in Path('/proc').glob('[0-9]*/stat'):
        with contextlib.suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(')')[2].split()[1])
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    run.kill()
    for pid in family - {run.process.pid}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
