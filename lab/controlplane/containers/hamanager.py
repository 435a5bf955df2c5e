# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HA manager of a node: its resources and groups as files, and what it does for a container that it manages."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from fakepve.model import PveError, TaskError

from .guests import LabCt
from .harules import HaRules

_SETTINGS = ('state', 'group', 'failback', 'max_restart', 'max_relocate', 'comment')
_LOOKS = 50  # at most
_CALM = 3  # looks that find nothing to do
_ENTRIES = '/cluster/ha/resources'
_UNKNOWN = 'property is not defined in schema and the schema does not allow additional properties'


class HaManager(HaRules):
    """Part of LabPve, before Lifecycle."""

    def _routes_labha(self) -> list[tuple[str, str, Any]]:
        one = _ENTRIES + '/{sid}'
        return [
            ('GET', _ENTRIES, self._ha_list),
            ('POST', _ENTRIES, self._ha_add),
            ('GET', one, self._ha_read),
            ('PUT', one, self._ha_update),
            ('DELETE', one, self._ha_delete),
            ('POST', '/cluster/ha/groups', self._ha_group_add),
        ]

    def load_ha(self) -> None:
        """What an earlier control plane managed is managed still."""
        for sid, entry in self.ha_sections('resources').items():
            ct = self._ha_guest(sid)
            if ct is not None:
                self._ha_follow(ct, entry)

    # ------------------------------------------------------------------ calls
    def _ha_guest(self, sid: str) -> LabCt | None:
        kind, _colon, name = sid.partition(':')
        return self.ct(int(name)) if kind == 'ct' and name.isdigit() else None

    def _ha_settings(self, v: Any) -> dict[str, str]:
        if v.get('failback') is not None and self.pve_version < 9:
            raise PveError(400, 'Parameter verification failed.', {'failback': _UNKNOWN})
        group = v.get('group')
        if group and self.pve_version >= 9:
            raise PveError(500, "invalid parameter 'group': ha groups have been migrated to rules")
        if group and f'group:{group}' not in self.ha_sections('groups'):
            raise PveError(500, f"HA group '{group}' does not exist")
        given = {key: v[key] for key in _SETTINGS if v.get(key) is not None}
        return {key: str(int(value)) if isinstance(value, bool) else str(value) for key, value in given.items()}

    async def _ha_list(self, _v: Any, _user: str) -> list[dict[str, Any]]:
        return [{'sid': sid, 'type': 'ct', **entry} for sid, entry in sorted(self.ha_sections('resources').items())]

    async def _ha_read(self, v: Any, _user: str) -> dict[str, Any]:
        entry = self.ha_sections('resources').get(v['sid'])
        if entry is None:
            raise PveError(500, f"no such resource '{v['sid']}'")
        return {'sid': v['sid'], 'type': 'ct', **entry}

    async def _ha_add(self, v: Any, user: str) -> None:
        sid, known = v['sid'], self.ha_sections('resources')
        ct = self._ha_guest(sid)
        if ct is None:
            raise PveError(500, f"unable to add resource - '{sid}' does not exist")
        settings = self._ha_settings(v)
        if sid in known:
            raise PveError(500, f"create resource failed: resource ID '{sid}' already defined")
        self.ha_write('resources', {**known, sid: settings})
        await self._ha_act(ct, settings, user)

    async def _ha_update(self, v: Any, user: str) -> None:
        sid, known = v['sid'], self.ha_sections('resources')
        settings = self._ha_settings(v)
        if sid not in known:
            raise PveError(500, f"update resource failed: no such resource '{sid}'")
        gone = str(v.get('delete') or '').split(',')
        entry = {key: value for key, value in {**known[sid], **settings}.items() if key not in gone}
        self.ha_write('resources', {**known, sid: entry})
        ct = self._ha_guest(sid)
        if ct is not None:
            await self._ha_act(ct, entry, user)

    async def _ha_delete(self, v: Any, _user: str) -> None:
        if v['sid'] not in self.ha_sections('resources'):
            raise PveError(500, f"resource '{v['sid']}' is not HA managed")
        if v.get('purge') is not None and self.pve_version < 9:
            raise PveError(400, 'Parameter verification failed.', {'purge': _UNKNOWN})
        self.ha_removed(v['sid'])
        if v.get('purge') in (None, True, 1):
            self.ha_unruled(v['sid'])

    async def _ha_group_add(self, v: Any, _user: str) -> None:
        if self.pve_version >= 9:
            raise PveError(500, 'invalid parameter: ha groups have been migrated to rules')
        self.ha_write('groups', {**self.ha_sections('groups'), f'group:{v["group"]}': {'nodes': v['nodes']}})

    # -------------------------------------------------------------- the guest
    def ha_has(self, vmid: int) -> bool:
        """Whether the container has an entry, an ignored one included."""
        return f'ct:{vmid}' in self.ha_sections('resources')

    def ha_removed(self, sid: str) -> None:
        """Its entry goes, and it is left as it is."""
        known = self.ha_sections('resources')
        if known.pop(sid, None) is not None:
            self.ha_write('resources', known)
        ct = self._ha_guest(sid)
        if ct is not None:
            ct.ha_state = None

    def ha_asked(self, ct: LabCt, state: str) -> None:
        """What a start or a stop asks for is the state of the entry at once."""
        ct.ha_state = state
        known = self.ha_sections('resources')
        sid = f'ct:{ct.vmid}'
        if sid in known:
            self.ha_write('resources', {**known, sid: {**known[sid], 'state': state}})

    @staticmethod
    def _ha_follow(ct: LabCt, entry: dict[str, str]) -> str:
        state = entry.get('state', 'started')
        ct.ha_state = None if state == 'ignored' else state
        return state

    async def _ha_act(self, ct: LabCt, entry: dict[str, str], user: str) -> None:
        """The manager sees the entry ha_delay later, and starts or stops the container as that says.

        It looks again until nothing is left to do: a start that is under way may end after its first look.
        """
        state = self._ha_follow(ct, entry)
        runs, timeout = state == 'started', self.shutdown_default_timeout

        async def act() -> None:
            calm = 0
            for _look in range(_LOOKS):
                await self.pause(self.ha_delay)
                sid = f'ct:{ct.vmid}'
                now = self.ha_sections('resources').get(sid)
                if now is None or now.get('state', 'started') != state or self._ha_guest(sid) is not ct:
                    return
                calm += 1
                if (ct.status == 'running') != runs and state in ('started', 'stopped', 'disabled'):
                    calm = 0
                    with contextlib.suppress(PveError, TaskError):  # something else has its lock: the next look
                        await (self._start_steps(ct, user) if runs else self._halt(ct, timeout, True))
                elif calm == _CALM:
                    return

        if self.time_scale:
            later = asyncio.ensure_future(act())
            self._running.add(later)
            later.add_done_callback(self._running.discard)
        else:
            await act()
