# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observes containers by calls to the API alone, into the same values as the files of the node give.

A token sees what its privileges show: VM.Audit of a container, Datastore.Audit of a storage. What PVE refuses to show
beyond those is listed in ``refused``; a container that it refuses is a PveError in PVE's words.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Callable

from ..._core.container import harules, states
from ..._core.container.known import instance
from ..._core.container.model import Moved, Observation, Record
from ..._core.container.remote import assumed, notes
from ..._core.container.remote.apiconf import conf_of, fixed_address
from ..._core.pve import marker
from ..._core.pve.apicalls import words
from ..._core.pve.conffile import ConfFile
from ..._core.pve.fwfile import GUEST_TYPES, Firewall, rule_of_answer
from ..container.conf.observe import Observer, inside
from ..failure import NodeError
from ..guest import guest
from ..pve.client import Client, MissingError, NotRunningError, PveError
from .guest_ssh import SshWay
from .notes_store import key_of

FORBIDDEN = 403
NOT_IMPLEMENTED = 501
_VOLUME = re.compile(r"(?:rootfs|mp\d+|unused\d+)\Z")


class ApiObserver(Observer):
    """One node as the API shows it. Each answer that is about all guests is asked for once.

    ``way`` leads into its containers, None where nobody enters them.
    """

    def __init__(self, client: Client, node: str, way: SshWay | None = None) -> None:  # reads no file, as its base does
        self.client = client
        self.node = node
        self.way = way
        self.entered: set[int] = set()  # those inside of which a run applies something
        self.later: set[int] | None = None  # those that are looked into side by side afterwards; None for at once
        self.renewed: set[int] = set()  # those whose host key was renewed, as the operator says
        self.boot = ""
        self.pve = ""
        self.refused: set[str] = set()
        self._kept: dict[int, Mapping[str, Any]] = {}
        self._unsealed: dict[int, bool] = {}
        self._key = key_of(client)
        names = [str(row.get("node")) for row in client.request("GET", "/nodes") or ()]
        if node not in names:
            raise NodeError(
                f"the API has no node {node}, but {', '.join(sorted(names)) or 'none'}",
                remedy="give the node in the inventory source the name that Proxmox VE has for it",
            )
        self.storages = {str(row["storage"]): str(row["type"]) for row in client.request("GET", "/storage") or ()}

    def forget(self) -> None:
        """Forget the answers about all guests: a call has changed them."""
        for name in ("guests", "_managed", "_rules"):
            self.__dict__.pop(name, None)

    @functools.cached_property
    def guests(self) -> dict[int, Mapping[str, Any]]:
        """The guests of the cluster that the token sees, by CTID."""
        rows = self.client.request("GET", "/cluster/resources", {"type": "vm"}) or ()
        return {int(row["vmid"]): row for row in rows}

    def existing_ctids(self) -> set[int]:
        """CTIDs of the containers of this node that the token sees."""
        return {int(row["vmid"]) for row in self.client.request("GET", f"/nodes/{self.node}/lxc") or ()}

    def is_running(self, ctid: int) -> bool:
        """Whether one container runs now."""
        status = self.client.request("GET", f"/nodes/{self.node}/lxc/{ctid}/status/current") or {}
        return str(status.get("status")) == "running"

    def read_conf(self, ctid: int, node: str = "") -> tuple[ConfFile | None, str]:
        """(config, digest) of a container, (None, '') when it doesn't exist there. Raises PveError."""
        self._kept.pop(ctid, None)
        base = f"/nodes/{node or self.node}/lxc/{ctid}"
        try:
            current = self.client.request("GET", f"{base}/config", {"current": 1}) or {}
            pending = self.client.request("GET", f"{base}/pending") or ()
            listed = self.client.request("GET", f"{base}/snapshot") or ()
            names = [str(row["name"]) for row in listed if row.get("name") != "current"]
            saved = {name: self.client.request("GET", f"{base}/snapshot/{name}/config") or {} for name in names}
        except MissingError:
            return None, ""
        text, data = notes.split(current.get("description"), self._key)
        if node in ("", self.node):
            self._kept[ctid] = data
            self._unsealed[ctid] = notes.is_unsealed(current.get("description"), self._key)
        conf = conf_of({**current, "description": text}, pending, saved)
        ident = notes.instance_of(data)
        if ident is not None:
            conf = replace(conf, markers=(*conf.markers, marker.line(ident)))
        return conf, str(current.get("digest") or "")

    def record_of(self, ctid: int) -> Record | None:
        """What a run by a token keeps of a container whose config has been read; None for nothing."""
        data = self._kept.get(ctid, {})
        record = notes.record_of(data, ctid)
        return (
            None if record is None else Record.from_json(dict(record), states.parse_word(str(data.get("word") or "")))
        )

    def is_unsealed(self, ctid: int) -> bool:
        """Whether a container whose config has been read has a record that is not sealed with the key of this run."""
        return self._unsealed.get(ctid, False)

    def lease_of(self, ctid: int) -> Mapping[str, Any]:
        """The lease of a container whose config has been read; empty for none."""
        data = self._kept.get(ctid, {})
        lease: Mapping[str, Any] = data.get("lease") or {} if data.get("ctid") == ctid else {}
        return lease

    def read_firewall(self, ctid: int) -> Firewall:
        """The firewall of a container of this node."""
        base = f"/nodes/{self.node}/lxc/{ctid}/firewall"
        options = self.client.request("GET", f"{base}/options") or {}
        rows = sorted(self.client.request("GET", f"{base}/rules") or (), key=lambda row: int(row.get("pos") or 0))
        rules = tuple(rule for rule in map(rule_of_answer, rows) if rule.type in GUEST_TYPES)
        return Firewall({str(key): str(value) for key, value in options.items() if key != "digest"}, rules)

    @functools.cached_property
    def _filtering(self) -> bool:
        """Whether the datacenter's firewall filters; True where it is not shown, so that nothing is said of it."""
        try:
            options = self.client.request("GET", "/cluster/firewall/options") or {}
        except PveError as error:
            self._note(error, assumed.FIREWALL)
            return True
        return str(options.get("enable") or "0") != "0"

    @functools.cached_property
    def _managed(self) -> dict[int, dict[str, str]]:
        """The entries of the HA manager; none where it is not shown."""
        try:
            rows = self.client.request("GET", "/cluster/ha/resources") or ()
        except PveError as error:
            self._note(error, assumed.HA)
            return {}
        found = {}
        for row in rows:
            kind, _colon, ctid = str(row.get("sid") or "").partition(":")
            if kind == "ct" and ctid.isdigit():
                about = {str(key): str(value) for key, value in row.items() if key not in ("sid", "type", "digest")}
                found[int(ctid)] = about
        return found

    @functools.cached_property
    def _rules(self) -> dict[str, harules.Rule]:
        """The rules of the HA manager, which Proxmox VE 8 does not have; none without an entry, since they need one."""
        try:
            rows = self.client.request("GET", "/cluster/ha/rules") if self._managed else ()
        except PveError as error:
            if error.status != NOT_IMPLEMENTED:
                self._note(error, assumed.HA)
            return {}
        return {
            str(row["rule"]): harules.Rule(str(row.get("type")), tuple(words(row.get(harules.RESOURCES))))
            for row in rows or ()
        }

    def _note(self, error: PveError, part: str) -> None:
        if error.status != FORBIDDEN:
            raise error
        self.refused.add(part)

    def ha_ctids(self) -> frozenset[int]:
        """CTIDs of the containers that the HA manager manages, as far as it is shown."""
        return frozenset(self._managed)

    def address(self, ctid: int) -> str | None:
        """Its first IPv4 address; the first IPv6 address where it has none."""
        try:
            rows = self.client.request("GET", f"/nodes/{self.node}/lxc/{ctid}/interfaces") or ()
        except (MissingError, NotRunningError):
            return None  # it was stopped, or destroyed, since
        cards = [row for row in rows if row.get("name") != "lo"]
        for family in ("inet", "inet6"):
            for row in cards:
                address = str(row.get(family) or "").partition("/")[0]
                if address and not address.lower().startswith("fe80:"):
                    return address
        return None

    def _elsewhere(self, ctid: int) -> tuple[str | None, Moved | None]:
        """The guest that has this CTID without being a container of this node."""
        row = self.guests.get(ctid)
        if row is None:
            return None, None
        owner = str(row.get("node"))
        if row.get("type") == "qemu":
            return f"a virtual machine on node {owner}", None
        if owner == self.node:
            return None, None  # it was destroyed since
        return f"a container on node {owner}", Moved(owner, self.read_conf(ctid, owner)[0] or ConfFile())

    def linked_clones(self, ctid: int) -> tuple[int, ...]:
        """CTIDs of the containers whose volumes live on a base volume of this one, as far as the token sees them."""
        base = re.compile(rf"[:/](?:base|basevol|basedisk)-{ctid}-[^/,\s]+/")
        found = set()
        for other, row in self.guests.items():
            if other == ctid or row.get("type") != "lxc":
                continue
            conf, _digest = self.read_conf(other, str(row.get("node")))
            values = [value for key, value in conf.head.items() if _VOLUME.match(key)] if conf is not None else []
            if any(base.search(value) for value in values):
                found.add(other)
        return tuple(sorted(found))

    def running(self) -> set[int]:
        """CTIDs of the running containers of this node that the token sees."""
        rows = self.client.request("GET", f"/nodes/{self.node}/lxc") or ()
        return {int(row["vmid"]) for row in rows if row.get("status") == "running"}

    def observe(
        self,
        ctid: int,
        source: int | None,
        record: Record,
        running: set[int] | None = None,
        source_record: Record | None = None,
        clones: bool = False,
        view: guest.GuestView | None = None,
    ) -> Observation:
        """One container, and its clone source when it has one. Raises PveError where PVE shows none of it.

        ``running`` are the containers that run, where somebody has looked. ``view`` is what a look inside has told.
        """
        runs = self.is_running if running is None else running.__contains__
        conf, digest = self.read_conf(ctid)
        found: dict[str, Any] = {
            "storages": self.storages,
            "datacenter_firewall": self._filtering,
            "pool": str(self.guests.get(ctid, {}).get("pool") or ""),
            "ha": self._managed.get(ctid),
            "ha_rules": harules.of(self._rules, ctid),
        }
        if source is not None:
            found.update(self._source(source, source_record, runs))
        if conf is None:
            elsewhere, moved = self._elsewhere(ctid)
            return Observation(ctid=ctid, elsewhere=elsewhere, moved=moved, **found)
        if clones:
            found["linked_clones"] = self.linked_clones(ctid)
        is_up = runs(ctid)
        # An intent without its worker proves nothing: this container may be foreign.
        if record.creating is not None and record.creating.get("upid"):
            found["creating"] = "failed" if conf.head.get("lock") == "create" else "done"
        return Observation(
            ctid=ctid,
            exists=True,
            running=is_up,
            conf=conf,
            digest=digest,
            firewall=self.read_firewall(ctid),
            **{**found, **(self._inside(ctid, conf, view) if is_up else {})},
        )

    def _inside(self, ctid: int, conf: ConfFile, view: guest.GuestView | None) -> dict[str, Any]:
        """Its address, and what a look inside tells where a run by a token enters it."""
        record, address = self.record_of(ctid), self.address(ctid)
        if self.way is None or record is None or not (ctid in self.entered or assumed.holds(record)):
            return {"address": address}
        self._expect(ctid, conf, record, address)
        if self.later is not None and view is None:
            self.later.add(ctid)
            return {"address": address}
        return {**inside(view or guest.look(ctid, way=self.way)), "address": address}

    def new_host_key(self, ctid: int) -> str | None:
        """The host key that is to replace the one on record, as the operator says; None for none."""
        record = self.record_of(ctid)
        key = self.way.key(ctid) if self.way is not None and ctid in self.renewed else None
        return key if record is not None and record.host_key not in (None, key) else None

    def reach(self, ctid: int) -> None:
        """Look where a container answers, and which host key it has on record, for what is done inside it."""
        conf, record = self.read_conf(ctid)[0], self.record_of(ctid)
        if conf is not None and record is not None:
            self._expect(ctid, conf, record, self.address(ctid))

    def _expect(self, ctid: int, conf: ConfFile, record: Record, address: str | None) -> None:
        """A copy answers with the host key of its original until it has its own."""
        if self.way is not None:
            key = None if record.identity_due or ctid in self.renewed else record.host_key
            self.way.expect(ctid, fixed_address(conf.head) or address, key)

    def _source(self, source: int, record: Record | None, runs: Callable[[int], bool]) -> dict[str, Any]:
        """What is seen of a clone source, and remembered where it is the container on record."""
        conf = self.read_conf(source)[0]
        if conf is None:
            return {"source": None}
        found: dict[str, Any] = {
            "source": conf,
            "source_running": runs(source),
            "source_firewall": self.read_firewall(source),
        }
        if record is not None and record.ours:
            found["source_replaced"] = instance.foreign(Observation(source, exists=True, conf=conf), record)
            if found["source_replaced"] is None:
                found["source_word"] = record.word or "defined"
                found["source_ledger"] = record.ledger
                found["source_applied"] = record.applied
                found["source_volumes"] = record.volumes
        return found
