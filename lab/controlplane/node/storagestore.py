# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/pve/storage.cfg: written at each change of a storage over the API, read when the control plane starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakepve.server import FakePve
from fakepve.storage import INTERNAL

_NUMBERS = ('shared', 'disable', 'mkdir', 'sparse', 'create-base-path', 'create-subdirs')


class StorageStore(FakePve):
    """Part of LabPve, before FakePve."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.storage_cfg: Path | None = None

    async def _sc_create(self, v: Any, user: str) -> Any:
        data = await super()._sc_create(v, user)
        self._keep_storages()
        return data

    async def _sc_update(self, v: Any, user: str) -> Any:
        data = await super()._sc_update(v, user)
        self._keep_storages()
        return data

    async def _sc_delete(self, v: Any, user: str) -> Any:
        data = await super()._sc_delete(v, user)
        self._keep_storages()
        return data

    def _keep_storages(self) -> None:
        if self.storage_cfg is None:
            return
        parts = []
        for name, store in self.storages.items():
            lines = [f'{store["type"]}: {name}']
            for key, value in store.items():
                if key not in (*INTERNAL, 'type') and (value or key == 'shared'):
                    lines.append(f'\t{key}' if key == 'disable' else f'\t{key} {value}')
            parts.append('\n'.join(lines) + '\n')
        temporary = self.storage_cfg.with_name('storage.cfg.new')
        temporary.write_text('\n'.join(parts) + '\n')
        temporary.chmod(0o640)
        temporary.rename(self.storage_cfg)

    def load_storages(self, path: Path) -> None:
        """Take the storages of the file, and keep them there from now on."""
        self.storage_cfg = path
        store: dict[str, Any] = {}
        for line in path.read_text().splitlines():
            if line[:1].strip():
                kind, _colon, name = line.partition(':')
                known = self.storages.get(name.strip(), {})
                store = {**known, 'type': kind, 'active': 1, 'files': known.get('files', set()), 'volumes': {}}
                self.storages[name.strip()] = store
            elif line.strip():
                key, _blank, value = line.strip().partition(' ')
                store[key] = int(value or 1) if key in _NUMBERS else value
