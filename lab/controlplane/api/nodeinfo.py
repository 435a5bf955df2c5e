# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the node says of itself: version, load, bridges, interfaces of guests, and lists that are empty here."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

from fakepve.lxc import mount_type, parse_mount
from fakepve.server import FakePve, ok

_EMPTY = ('/cluster/backup', '/cluster/sdn/vnets', '/nodes/{node}/aplinfo')
_EMPTY_DIGEST = hashlib.sha1(b'').hexdigest()


def _meminfo() -> dict[str, int]:
    out = {}
    for line in Path('/proc/meminfo').read_text(encoding='ascii').splitlines():
        key, _colon, rest = line.partition(':')
        out[key] = int(rest.split()[0]) * 1024
    return out


class NodeInfo(FakePve):
    """Part of LabPve."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Fault: how old, in PVE seconds, the guests' rows of /cluster/resources may be.
        self.stale_secs = 0.0
        self._resource_rows: tuple[float, list[dict[str, Any]]] = (float('-inf'), [])

    def _routes_labnode(self) -> list[tuple[str, str, Any]]:
        async def empty(_v: Any, _user: str) -> list[Any]:
            return []

        table: list[tuple[str, str, Any]] = [('GET', path, empty) for path in _EMPTY]
        table += [
            ('GET', '/nodes/{node}/network', self._network_list),
            ('GET', '/nodes/{node}/status', self._node_status),
            ('GET', '/nodes/{node}/time', self._node_time),
            ('GET', '/nodes/{node}/lxc/{vmid}/feature', self._lxc_feature),
            ('GET', '/nodes/{node}/lxc/{vmid}/rrddata', self._lxc_rrddata),
            ('POST', '/nodes/{node}/lxc/{vmid}/move_volume', self._move_volume),
            ('GET', '/cluster/options', self._cluster_options),
        ]
        return table

    async def _cluster_status(self, request: Any) -> Any:
        """A node without a cluster lists only itself."""
        return ok(
            [
                {
                    'type': 'node',
                    'id': 'node/' + self.node,
                    'name': self.node,
                    'nodeid': 0,
                    'level': '',
                    'ip': self.host,
                    'local': 1,
                    'online': 1,
                }
            ]
        )

    async def _lxc_rrddata(self, v: Any, _user: str) -> list[dict[str, Any]]:
        """The last hour, minute by minute; the lab keeps no statistics, so each row has only its time."""
        self._find_ct(v['node'], v['vmid'])
        now = int(time.time()) // 60 * 60
        return [{'time': now - 60 * n} for n in range(69, -1, -1)]

    def ct_resources(self, user: str, kind: str | None = None) -> list[dict[str, Any]]:
        """Rows of /cluster/resources, as old as stale_secs (PVE seconds) allows: PVE refreshes them every 10 s."""
        now = time.monotonic()
        taken, rows = self._resource_rows
        if now - taken >= self.stale_secs * self.time_scale:
            rows = super().ct_resources('root@pam')
            self._resource_rows = (now, rows)
        return [
            dict(row)
            for row in rows
            if kind in (None, 'vm') and self.allowed(user, '/vms/{}'.format(row['vmid']), 'VM.Audit')
        ]

    @staticmethod
    def _cpus(ct: Any) -> Any:
        return ct.config.get('cores') or ct.config.get('cpulimit') or os.cpu_count()

    def _members(self, name: str, kind: str | None) -> list[dict[str, Any]]:
        """Members of a pool, with the fields that their resources have."""
        rows = {row['id']: row for row in super().ct_resources('root@pam')}
        out = []
        for member in super()._members(name, kind):
            row = dict(rows.get(member.get('id'), member))
            row.pop('pool', None)
            row.pop('tags', None)
            out.append(row)
        return out

    async def _cluster_options(self, _v: Any, _user: str) -> dict[str, Any]:
        tags = sorted({t for ct in self.cts for t in str(ct.config.get('tags') or '').split(';') if t.strip()})
        return {'mac_prefix': 'BC:24:11', 'description': '', 'allowed-tags': tags}

    async def _network_list(self, v: Any, _user: str) -> list[dict[str, Any]]:
        kind = v.get('type')
        if kind not in (None, 'bridge', 'any_bridge', 'any_local_bridge', 'include_sdn'):
            return []
        return [
            dict(
                {
                    'type': 'bridge',
                    'active': 1,
                    'autostart': 1,
                    'exists': 1,
                    'method': 'static',
                    'method6': 'manual',
                    'families': ['inet'],
                    'bridge_ports': '',
                    'bridge_fd': '0',
                    'bridge_stp': 'off',
                    'priority': n,
                },
                **bridge,
            )
            for n, bridge in enumerate(await self.backend.bridges(), 3)
        ]

    async def _node_status(self, v: Any, _user: str) -> dict[str, Any]:
        memory = _meminfo()
        disk = os.statvfs('/')
        total, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
        uname = os.uname()
        return {
            'uptime': int(float(Path('/proc/uptime').read_text(encoding='ascii').split()[0])),
            'loadavg': [f'{x:.2f}' for x in os.getloadavg()],
            'cpu': 0,
            'wait': 0,
            'idle': 0,
            'cpuinfo': {'cpus': os.cpu_count(), 'cores': os.cpu_count(), 'sockets': 1, 'model': 'lab'},
            'memory': {
                'total': memory['MemTotal'],
                'free': memory['MemFree'],
                'used': memory['MemTotal'] - memory['MemAvailable'],
            },
            'swap': {
                'total': memory['SwapTotal'],
                'free': memory['SwapFree'],
                'used': memory['SwapTotal'] - memory['SwapFree'],
            },
            'rootfs': {'total': total, 'used': total - free, 'avail': free, 'free': free},
            'kversion': f'Linux {uname.release} {uname.version}',
            'current-kernel': {
                'sysname': 'Linux',
                'release': uname.release,
                'version': uname.version,
                'machine': uname.machine,
            },
            'pveversion': f'pve-manager/{self.version}/{self.repoid}',
            'ksm': {'shared': 0},
            'boot-info': {'mode': 'efi', 'secureboot': 0},
        }

    async def _node_time(self, v: Any, _user: str) -> dict[str, Any]:
        now = int(time.time())
        return {'time': now, 'localtime': now + time.localtime().tm_gmtoff, 'timezone': 'Etc/UTC'}

    async def _lxc_feature(self, v: Any, _user: str) -> dict[str, Any]:
        ct = self._find_ct(v['node'], v['vmid'])
        mounts = [parse_mount(ct.config[k]).get('volume', '') for k in ct.config if k == 'rootfs' or k[:2] == 'mp']
        if v['feature'] == 'copy':
            has = all(mount_type(volume) == 'volume' for volume in mounts)
        else:
            has = self.can_snapshot(ct)
        return {'hasFeature': 1 if has else 0}

    async def _lxc_interfaces(self, user: str, v: Any) -> Any:
        return await self.backend.interfaces(self._find_ct(v['node'], v['vmid']).vmid)

    async def _lxc_status_current(self, user: str, v: Any) -> dict[str, Any]:
        ct = self._find_ct(v['node'], v['vmid'])
        data = self._status(ct)
        if ct.status == 'running':
            data.update(await self.backend.usage(ct.vmid))
        data['ha'] = {'managed': 0}
        return data

    def _status(self, ct: Any) -> dict[str, Any]:
        data = super()._status(ct)
        data.update((key, 0) for key in ('cpu', 'mem', 'disk'))
        cpus = self._cpus(ct)
        data['cpus'] = float(cpus) if isinstance(cpus, str) else cpus
        data['maxdisk'] = self.mount_size(ct.config.get('rootfs', ''))
        if self.pve_version < 9:
            data = {k: x for k, x in data.items() if not k.startswith('pressure')}
        data.update(ct.stats)
        return data

    async def _version(self, request: Any) -> Any:
        return ok({'version': self.version, 'release': self.release_version, 'repoid': self.repoid})
