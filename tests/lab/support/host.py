# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the node's set-up have in common: its files, and changes that take themselves back."""

from __future__ import annotations

from .site import STATE, Lab

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
    assert lab.sh('systemctl list-units --state=active,activating,failed --plain --no-legend "phoenix-revert*"') == ''
    assert 'phoenix-revert' not in lab.sh('find /etc/systemd/system')
