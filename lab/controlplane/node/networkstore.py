# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's network over the API, kept in /etc/network/interfaces(.new) as PVE does; a real ifreload applies it."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

from fakepve.model import PveError, TaskError
from fakepve.routing import param_error, split_list
from fakepve.server import FakePve

from .interfaces import Interfaces, kind, parse, render

_PHYSICAL = re.compile(r'(?:eth\d+|en[^:.]+|ib[^:.]+|nic\d+)')
_CONTROL = ('node', 'iface', 'delete')


class NetworkStore(FakePve):
    """Part of LabPve, before NodeInfo. network_file: /etc/network/interfaces, or None to list the bridges only."""

    network_file: Path | None = None

    def _routes_labnetwork(self) -> list[tuple[str, str, Any]]:
        base, one = '/nodes/{node}/network', '/nodes/{node}/network/{iface}'
        return [
            ('POST', base, self._network_create),
            ('PUT', base, self._network_reload),
            ('DELETE', base, self._network_revert),
            ('GET', one, self._network_read),
            ('PUT', one, self._network_update),
            ('DELETE', one, self._network_delete),
            ('GET', '/nodes/{node}/dns', self._dns_read),
            ('PUT', '/nodes/{node}/dns', self._dns_update),
        ]

    # ------------------------------------------------------------------- the file
    def _staged(self) -> Path:
        if self.network_file is None:
            raise PveError(501, 'lab: no network file is kept here')
        return self.network_file.with_name(self.network_file.name + '.new')

    def _interfaces(self) -> Interfaces:
        """What is staged, else what is in force, and the node's ports besides."""
        staged = self._staged()
        source = staged if staged.exists() else staged.with_name('interfaces')
        result = parse(source.read_text(encoding='utf-8') if source.exists() else '')
        for device in sorted(Path('/sys/class/net').iterdir()):
            if _PHYSICAL.fullmatch(device.name) and device.name not in result.ifaces:
                manual = {'method': 'manual', 'method6': 'manual', 'families': ['inet']}
                result.ifaces[device.name] = {'type': 'eth', **manual}
        for name, iface in result.ifaces.items():
            device = Path('/sys/class/net', name)
            if device.exists():
                flags = int((device / 'flags').read_text(encoding='ascii'), 16)
                if iface['type'] == 'eth':
                    iface['exists'] = 1
                if flags & 1:
                    iface['active'] = 1
        return result

    def _stage(self, interfaces: Interfaces) -> None:
        staged = self._staged()
        temporary = staged.with_name(f'{staged.name}.tmp.{os.getpid()}')
        temporary.write_text(render(interfaces), encoding='utf-8')
        os.replace(temporary, staged)

    # ------------------------------------------------------------------ the routes
    async def _network_list(self, v: Any, user: str) -> list[dict[str, Any]]:
        if self.network_file is None:
            return await super()._network_list(v, user)
        wanted = v.get('type')
        kinds = ('bridge', 'OVSBridge') if wanted in ('any_bridge', 'any_local_bridge') else (wanted,)
        found = self._interfaces().ifaces
        return [
            dict(iface, iface=name)
            for name, iface in sorted(found.items())
            if name != 'lo' and (wanted in (None, 'include_sdn') or iface['type'] in kinds)
        ]

    async def _network_read(self, v: Any, _user: str) -> dict[str, Any]:
        found = self._interfaces().ifaces
        if v['iface'] not in found:
            raise param_error(iface='interface does not exist')
        return found[v['iface']]

    async def _network_create(self, v: Any, _user: str) -> None:
        found = self._interfaces()
        if v['iface'] in found.ifaces:
            raise param_error(iface='interface already exists')
        iface: dict[str, Any] = {}
        self._take(found, v['iface'], iface, v)
        found.ifaces[v['iface']] = iface
        self._stage(found)

    async def _network_update(self, v: Any, _user: str) -> None:
        found = self._interfaces()
        iface = found.ifaces.get(v['iface'])
        if iface is None:
            raise param_error(iface='interface does not exist')
        for key in split_list(v.get('delete')):
            iface.pop(key, None)
            if key in ('cidr', 'cidr6'):
                for other in ('address', 'netmask'):
                    iface.pop(key.replace('cidr', other), None)
        self._take(found, v['iface'], iface, v)
        self._stage(found)

    def _take(self, found: Interfaces, name: str, iface: dict[str, Any], v: Any) -> None:
        """PVE's rules: one default gateway, and an interface without an address in the call becomes manual."""
        for key, title in (('gateway', 'Default gateway'), ('gateway6', 'Default ipv6 gateway')):
            other = next((n for n, one in found.ifaces.items() if n != name and one.get(key)), None)
            if v.get(key) and other:
                raise param_error(**{key: f"{title} already exists on interface '{other}'."})
        values = {key: value for key, value in v.items() if key not in _CONTROL and value is not None}
        for suffix in ('', '6'):
            if values.get('cidr' + suffix):
                address, _slash, prefix = values['cidr' + suffix].partition('/')
                values.update({'address' + suffix: address, 'netmask' + suffix: prefix})
            iface['method' + suffix] = 'static' if values.get('address' + suffix) else 'manual'
        families = [f'inet{suffix}' for suffix in ('', '6') if values.get('address' + suffix)]
        iface.update(values, families=families or ['inet'])
        iface['type'] = values.get('type') or kind(name, iface)
        self._take_ovs(found, name, iface)

    def _take_ovs(self, found: Interfaces, name: str, iface: dict[str, Any]) -> None:
        """What PVE does for Open vSwitch: an internal port or bond becomes a port of its bridge."""
        if not iface['type'].startswith('OVS'):
            return
        iface['ovs_type'] = iface['type']
        if iface['type'] not in ('OVSIntPort', 'OVSBond'):
            return
        bridge = found.ifaces.get(iface.get('ovs_bridge') or '')
        if bridge is None or bridge['type'] != 'OVSBridge':
            raise param_error(ovs_bridge=f"bridge '{iface.get('ovs_bridge')}' does not exist")
        ports = str(bridge.get('ovs_ports') or '').split()
        bridge['ovs_ports'] = ' '.join([*ports, *([] if name in ports else [name])])

    async def _network_delete(self, v: Any, _user: str) -> None:
        found = self._interfaces()
        if v['iface'] not in found.ifaces:
            raise param_error(iface='interface does not exist')
        gone = found.ifaces.pop(v['iface'])
        bridge = found.ifaces.get(gone.get('ovs_bridge') or '') or {}
        if bridge.get('ovs_ports'):
            bridge['ovs_ports'] = ' '.join(port for port in bridge['ovs_ports'].split() if port != v['iface'])
        self._stage(found)

    async def _network_revert(self, _v: Any, _user: str) -> None:
        self._staged().unlink(missing_ok=True)

    async def _network_reload(self, v: Any, user: str) -> str:
        staged = self._staged()

        async def reload() -> None:
            if staged.exists():
                os.replace(staged, staged.with_name('interfaces'))
            process = await asyncio.create_subprocess_exec(
                'ifreload', '-a', stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
            _out, err = await process.communicate()
            if process.returncode:
                told = ' '.join(err.decode(errors='replace').split())
                raise TaskError(f"command 'ifreload -a' failed: exit code {process.returncode} ({told[-400:]})")

        # A part of the control plane's class, which has task.
        return str(await self.task(v['node'], 'srvreload', 'networking', user, reload))

    # ----------------------------------------------------------------- resolv.conf
    async def _dns_read(self, _v: Any, _user: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for words in map(str.split, Path('/etc/resolv.conf').read_text(encoding='utf-8').splitlines()):
            if words[:1] == ['search'] or words[:1] == ['domain']:
                result['search'] = words[1]
            elif words[:1] == ['nameserver'] and 'dns3' not in result:
                result[f'dns{sum(key.startswith("dns") for key in result) + 1}'] = words[1]
        return result

    async def _dns_update(self, v: Any, _user: str) -> None:
        path = Path('/etc/resolv.conf')
        rest = [
            line
            for line in path.read_text(encoding='utf-8').splitlines()
            if line.split()[:1] not in (['search'], ['domain'], ['nameserver'])
        ]
        own = [f'search {v["search"]}', *(f'nameserver {v[key]}' for key in ('dns1', 'dns2', 'dns3') if v.get(key))]
        path.write_text('\n'.join([*own, *rest]) + '\n', encoding='utf-8')
