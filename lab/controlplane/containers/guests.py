# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fakepve's containers, held in .conf files and seen through the backend."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fakepve.lxc import FakeCt
from fakepve.model import TaskError
from fakepve.server import FakePve

from ..lxc.backend import Backend
from . import conffile
from . import values as rewrite
from .confstore import ConfStore


class LabCt(FakeCt):
    """A container whose config is a file; text is that file as last read or written."""

    def __init__(self, vmid: int, node: str) -> None:
        super().__init__(vmid, node=node, defaults=False)
        self.text = ''
        self.deletions: set[str] = set()  # pending ones; self.pending has the pending values
        self.start_ended: asyncio.Event | None = None  # of a start that holds the guest's migration lock

    @property
    def name(self) -> str:
        """The hostname; PVE lists CT<ID> for a container without one."""
        return str(self.config.get('hostname') or f'CT{self.vmid}')

    def digest(self) -> str:
        """SHA1 of the file."""
        return conffile.digest(self.text)

    def take(self, text: str) -> None:
        """Become what the text says."""
        parsed = conffile.parse(text)
        self.text = text
        self.config, self.pending, self.snapshots = parsed.config, parsed.pending, parsed.snapshots
        self.deletions = parsed.deletions

    def rendered(self) -> str:
        """The text for the state in memory."""
        used = {rewrite.volume_of(value) for key, value in self.config.items() if rewrite.MOUNT.fullmatch(key)}
        # A volume that is mounted again is not unused any more: PVE says so whenever it writes the file.
        again = [k for k, v in self.config.items() if rewrite.UNUSED.fullmatch(k) and rewrite.volume_of(v) in used]
        config = {key: value for key, value in self.config.items() if key not in again}
        return conffile.render(conffile.Parsed(config, self.pending, self.snapshots, self.deletions))


class GuestFiles(FakePve):
    """Part of LabPve: keeps cts, files and real guests in step."""

    backend: Backend
    store: ConfStore
    node: str
    cts: list[Any]
    time_scale: float
    lock_wait: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stamps: dict[int, tuple[int, int, int]] = {}

    # ------------------------------------------------------------------ files
    async def sync(self) -> None:
        """Take over what changed on disk and which guests run. Called before every request and by every task."""
        stamps = self.store.stamps()
        for vmid in [v for v in self._stamps if v not in stamps]:
            self._stamps.pop(vmid)
            gone = self.ct(vmid)
            if gone is not None:
                self.cts.remove(gone)
        for vmid, stamp in stamps.items():
            if self._stamps.get(vmid) == stamp:
                continue
            text = self.store.read(vmid)
            if text is None:
                continue
            ct = self.ct(vmid)
            if ct is None:
                ct = LabCt(vmid, self.node)
                self.cts.append(ct)
            ct.take(text)
            self._stamps[vmid] = stamp
        self.cts.sort(key=lambda ct: ct.vmid)
        for ct in list(self.cts):
            await self.refresh(ct)

    async def refresh(self, ct: LabCt) -> None:
        """Take the running state from the backend: a guest may have halted by itself."""
        running = await self.backend.is_running(ct.vmid)
        if running and ct.status != 'running':
            ct.started_at = time.time()
        ct.status = 'running' if running else 'stopped'
        ct.pid = await self.backend.pid(ct.vmid) if running else None

    def save(self, ct: LabCt) -> None:
        """Write the container's file and return what PVE would read from it."""
        text = ct.rendered()
        self.store.write(ct.vmid, text)
        ct.take(text)
        if ct not in self.cts:
            self.cts.append(ct)
        stamp = self.store.stamps().get(ct.vmid)
        if stamp is not None:
            self._stamps[ct.vmid] = stamp

    def reload(self, ct: LabCt) -> None:
        """Forget unsaved changes."""
        ct.take(ct.text)

    def flush(self) -> None:
        """Save whatever was changed in memory only, as fakepve's own fault methods do."""
        for ct in list(self.cts):
            if ct.rendered() != ct.text:
                self.save(ct)

    def _drop(self, ct: LabCt) -> None:
        self.store.remove(ct.vmid)
        self._stamps.pop(ct.vmid, None)
        self.drop_firewall(ct.vmid)
        super()._drop(ct)

    # ------------------------------------------------------------------ locks
    async def acquire(self, vm: Any, holder: str, wait: float | None = None) -> None:
        """fakepve's lock and PVE's lock file together, so that an editor on the node excludes us too."""
        await super().acquire(vm, holder, wait)
        wait = self.lock_wait if wait is None else wait
        if not await self.store.lock(vm.vmid, wait * self.time_scale):
            super().release(vm, holder)
            raise TaskError(vm.lock_error)

    def release(self, vm: Any, holder: str) -> None:
        """Let go of both."""
        if vm.lock_holder == holder:
            self.store.unlock(vm.vmid)
        super().release(vm, holder)
