# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench on a real node, whose part the lab's node plays: reached as a user's ssh reaches it, and left as it was."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.site import CHECKOUT, HANGS, STATE, TEMPLATE, Lab, until

pytestmark = [pytest.mark.lxc]


@pytest.fixture
def environment(lab: Lab, tmp_path: Path) -> dict[str, str]:
    """What a user has: an ssh that knows the node by a name, with its key."""
    ssh = tmp_path / 'bin' / 'ssh'
    ssh.parent.mkdir()
    config = lab.variables['PHOENIX_LAB_SSH_CONFIG']
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n', encoding='utf-8')
    ssh.chmod(0o755)
    return {
        **os.environ,
        'PATH': f'{ssh.parent}{os.pathsep}{os.environ["PATH"]}',
        'PYTHONPATH': str(CHECKOUT / 'lab'),
        'PHOENIX_BENCH_CONTAINERS': '1',
        'PHOENIX_BENCH_ROUNDS': '1',
    }


def start(lab: Lab, folder: Path, environment: Mapping[str, str], *parts: str) -> subprocess.Popen[str]:
    """Begin parts of the bench."""
    node = lab.variables['PHOENIX_LAB_NODE']
    return subprocess.Popen(
        [sys.executable, '-m', 'bench', *parts, '--real', node, '--to', str(folder)],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left(lab: Lab) -> str:
    """What the bench could leave: containers, volumes, templates, and files of the collection."""
    return lab.sh(
        'ls /etc/pve/lxc /var/lib/vz/images /var/lib/vz/template/cache; cat /etc/pve/storage.cfg; '
        f'find {STATE} /var/log/phoenix_hypervisor /run/phoenix* '
        '-not -path "/run/phoenix-lab*" 2>/dev/null | sort'
    )


def test_a_settled_fleet_is_measured_and_nothing_stays(lab: Lab, tmp_path: Path, environment: dict[str, str]) -> None:
    before = left(lab)
    output, _none = start(lab, tmp_path, environment, 'fleet', 'host').communicate(timeout=HANGS)
    assert 'left out: host: it would create pools and shares on the node' in output
    part = json.loads((tmp_path / 'bench.json').read_text(encoding='utf-8'))['parts']['fleet']
    figures = {row['what']: row['value'] for row in part['figures']}
    assert part['where'] == 'a real node'
    assert figures['PVE calls for a settled container'] == 0, output
    assert figures['settled, 1 container against an empty play, CPU'] > 0
    assert left(lab) == before, output


def test_an_interrupted_bench_destroys_what_it_created_and_nothing_else(
    lab: Lab, tmp_path: Path, environment: dict[str, str]
) -> None:
    # A file of one of its CTIDs stops it before it creates anything; one of another CTID stays.
    lab.sh(f'mkdir -p {STATE}/state && echo completed > {STATE}/state/961.state')
    refused = start(lab, tmp_path, environment, 'provision')
    output, _none = refused.communicate(timeout=HANGS)
    assert refused.returncode == 1
    assert f'nothing is created.\n{STATE}/state/961.state would be replaced' in output
    lab.sh(f'mv {STATE}/state/961.state {STATE}/state/970.state')
    before = left(lab)
    bench = start(lab, tmp_path, environment, 'provision')
    until(lambda: lab.sh('ls /etc/pve/lxc').split() == ['961.conf'])
    # Somebody takes a CTID that the bench has found free, before it gets there.
    bench.send_signal(signal.SIGSTOP)
    lab.sh(f'pct create 960 {TEMPLATE} --rootfs local:1 --hostname theirs')
    bench.send_signal(signal.SIGINT)
    bench.send_signal(signal.SIGCONT)
    output, _none = bench.communicate(timeout=HANGS)
    assert bench.returncode == 130, output
    assert 'removing what the bench created\nCTID 960 on pve is not of the bench and is left alone' in output
    assert lab.config(960)['hostname'] == 'theirs'
    lab.sh('pct destroy 960')
    assert left(lab) == before
