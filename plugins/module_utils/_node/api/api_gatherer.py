# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gathers what the preflight judges by calls to the API. What it does not show counts as there, and is named."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Callable

from ..._core.preflight import optionneeds, subids
from ..._core.preflight.candidates import Candidate
from ..._core.preflight.demands import BRIDGE, DEVICE, FOLDER, Asked, Demand, asked, demands, heads_needed
from ..._core.preflight.judgement import Facts, Room
from ..._core.pve.storagecfg import TEMPLATES, Storage
from ..pve.client import Client, PveError
from .api_observer import FORBIDDEN, ApiObserver

FAILED = 500  # of what this version of PVE no longer has
_BRIDGES = frozenset({"bridge", "OVSBridge"})


def storages_of(client: Client) -> dict[str, Storage]:
    """The storages that a token sees, as the cluster's configuration describes them."""
    made = {}
    for row in client.request("GET", "/storage") or ():
        options = {str(key): str(value) for key, value in row.items() if key not in ("storage", "type", "digest")}
        made[str(row["storage"])] = Storage(str(row["storage"]), str(row["type"]), options)
    return made


class ApiGatherer:
    """Looks up one node's facts for the plans of a run, as the owner of a token.

    ``unseen`` names, after `gather`, what was not looked up: (what, the containers that ask for it).
    """

    def __init__(self, client: Client, node: str) -> None:
        self.client = client
        self.node = node
        self.unseen: dict[str, list[int]] = {}
        self._observer = ApiObserver(client, node)

    def gather(self, candidates: Iterable[Candidate], coming: Iterable[str], credential: str) -> Facts:
        """Everything that can be known to judge these plans. Raises PveError."""
        self.unseen = {}
        items = list(candidates)
        heads = {}
        for ctid in sorted(heads_needed(items)):
            conf = self._observer.read_conf(ctid)[0]
            if conf is not None:
                heads[ctid] = conf.head
        wanted = demands(items, heads)
        asks = asked(wanted, heads)
        self._not_by_the_api(items, wanted)
        storages = self._with_hidden(self.storages(), wanted, asks)
        rooms = {name: self._room(storages[name]) for name in sorted(asks.storages) if name in self.storages()}
        templates = {
            name: self.templates(storages[name])
            for name in sorted({storage for storage, _file in asks.templates})
            if name in rooms and TEMPLATES in storages[name].content and not rooms[name].problem
        }
        missing = any(
            templates[storage] is not None and name not in (templates[storage] or {})
            for storage, name in asks.templates
            if storage in templates
        )
        appliances, problem = self._appliances() if missing else (None, "")
        return Facts(
            node=self.node,
            storages=storages,
            rooms=rooms,
            templates=templates,
            appliances=appliances,
            appliances_problem=problem,
            bridges=self._shown(BRIDGE, wanted, self._bridges),
            vnets=self._vnets if asks.bridges else {},
            folders=asks.folders,
            heads=heads,
            ours_to_be=frozenset(item.ctid for item in items if item.refusal and self._is_begun(item.ctid)),
            coming=frozenset(coming),
            credential=credential,
            permissions=self._permissions(),
            version=str((self.client.request("GET", "/version") or {}).get("version") or ""),
            guests=frozenset(self._observer.guests) if any(item.outside for item in items) else frozenset(),
            pools=self._shown(optionneeds.POOL, wanted, self._pools),
            ha_groups=self._shown(optionneeds.HA_GROUP, wanted, self._ha_groups),
            ha_rules=self._shown(optionneeds.HA_RULE, wanted, self._ha_rules),
        )

    def _is_begun(self, ctid: int) -> bool:
        """Whether a run by a token began to create the container."""
        self._observer.read_conf(ctid)
        record = self._observer.record_of(ctid)
        return record is not None and record.creating is not None

    def _note(self, what: str, ctids: Iterable[int]) -> None:
        self.unseen.setdefault(what, []).extend(ctids)

    def _not_by_the_api(self, items: list[Candidate], wanted: list[Demand]) -> None:
        """Note what only the files of the node tell."""
        names = {
            FOLDER: "folder {}",
            DEVICE: "device {}",
            optionneeds.SCRIPT: "hook script {}",
            optionneeds.ZONE: "time zone {}",
            optionneeds.MTU: "the MTU of bridge {}",
        }
        for item in wanted:
            if item.kind in names and item.kind != DEVICE:
                self._note(names[item.kind].format(item.name), [item.ctid])
        for candidate in items:
            if candidate.claims:
                self._note("the memory of the GPUs", [candidate.ctid])
            if subids.needed(candidate.desired.written):
                self._note("the subordinate IDs of root", [candidate.ctid])

    def _shown(self, kind: str, wanted: list[Demand], look: Callable[[], Collection[str] | None]) -> frozenset[str]:
        """The things of a kind that the node has; those that are asked for where it does not show which it has."""
        asking = [item for item in wanted if item.kind == kind]
        if not asking:
            return frozenset()
        found = look()
        if found is not None:
            return frozenset(found)
        for item in asking:
            self._note(f"{kind.replace('_', ' ')} {item.name}", [item.ctid])
        return frozenset(item.name for item in asking)

    def _with_hidden(self, shown: Mapping[str, Storage], wanted: list[Demand], asks: Asked) -> dict[str, Storage]:
        """The storages, with those that PVE refuses to show: whether they exist is not known."""
        found = dict(shown)
        for name in sorted(asks.storages - shown.keys()):
            try:
                self.client.request("GET", f"/nodes/{self.node}/storage/{name}/status")
            except PveError as error:
                if error.status != FORBIDDEN:
                    continue  # there is none
                self._note(f"storage {name}: {error.reason}", [item.ctid for item in wanted if item.name == name])
                found[name] = Storage(name, "dir", {"content": "rootdir,vztmpl,backup"})
        return found

    def storages(self) -> dict[str, Storage]:
        """The storages that the token sees, as the cluster's configuration describes them. Asked for once."""
        return self._storages

    @functools.cached_property
    def _storages(self) -> dict[str, Storage]:
        return storages_of(self.client)

    def _room(self, storage: Storage) -> Room:
        try:
            status = self.client.request("GET", f"/nodes/{self.node}/storage/{storage.name}/status") or {}
        except PveError as error:
            return Room(problem=error.reason)
        if not int(status.get("active") or 0):
            return Room(problem="PVE says that it is not active")
        free = status.get("avail")
        return Room(None if free is None else int(free))

    def templates(self, storage: Storage) -> Mapping[str, int] | None:
        """The templates of a storage with their sizes in bytes; None where they can't be listed."""
        path = f"/nodes/{self.node}/storage/{storage.name}/content"
        try:
            rows = self.client.request("GET", path, {"content": TEMPLATES})
        except PveError:
            return None
        return {str(row.get("volid", "")).rpartition("/")[2]: int(row.get("size") or 0) for row in rows or ()}

    def _appliances(self) -> tuple[frozenset[str] | None, str]:
        try:
            rows = self.client.request("GET", f"/nodes/{self.node}/aplinfo") or ()
        except PveError as error:
            return None, error.reason
        return frozenset(str(row["template"]) for row in rows if row.get("template")), ""

    def _listed(self, path: str) -> list[Mapping[str, Any]] | None:
        """The rows of an answer; None where PVE does not show them to this token."""
        try:
            return list(self.client.request("GET", path) or ())
        except PveError as error:
            if error.status not in (FORBIDDEN, FAILED):
                raise
            return None

    def _bridges(self) -> set[str] | None:
        rows = self._listed(f"/nodes/{self.node}/network")
        if rows is None:
            return None
        return {str(row["iface"]) for row in rows if row.get("type") in _BRIDGES} | set(self._vnets)

    @functools.cached_property
    def _vnets(self) -> dict[str, str]:
        rows = self._listed("/cluster/sdn/vnets") or ()
        return {str(row["vnet"]): str(row["zone"]) for row in rows if row.get("vnet") and row.get("zone")}

    def _pools(self) -> set[str] | None:
        """The pools that the token sees; without any, PVE may have hidden them."""
        return {str(row["poolid"]) for row in self._listed("/pools") or ()} or None

    def _ha_groups(self) -> set[str] | None:
        return self._of_ha("groups", "group")

    def _ha_rules(self) -> set[str] | None:
        return self._of_ha("rules", "rule")

    def _of_ha(self, what: str, key: str) -> set[str] | None:
        """The names of groups or rules; none where this version of Proxmox VE has the other, which it refuses."""
        try:
            rows = self._listed(f"/cluster/ha/{what}")
        except PveError:
            return set()
        return None if rows is None else {str(row[key]) for row in rows}

    def _permissions(self) -> dict[str, dict[str, object]]:
        """What the token may do, as PVE says it of whoever asks."""
        answer = self.client.request("GET", "/access/permissions") or {}
        return {str(path): dict(held) for path, held in answer.items()}
