# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gathers what the preflight judges, and fetches the templates that it found missing.

Looks at files first: storage.cfg, the kernel's list of network devices, the folders of local storages. The control
plane is asked only for what no file tells, so that a run without anything to create costs no call.
"""

from __future__ import annotations

import contextlib
import glob
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from ..._core.gpu.memory_budget import Load
from ..._core.preflight import privileges, subids
from ..._core.preflight.candidates import Candidate
from ..._core.preflight.demands import Asked, asked, demands, heads_needed
from ..._core.preflight.judgement import Facts, Room
from ..._core.pve.storagecfg import SNIPPETS, TEMPLATES, Storage, parse_storages
from ..container.conf.observe import PVE, ha_groups, ha_rules, node_name, read_conf, read_pools
from ..gpu import gpuload
from ..host.exports import text
from ..pve.client import Client, PveError
from ..store import Store
from .bridges import vnets

NETWORK = "/sys/class/net"
ZONES = "/usr/share/zoneinfo/zone.tab"
NO_BRIDGES = ("lo", "veth", "tap", "fw", "ovs-system", "bond", "dummy")
TEMPLATE_ENDINGS = (".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2")


@dataclass(frozen=True)
class Places:
    """Where a node keeps what is looked at; tests have their own."""

    pve: str = PVE
    network: str = NETWORK
    zones: str = ZONES


class Gatherer:
    """Looks up one node's facts for the plans of a run. The control plane is opened with the first call."""

    def __init__(self, connect: Callable[[], Client], places: Places | None = None, store: Store | None = None) -> None:
        self._connect = connect
        self._places = places or Places()
        self._store = store or Store()
        self._client: Client | None = None
        self.node = node_name(self._places.pve)

    @property
    def client(self) -> Client:
        """The control plane."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    def gather(
        self,
        candidates: Iterable[Candidate],
        coming: Iterable[str] = (),
        credential: str = privileges.ROOT,
        shares: Mapping[int, float | None] | None = None,
    ) -> Facts:
        """Everything that must be known to judge these plans. Raises PveError when the credential is unknown."""
        items = list(candidates)
        heads = {}
        for ctid in sorted(heads_needed(items)):
            conf = read_conf(self.node, ctid, self._places.pve)[0]
            if conf is not None:
                heads[ctid] = conf.head
        asks = asked(demands(items, heads), heads)
        storages = self.storages() if asks.storages else {}
        usable = {name: storages[name] for name in sorted(asks.storages) if self._usable(storages.get(name))}
        rooms = {name: self._room(storage) for name, storage in usable.items()}
        templates = self._templates(asks, usable, rooms)
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
            bridges=self._bridges() if asks.bridges else frozenset(),
            vnets=vnets(self._places.pve) if asks.bridges else {},
            folders=frozenset(path for path in asks.folders if os.path.exists(path)),
            heads=heads,
            ours_to_be=frozenset(
                item.ctid for item in items if item.refusal and self._store.load(item.ctid).creating is not None
            ),
            coming=frozenset(coming),
            credential=credential,
            permissions=self._permissions(credential),
            loads=self._loads() if any(item.claims for item in items) else (),
            shares=shares or {},
            version=self._version() if asks.version or credential != privileges.ROOT else "",
            guests=self._guests({ctid for item in items for ctid in item.outside}),
            scripts={name: self._script_problem(name) for name in sorted(asks.scripts)},
            zones=self._zones() if asks.zones else frozenset(),
            ha_groups=ha_groups(self._places.pve) if asks.ha_groups else frozenset(),
            ha_rules=frozenset(ha_rules(self._places.pve)) if asks.ha_rules else frozenset(),
            mtus=self._mtus(asks.mtus),
            pools=frozenset(read_pools(self._places.pve)) if asks.pools else frozenset(),
            subids=_subids() if any(subids.needed(item.desired.written) for item in items) else None,
        )

    def _loads(self) -> tuple[Load, ...]:
        return gpuload.read(self.node, self._places.pve)

    def _version(self) -> str:
        """PVE's version, such as 8.4.1."""
        return str((self.client.request("GET", "/version") or {}).get("version") or "")

    def _script_problem(self, volume: str) -> str | None:
        """What keeps PVE from taking a hook script; None for nothing, or where only PVE knows the storage's folder."""
        storage = self.storages().get(volume.partition(":")[0])
        if storage is None:
            return "is on a storage that does not exist"
        if SNIPPETS not in storage.content:
            return f"is on storage {storage.name}, which has no content type {SNIPPETS},"
        if storage.snippet_folder is None:
            return None
        path = f"{storage.snippet_folder}/{volume.partition('/')[2]}"
        if not os.path.isfile(path):
            return f"does not exist ({path})"
        return None if os.access(path, os.X_OK) else f"is not executable ({path})"

    def _mtus(self, bridges: Iterable[str]) -> dict[str, int]:
        """The MTUs of those bridges that are there."""
        found = {}
        for name in bridges:
            with contextlib.suppress(OSError, ValueError):
                found[name] = int(Path(self._places.network, name, "mtu").read_text(encoding="ascii"))
        return found

    def _zones(self) -> frozenset[str]:
        """The time zones that PVE takes; none where the list can't be read."""
        try:
            with open(self._places.zones, encoding="utf-8", errors="replace") as file:
                rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
        except OSError:
            return frozenset()
        return frozenset(row[2] for row in rows if len(row) > 2)

    def storages(self) -> dict[str, Storage]:
        """The storages of the cluster."""
        try:
            with open(f"{self._places.pve}/storage.cfg", encoding="utf-8", errors="replace") as file:
                return parse_storages(file.read())
        except FileNotFoundError:
            return parse_storages("")

    def _usable(self, storage: Storage | None) -> bool:
        """Whether there is any use in looking at it."""
        return storage is not None and not storage.disabled and (not storage.nodes or self.node in storage.nodes)

    def _room(self, storage: Storage) -> Room:
        """Free bytes: of a local folder from its file system, of everything else as PVE says."""
        if storage.folder is not None:
            mounted = storage.options.get("is_mountpoint", "no")
            expected = storage.folder if mounted in ("yes", "1", "on", "true") else mounted
            try:
                if expected.startswith("/") and not os.path.ismount(expected):
                    return Room(problem=f"{expected} is not mounted")
                found = os.statvfs(storage.folder)
            except OSError as error:
                return Room(problem=f"{storage.folder}: {error.strerror}")
            return Room(found.f_bavail * found.f_frsize)
        try:
            status = self.client.request("GET", f"/nodes/{self.node}/storage/{storage.name}/status") or {}
        except PveError as error:
            return Room(problem=error.reason)
        if not int(status.get("active") or 0):
            return Room(problem="PVE says that it is not active")
        free = status.get("avail")
        return Room(None if free is None else int(free))

    def _templates(
        self, asks: Asked, usable: Mapping[str, Storage], rooms: Mapping[str, Room]
    ) -> dict[str, Mapping[str, int] | None]:
        result: dict[str, Mapping[str, int] | None] = {}
        for name in sorted({storage for storage, _file in asks.templates}):
            if name in usable and TEMPLATES in usable[name].content and not rooms[name].problem:
                result[name] = self.templates(usable[name])
        return result

    def templates(self, storage: Storage) -> Mapping[str, int] | None:
        """The templates of a storage with their sizes in bytes; None where they can't be listed."""
        if storage.template_folder is not None:
            return _files(storage.template_folder)
        try:
            rows = self.client.request(
                "GET", f"/nodes/{self.node}/storage/{storage.name}/content", {"content": TEMPLATES}
            )
        except PveError:
            return None
        return {str(row.get("volid", "")).rpartition("/")[2]: int(row.get("size") or 0) for row in rows or ()}

    def _appliances(self) -> tuple[frozenset[str] | None, str]:
        """PVE's appliance index, which ``pveam update`` renews: the names of what it can download."""
        try:
            rows = self.client.request("GET", f"/nodes/{self.node}/aplinfo") or ()
        except PveError as error:
            return None, error.reason
        return frozenset(str(row["template"]) for row in rows if row.get("template")), ""

    def _guests(self, asked_for: Iterable[int]) -> frozenset[int]:
        """Those of these guests, containers and virtual machines, that the cluster has."""
        pattern = f"{self._places.pve}/nodes/*/*/{{}}.conf"
        return frozenset(ctid for ctid in asked_for if glob.glob(pattern.format(ctid)))

    def _bridges(self) -> frozenset[str]:
        """The bridges of this machine: the kernel's, and those of Open vSwitch, which it shows as plain devices."""
        root = self._places.network
        try:
            names = os.listdir(root)
        except OSError:
            return frozenset()
        # Open vSwitch shows its bridges as plain virtual devices; there any of them counts that is no guest's end.
        switch = "ovs-system" in names
        return frozenset(
            name
            for name in names
            if os.path.isdir(f"{root}/{name}/bridge")
            or (switch and "/virtual/" in os.path.realpath(f"{root}/{name}") and not name.startswith(NO_BRIDGES))
        )

    def _permissions(self, credential: str) -> Mapping[str, Mapping[str, object]] | None:
        """What a credential may do, as root may ask for anybody. root@pam itself has everything: None, and no call."""
        if credential == privileges.ROOT:
            return None
        answer = self.client.request("GET", "/access/permissions", {"userid": credential})
        return {str(path): dict(held) for path, held in (answer or {}).items()}


def _subids() -> dict[str, list[subids.Range]]:
    return {kind: subids.parse(text(f"/etc/{name}")) for kind, name in subids.FILES.items()}


def _files(folder: str) -> dict[str, int]:
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith(TEMPLATE_ENDINGS)]
    except OSError:
        return {}
    return {name: info.st_size for name, info in found if stat.S_ISREG(info.st_mode)}
