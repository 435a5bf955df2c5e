# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""up, down and reset: what the commands do, in order."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

from . import disk, host, images, network, node, outputs, payload
from .instance import STATE_ROOT, Instance, remove_empty, shared, write_atomically
from .run import LabError, run, say

READY = 'ready.json'


def up(lab: Instance, pve_version: str | None) -> None:
    """Bring the lab up, from whatever state it is in. A second or two when it runs already."""
    host.require_root()
    host.install_tools()
    with lab.lock():
        built = images.ensure()
        disk.attach(lab)
        ready = _ready(lab)
        version = pve_version or str(ready.get('pve_version', '9'))
        if not ready and lab.state.exists():
            say('removing what an interrupted run left')
            _remove(lab)
        elif ready and ready.get('image') != str(built.node):
            if _has_guests(lab) and Path(ready['image']).is_dir() and Path(ready['template']).is_file():
                say('there is a newer node image, but guests live on this node: down and up to take it')
                built = images.Images(Path(ready['image']), Path(ready['template']), built.wheels)
            else:
                say('the node image has changed: starting afresh')
                _remove(lab)
                ready = {}
        facts = {
            'image': str(built.node),
            'template': str(built.template),
            'source': payload.digest(),
            'pve_version': version,
            'settings': node.settings_digest(lab, version),
        }
        was_running = node.is_running(lab)
        network.up(lab)
        if was_running and ready == facts:
            outputs.write(lab)
            node.wait(lab)
            say(f'the lab is up: node {lab.node_ip}')
            return
        node.prepare(lab, built, version)
        if was_running:
            say('updating the control plane on the node')
            node.push(lab, version)
            node.attach(lab, ['systemctl', 'daemon-reload'])
            node.attach(
                lab,
                ['systemctl', 'restart', 'phoenix-lab-network.service', 'phoenix-lab-dhcp.service', 'pveproxy.service'],
            )
        else:
            say('starting the node')
            node.start(lab)
        node.wait(lab)
        outputs.write(lab)
        write_atomically(lab.state / READY, json.dumps(facts) + '\n')
        say(f'the lab is up: node {lab.node_ip}, guests {lab.guests} (PVE {version})')


def down(lab: Instance, purge: bool = False) -> None:
    """Remove the lab. Caches stay unless purge."""
    host.require_root()
    with lab.lock():
        _remove(lab)
        outputs.remove(lab)
    left = leftovers(lab)
    if left:
        raise LabError('still there: ' + ', '.join(left))
    if purge:
        keep = set()
        for facts in STATE_ROOT.glob('*/' + READY):
            with suppress(FileNotFoundError):  # that lab is being removed
                seen = json.loads(facts.read_text())
                keep |= {seen['image'], seen['template']}
        images.purge(keep)
    with shared():
        remove_empty(STATE_ROOT)
    say('the lab is gone')


def reset(lab: Instance) -> None:
    """Destroy all guests and everything that the product and the control plane remember of them."""
    host.require_root()
    if not node.is_running(lab):
        raise LabError('the lab is not running')
    with lab.lock():
        node.attach(lab, ['/opt/phoenix-lab/bin/reset-guests'])
        node.wait(lab)


def leftovers(lab: Instance) -> list[str]:
    """What of this lab exists on the host, in words."""
    found = network.leftovers(lab)
    if node.is_running(lab):
        found.append('container ' + lab.container)
    if lab.state.exists():
        found.append(f'directory {lab.state}')
    mounts = Path('/proc/self/mountinfo').read_text()
    found += ['mount ' + line.split()[4] for line in mounts.splitlines() if f'{lab.state}/' in line]
    return found + [f'process {pid}' for pid in node.processes(lab)]


def _has_guests(lab: Instance) -> bool:
    volumes = lab.storage / 'vz' / 'images'
    return volumes.is_dir() and any(volumes.iterdir())


def _ready(lab: Instance) -> dict[str, str]:
    try:
        return dict(json.loads((lab.state / READY).read_text()))
    except (OSError, ValueError):
        return {}


def _remove(lab: Instance) -> None:
    node.stop(lab)
    network.down(lab)
    for attribute in ('i', 'a'):
        # PVE marks a template's directory immutable; nothing else here needs chattr.
        # On a disk of their own they go with its file.
        if not lab.image.exists() and (lab.storage / 'vz' / 'images').exists() and shutil.which('chattr'):
            run(['chattr', '-R', '-f', '-' + attribute, str(lab.storage / 'vz' / 'images')], check=False)
    disk.down(lab)
    if lab.state.exists():
        run(['rm', '-rf', '--one-file-system', str(lab.state)])
