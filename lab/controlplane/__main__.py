# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service on the node: /etc/pve as a node has it, LabPve over real LXC on port 8006, the root socket."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from pathlib import Path
from typing import Any

from .api import certificates
from .api.rootsocket import RootSocket
from .lxc.lxc_backend import LxcBackend
from .pve import LabPve, local_storage

SETTINGS = Path('/etc/phoenix-lab.json')
PVE = Path('/etc/pve')
RUN = Path('/run/phoenix-lab')
LOGS = Path('/var/log/pveproxy')
STORAGE_CFG = 'dir: local\n\tpath /var/lib/vz\n\tcontent vztmpl,backup,iso,snippets,rootdir,images\n\n'
# Present once the guests that start at boot have been started in this boot of the node.
BOOTED = RUN / 'guests-started'


def lay_out(node: str) -> None:
    """The files of /etc/pve that a client reads. The real one is a FUSE mount; here they are plain files."""
    (PVE / 'nodes' / node / 'lxc').mkdir(parents=True, exist_ok=True)
    (PVE / 'nodes' / node / 'qemu-server').mkdir(exist_ok=True)
    (PVE / 'priv').mkdir(mode=0o700, exist_ok=True)
    for name, target in (
        ('local', 'nodes/' + node),
        ('lxc', f'nodes/{node}/lxc'),
        ('qemu-server', f'nodes/{node}/qemu-server'),
    ):
        if not (PVE / name).is_symlink():
            (PVE / name).symlink_to(target)
    if not (PVE / 'storage.cfg').exists():
        (PVE / 'storage.cfg').write_text(STORAGE_CFG)
    Path('/run/lock/lxc').mkdir(parents=True, exist_ok=True)


async def serve() -> None:
    """Run until SIGTERM."""
    settings = json.loads(SETTINGS.read_text())
    node = settings['node']
    lay_out(node)
    certificate, key = certificates.ensure(PVE, node, settings['node_ip'])
    # A password that nobody knows: fakepve's default one is public.
    backend = LxcBackend()
    backend.clean_up()
    pve = LabPve(
        backend,
        PVE / 'nodes' / node / 'lxc',
        Path('/run/lock/lxc'),
        node=node,
        pve_version=int(settings['pve_version']),
        storages=local_storage(),
        host='0.0.0.0',
        password=secrets.token_hex(16),
        access_log=LOGS / 'access.log',
        request_log=LOGS / 'requests.jsonl',
    )
    pve.load_access(PVE)
    pve.signed.keep(PVE)
    pve.network_file = Path('/etc/network/interfaces')
    pve.load_storages(PVE / 'storage.cfg')
    await pve.start(str(certificate), str(key))
    socket = RootSocket(pve, RUN / 'root.sock')
    await socket.start()
    await start_at_boot(pve, socket)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await socket.stop()
    await pve.stop()


async def start_at_boot(pve: LabPve, socket: RootSocket) -> None:
    """After a boot of the node: start what has onboot=1, in the order of its startup property."""
    if BOOTED.exists():
        return
    BOOTED.touch()
    wanted = [
        ct for ct in pve.cts if str(ct.config.get('onboot', 0)) == '1' and ct.status != 'running' and not ct.template
    ]

    def order(ct: Any) -> tuple[int, int]:
        properties = dict(part.partition('=')[::2] for part in str(ct.config.get('startup', '')).split(','))
        number = properties.get('order') or next((key for key in properties if key.isdigit()), '')
        return (int(number) if number.isdigit() else 1 << 30, ct.vmid)

    for ct in sorted(wanted, key=order):
        await socket.handle({'op': 'call', 'method': 'POST', 'path': f'/nodes/{pve.node}/lxc/{ct.vmid}/status/start'})


if __name__ == '__main__':
    asyncio.run(serve())
