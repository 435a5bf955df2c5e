# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LabPve: fakepve as one recorded node, whose containers are files and real guests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakepve.server import PORT, FakePve

from .api.access import Access
from .api.accessstore import AccessStore
from .api.nodeinfo import NodeInfo
from .api.record import Record
from .api.wire import Wire
from .api.worker import Worker
from .containers.backups import Backups
from .containers.configs import Configs
from .containers.confstore import ConfStore
from .containers.copies import Copies
from .containers.guests import GuestFiles
from .containers.hamanager import HaManager
from .containers.lifecycle import Lifecycle
from .lxc.backend import Backend
from .node.firewallfiles import FirewallFiles
from .node.networkstore import NetworkStore
from .node.storagestore import StorageStore

# What GET /version answers.
VERSIONS = {8: ('8.4.21', '8.4', '2606ac850d46da29'), 9: ('9.2.1', '9.2', 'c1689ccb1065a83b')}


def local_storage(path: str = '/var/lib/vz') -> dict[str, dict[str, Any]]:
    """The storage that every node has: a directory for everything."""
    return {
        'local': {
            'type': 'dir',
            'path': path,
            'content': 'vztmpl,backup,iso,snippets,rootdir,images',
            'active': 1,
            'shared': 0,
            'files': set(),
        }
    }


class LabPve(
    Wire,
    AccessStore,
    Access,
    Worker,
    Record,
    HaManager,
    Lifecycle,
    Backups,
    Copies,
    Configs,
    NetworkStore,
    NodeInfo,
    FirewallFiles,
    GuestFiles,
    StorageStore,
    FakePve,
):
    """One node.

    backend: what runs the guests. conf_dir: /etc/pve/lxc of the node. lock_dir: its /run/lock/lxc.
    pve_version: 8 or 9, for the defaults and the wording that differ. access_log, request_log: files, or None.
    Times are real (time_scale 1): a POST answers with a UPID, and the task ends later.
    """

    def __init__(
        self,
        backend: Backend,
        conf_dir: Path,
        lock_dir: Path,
        *,
        node: str = 'pve',
        pve_version: int = 9,
        storages: dict[str, dict[str, Any]] | None = None,
        host: str = '127.0.0.1',
        port: int = PORT,
        password: str = 'secret',
        access_log: Path | None = None,
        request_log: Path | None = None,
    ) -> None:
        self.backend = backend
        self.pve_version = pve_version
        self.node = node
        self.store = ConfStore(Path(conf_dir), Path(lock_dir))
        inside = Path(conf_dir).parent.parent.name == 'nodes'
        self.firewall_dir = Path(conf_dir).parents[2] / 'firewall' if inside else None
        self.access_log = access_log
        self.request_log = request_log
        super().__init__(password=password, host=host, port=port)
        self.version, self.release_version, self.repoid = VERSIONS[pve_version]
        self.time_scale = 1.0
        self.nodes = {node: {'online': True}}
        self.cluster_name = node
        self.storages = local_storage() if storages is None else storages

    async def start(self, certfile: str, keyfile: str) -> None:
        """Listen on https://host:port."""
        for path in (self.access_log, self.request_log):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
        await self.sync()
        self.load_ha()
        await super().start(certfile, keyfile)
