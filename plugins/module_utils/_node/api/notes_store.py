# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record, state word and lease of containers that a token changes: kept in their descriptions (docs/adr/0015).

Each write sends the digest of the config that it was made from, so that of two runs one is refused. What belongs to a
container that does not exist yet, or whose creation holds it, is sent with the call that creates it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from ..._core.container import states
from ..._core.container.model import Record
from ..._core.container.remote import notes
from ..container.lease import LeaseHeldError, LeaseLostError
from ..pve.client import Client, LockedError, LostAnswerError, MissingError, StaleConfigError
from ..pve.tasks import held_by, with_lock_wait
from ..store import Store

STALE_AFTER = 600.0
"""Seconds without a sign of life after which a run on another controller counts as dead; clocks may differ."""
BEAT = 60.0
LOOK = 2.0
_ATTEMPTS = 8


@dataclass(frozen=True)
class Held:
    """A container's description as it is now. ``rest`` is the config without it."""

    exists: bool = False
    lock: str = ""
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    rest: Mapping[str, Any] = field(default_factory=dict)


def key_of(client: Client) -> bytes:
    """The key that seals records, of a client that has one."""
    return bytes(getattr(client, "record_key", b""))


Change = Callable[[dict[str, Any]], dict[str, Any]]


class NotesStore(Store):
    """Like the files of a node, for one run. ``clock`` gives seconds since the epoch."""

    def __init__(
        self,
        client: Client,
        node: str,
        run: Mapping[str, Any],
        lock_wait: float = 120.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("")
        self._client, self._node, self._run = client, node, dict(run)
        self._key = key_of(client)
        self._lock_wait, self._clock = lock_wait, clock
        self._pending: dict[int, dict[str, Any]] = {}
        self._own: dict[int, Mapping[str, Any]] = {}  # of containers with our lease: nobody else writes it
        self._ours: dict[str, str] = {}  # the digest that a write of ours has made of another
        self._looked = 0.0

    def _path(self, ctid: int) -> str:
        return f"/nodes/{self._node}/lxc/{ctid}/config"

    def held(self, ctid: int) -> Held:
        """The description of a container now."""
        try:
            config = self._client.request("GET", self._path(ctid), {"current": 1}) or {}
        except MissingError:
            return Held()
        text, data = notes.split(config.get("description"), self._key)
        rest = {key: value for key, value in config.items() if key not in ("description", "digest")}
        own = data if data.get("ctid") == ctid else {}
        return Held(True, str(config.get("lock") or ""), text, own, str(config.get("digest") or ""), rest)

    def described(self, ctid: int, text: str) -> str:
        """The description that a container is to have, with what runs keep in it."""
        data = self._pending.get(ctid)
        return notes.join(text, self.held(ctid).data if data is None else data, self._key)

    def current(self, digest: str) -> str:
        """The digest that a config has by now where only writes of ours came in between."""
        while digest in self._ours:
            digest = self._ours[digest]
        return digest

    # ------------------------------------------------------------------ the files of a node
    def read_record(self, ctid: int) -> dict[str, Any]:
        """The record's JSON; {} when there is none."""
        return dict(notes.record_of(self._data(ctid), ctid) or {})

    def load(self, ctid: int) -> Record:
        """Everything the planner wants to know."""
        data = self._data(ctid)
        word = states.parse_word(str(data.get("word") or ""))
        return Record.from_json(dict(notes.record_of(data, ctid) or {}), word)

    def write_word(self, ctid: int, word: str) -> None:
        """Write the state word."""
        self._change(ctid, lambda data: {**data, "word": word})

    def update_record(self, ctid: int, **values: Any) -> None:
        """Set keys of the record; None removes one."""
        if values.get("ledger"):
            values["ledger"] = notes.brief(values["ledger"])

        def change(data: dict[str, Any]) -> dict[str, Any]:
            merged = {**(notes.record_of(data, ctid) or {}), **values}
            return {**data, "record": {key: value for key, value in merged.items() if value is not None}}

        self._change(ctid, change)

    def forget(self, ctid: int) -> None:
        """Remove what is remembered of a container: it is gone, and its description with it."""
        self._pending.pop(ctid, None)
        self._own.pop(ctid, None)

    def known(self) -> list[int]:
        """None: a container that does not exist has no description."""
        return []

    # ------------------------------------------------------------------ the lease
    def acquire(self, ctid: int, dead: Iterable[str]) -> str | None:
        """Take the container for this run. ``dead`` are runs that their controller knows to be gone.

        Returns the id of the run that was displaced, if any. Raises LeaseHeldError.
        """
        gone = set(dead)
        displaced: str | None = None

        def take(data: dict[str, Any]) -> dict[str, Any]:
            nonlocal displaced
            holder: Mapping[str, Any] = data.get("lease") or {}
            is_others = bool(holder) and holder["id"] != self._run["id"]
            # A sign from the future was given by a clock that was wrong, and would never grow old.
            if is_others and holder["id"] not in gone and abs(self._clock() - holder["beat"]) < STALE_AFTER:
                raise LeaseHeldError(ctid, holder)
            displaced = holder["id"] if is_others else None
            since = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self._clock()))
            return {**data, "lease": {**self._run, "since": since, "beat": int(self._clock())}}

        self._change(ctid, take, leased=False)
        self._looked = self._clock()
        return displaced

    def keep(self, ctid: int) -> None:
        """Give a sign of life before more work on a container. Raises LeaseLostError where it is this run's no more."""

        def beat(data: dict[str, Any]) -> dict[str, Any]:
            holder = data.get("lease") or {}
            if holder.get("id") != self._run["id"]:
                raise LeaseLostError(ctid, holder.get("id"), holder.get("since"))
            return {**data, "lease": {**holder, "beat": int(self._clock())}}

        self._change(ctid, beat)
        self._looked = self._clock()

    def release(self, ctid: int, is_over: Callable[[Mapping[str, Any]], bool] | None = None) -> None:
        """Give the container back, when it is still this run's, or that of one whose lease ``is_over``."""

        def give(data: dict[str, Any]) -> dict[str, Any]:
            lease = data.get("lease") or {}
            own = lease.get("id") == self._run["id"] or (is_over is not None and is_over(lease))
            return {key: value for key, value in data.items() if key != "lease"} if own else data

        if self._pending.get(ctid) is not None or self.held(ctid).exists:
            self._change(ctid, give, leased=False)
        self._own.pop(ctid, None)

    def check(self, ctid: int) -> None:
        """Raise LeaseLostError when another run has taken the container over. Looks every two seconds at most."""
        if self._clock() - self._looked < LOOK:
            return
        self._looked = self._clock()
        held = self.held(ctid)
        if not held.exists or held.lock or ctid in self._pending:
            return  # PVE itself lets nobody else in
        lease = held.data.get("lease") or {}
        if lease.get("id") != self._run["id"]:
            raise LeaseLostError(ctid, lease.get("id"), lease.get("since"))
        if self._clock() - float(lease.get("beat") or 0) > BEAT:
            self._change(ctid, lambda data: {**data, "lease": {**lease, "beat": int(self._clock())}})

    # ------------------------------------------------------------------ writing
    def _data(self, ctid: int) -> Mapping[str, Any]:
        for known in (self._pending, self._own):
            if ctid in known:
                return known[ctid]
        return self.held(ctid).data

    def _change(self, ctid: int, change: Change, leased: bool = True) -> None:
        """Change what is kept of a container, from what it is at the moment of the write.

        Raises LeaseLostError where another run has the container, unless the lease itself is changed (``leased``).
        """
        try:
            with_lock_wait(lambda: self._attempts(ctid, change, leased), self._lock_wait)
        except LockedError as error:
            raise held_by(self._client, self._node, ctid, error, self._lock_wait) from None

    def _attempts(self, ctid: int, change: Change, leased: bool) -> None:
        for attempt in range(_ATTEMPTS):
            held = self.held(ctid)
            # What was destroyed to be created again keeps its record until then.
            before = dict(self._pending.get(ctid) or (held.data if held.exists else self._own.get(ctid, {})))
            holder = (held.data.get("lease") or {}) if leased else {}
            if holder and holder.get("id") != self._run["id"]:
                raise LeaseLostError(ctid, holder.get("id"), holder.get("since"))
            after = {**change(before), "ctid": ctid}
            if not held.exists or held.lock == "create":
                self._pending[ctid] = after
                return
            if held.data == after:
                self._note(ctid, after)
                return
            params = {"description": notes.join(held.text, after, self._key), "digest": held.digest}
            try:
                self._client.request("PUT", self._path(ctid), params)
            except (StaleConfigError, LostAnswerError):
                if attempt + 1 == _ATTEMPTS:
                    raise
                continue
            self._note(ctid, after)
            now = self.held(ctid)
            if now.rest == held.rest:
                self._ours[held.digest] = now.digest
            return

    def _note(self, ctid: int, data: Mapping[str, Any]) -> None:
        """Remember what the description of a container has now."""
        self._pending.pop(ctid, None)
        if (data.get("lease") or {}).get("id") == self._run["id"]:
            self._own[ctid] = data


class NotesClient:
    """The calls of a plan, with what runs keep in a description added to each call that writes one."""

    def __init__(self, client: Client, node: str, store: NotesStore) -> None:
        self._client, self._store = client, store
        self._folder = f"/nodes/{node}/lxc"

    def request(self, method: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """One call below /api2/json. Returns ``data``. Raises PveError."""
        given = dict(params or {})
        parts = path[len(self._folder) :].strip("/").split("/") if path.startswith(self._folder) else ["-"]
        if method == "POST" and parts == [""]:
            given["description"] = self._store.described(int(given["vmid"]), str(given.get("description") or ""))
        elif method == "POST" and parts[1:] == ["clone"]:
            given["description"] = self._store.described(int(given["newid"]), str(given.get("description") or ""))
        elif method == "PUT" and parts[1:] == ["config"]:
            given = self._changed(int(parts[0]), given)
        return self._client.request(method, path, given)

    def _changed(self, ctid: int, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("digest"):
            given["digest"] = self._store.current(str(given["digest"]))
        gone = [key for key in str(given.get("delete") or "").split(",") if key]
        if "description" in gone:
            rest = ",".join(key for key in gone if key != "description")
            given = {key: value for key, value in given.items() if key != "delete"}
            given.update({"description": "", **({"delete": rest} if rest else {})})
        if "description" in given:
            given["description"] = self._store.described(ctid, str(given["description"]))
        return given
