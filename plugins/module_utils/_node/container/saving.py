# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backup of a guarded change: made, found again, restored over its container, removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Callable
from urllib.parse import quote

from ..._core.container.guarding import guard, saved
from ..._core.container.model import Entry, Observation, Record, Wanted
from ..._core.pve.conffile import ConfFile, parse_conf
from ..failure import NodeError
from ..pve.client import Client, MissingError, PveError
from ..pve.tasks import is_upid, wait_task, with_lock_wait
from ..store import Store


def find(client: Client, node: str, ctid: int, record: Record) -> str:
    """The volume of the backup that guards a change, also where a cut-off run made it; empty when none exists."""
    begun = record.guarding or {}
    storage = str(saved.described(record).get("storage") or "")
    if not storage:
        return ""
    query = {"content": "backup", "vmid": ctid}
    listed = client.request("GET", f"/nodes/{node}/storage/{storage}/content", query) or []
    mine = [item for item in listed if str(item.get("notes") or "").strip() == saved.NOTES]
    since = int(begun.get("at") or 0)
    newest = max((item for item in mine if int(item.get("ctime") or 0) >= since), key=_made, default=None)
    return str(newest["volid"]) if newest else ""


def _made(item: Mapping[str, Any]) -> int:
    return int(item.get("ctime") or 0)


def recall(client: Callable[[], Client], node: str, seen: Observation, record: Record) -> Observation:
    """The observation with the guard's backup, where the record says that one guards a change."""
    return replace(seen, saved=find(client(), node, seen.ctid, record)) if saved.is_means(record) else seen


class Saving:
    """The calls of one run about the backup of a container."""

    def __init__(
        self,
        node: str,
        client: Callable[[], Client],
        store: Store,
        lock_wait: float,
        task_timeout: float,
        check_lease: Callable[[], None],
        read_conf: Callable[[int], tuple[ConfFile | None, str]],
    ) -> None:
        self._node, self._client, self._store = node, client, store
        self._lock_wait, self._task_timeout, self._guard = lock_wait, task_timeout, check_lease
        self._read_conf = read_conf

    def act(self, wanted: Wanted, entry: Entry) -> list[str]:
        """Make, restore or remove it. Returns warnings. Raises PveError."""
        if entry.what == "make":
            return self._make(wanted, str(entry.params["storage"]))
        volume = find(self._client(), self._node, wanted.ctid, self._store.load(wanted.ctid))
        if entry.what == "restore":
            return self._restore(wanted, volume)
        return self._remove(volume) if volume else []

    def _make(self, wanted: Wanted, storage: str) -> list[str]:
        guarding = dict(self._store.load(wanted.ctid).guarding or {})
        conf = self._read_conf(wanted.ctid)[0] or ConfFile()
        known = {"storage": storage, "config": saved.evidence(conf)}
        self._store.update_record(wanted.ctid, guarding={**guarding, "backup": known})
        params = saved.make_params(wanted.ctid, storage)
        warnings = self._call("POST", f"/nodes/{self._node}/vzdump", params)
        volume = find(self._client(), self._node, wanted.ctid, self._store.load(wanted.ctid))
        if not volume or "rootfs" not in self._config_in(volume).head:
            words = f"the backup that was made is not in storage {storage}, or has no root disk"
            raise PveError(f"POST /nodes/{self._node}/vzdump", 200, words)
        return warnings

    def _config_in(self, volume: str) -> ConfFile:
        answer = self._client().request("GET", f"/nodes/{self._node}/vzdump/extractconfig", {"volume": volume})
        return parse_conf(str(answer or ""))

    def prove(self, wanted: Wanted) -> None:
        """Raise NodeError where the backup that is about to be restored is gone, or has another config than it had."""
        record = self._store.load(wanted.ctid)
        if saved.is_means(record):
            self._config_to_restore(wanted.ctid, find(self._client(), self._node, wanted.ctid, record))

    def is_back(self, ctid: int, record: Record) -> bool:
        """Whether a container that was rolled back has its config of before; one with another is restored again."""
        if not saved.is_means(record) or guard.stage(record) != guard.BACK:
            return True
        return not saved.differences(record, self._read_conf(ctid)[0] or ConfFile())

    def _config_to_restore(self, ctid: int, volume: str) -> ConfFile:
        """Return the config in the backup.

        Whoever can write the storage can change it, and PVE applies it as root. So it must be the one that the
        container had when the backup was made.
        """
        if not volume:
            words = "the backup of the guarded change is gone; the container is left as it is"
            raise PveError(f"/nodes/{self._node}/vzdump/extractconfig", 0, words)
        config = self._config_in(volume)
        self._compare(ctid, volume, config, restored=False)
        return config

    def _restore(self, wanted: Wanted, volume: str) -> list[str]:
        """Restore it. Nothing is destroyed before PVE has read the config in the backup, and reads it again then."""
        config = self._config_to_restore(wanted.ctid, volume)
        warnings = self._call("POST", f"/nodes/{self._node}/lxc", saved.restore_params(wanted.ctid, volume, config))
        self._compare(wanted.ctid, volume, self._read_conf(wanted.ctid)[0] or ConfFile(), restored=True)
        return warnings

    def _compare(self, ctid: int, volume: str, conf: ConfFile, restored: bool) -> None:
        keys = saved.differences(self._store.load(ctid), conf)
        if keys:
            raise NodeError(where=f"container {ctid}", **saved.foreign(ctid, volume, keys, restored))

    def _remove(self, volume: str) -> list[str]:
        path = f"/nodes/{self._node}/storage/{volume.partition(':')[0]}/content/{quote(volume, safe='')}"
        try:
            return self._call("DELETE", path, {})
        except MissingError:
            return []

    def _call(self, method: str, path: str, params: Mapping[str, Any]) -> list[str]:
        def attempt() -> list[str]:
            answer = self._client().request(method, path, dict(params))
            if not is_upid(answer):
                return []
            what = f"{method} {path}"
            return wait_task(self._client(), self._node, answer, what, self._task_timeout, self._guard)

        found: list[str] = with_lock_wait(attempt, self._lock_wait, self._guard)
        return found
