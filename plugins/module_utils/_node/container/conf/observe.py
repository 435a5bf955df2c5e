# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observing containers on their node: configs read as files in one go, the running ones from the kernel's socket list.

PVE itself takes a container for running when liblxc's command socket exists, so a settled fleet costs no API call.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Collection, Iterable
from typing import Any, Callable

from ...._core.container import harules
from ...._core.container.applied import ledger
from ...._core.container.cluster.availability import parse_groups, parse_resources
from ...._core.container.cluster.membership import parse_pools, pool_of
from ...._core.container.known import instance
from ...._core.container.model import Moved, Observation, Record
from ...._core.errors import KnownError
from ...._core.pve.conffile import ConfFile, parse_conf
from ...._core.pve.fwfile import Firewall, parse_file
from ...._core.pve.storagecfg import BACKUPS, parse_storages
from ...failure import NodeError
from ...guest import glance, guest

PVE = "/etc/pve"
SOCKETS = "/proc/net/unix"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
_SOCKET = re.compile(r"@/var/lib/lxc/(\d+)/command\Z")
_STORAGE = re.compile(r"^([a-z][a-z0-9]*):\s*(\S+)\s*\Z")
WORKERS = 8


class ObserveError(NodeError):
    """This machine doesn't look like a Proxmox VE node."""


def failure(error: BaseException) -> str:
    """One line for an error of any class; a class that has no words of its own is named."""
    words = " ".join(str(error).split())
    return words if isinstance(error, (OSError, KnownError)) and words else f"{type(error).__name__}: {words}"


def node_name(pve: str = PVE) -> str:
    """PVE's name of this node: what /etc/pve/local points at."""
    try:
        return os.path.basename(os.readlink(os.path.join(pve, "local")))
    except OSError:
        raise ObserveError(
            f"{pve}/local is missing: this is not a Proxmox VE node, or its pve-cluster service is down "
            "(systemctl status pve-cluster)"
        ) from None


def node_boot() -> str:
    """The id of the node's current boot."""
    with open(BOOT_ID, encoding="ascii") as file:
        return file.read().strip()


def running_ctids(sockets: str = SOCKETS) -> set[int]:
    """CTIDs of the running containers."""
    with open(sockets, encoding="utf-8", errors="replace") as file:
        return {int(found.group(1)) for found in map(_SOCKET.search, (line.rstrip() for line in file)) if found}


def conf_path(node: str, ctid: int, pve: str = PVE) -> str:
    """Where PVE keeps a container's config."""
    return f"{pve}/nodes/{node}/lxc/{ctid}.conf"


def read_conf(node: str, ctid: int, pve: str = PVE) -> tuple[ConfFile | None, str]:
    """(config, digest) of a container, (None, '') when it doesn't exist here. PVE's digest is the text's SHA-1."""
    try:
        with open(conf_path(node, ctid, pve), "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None, ""
    digest = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    return parse_conf(data.decode("utf-8", "replace")), digest


def read_firewall(name: str, pve: str = PVE) -> Firewall:
    """A firewall of PVE, empty when there is none: a container's by its CTID, or ``cluster``, the datacenter's."""
    try:
        with open(f"{pve}/firewall/{name}.fw", encoding="utf-8", errors="replace") as file:
            return parse_file(file.read())
    except FileNotFoundError:
        return Firewall()


def read_pools(pve: str = PVE) -> dict[str, frozenset[int]]:
    """The resource pools of the cluster with their guests."""
    try:
        with open(f"{pve}/user.cfg", encoding="utf-8", errors="replace") as file:
            return parse_pools(file.read())
    except FileNotFoundError:
        return {}


def existing_ctids(node: str, pve: str = PVE) -> set[int]:
    """CTIDs of all containers of this node."""
    names = (os.path.basename(path)[:-5] for path in glob.glob(f"{pve}/nodes/{node}/lxc/*.conf"))
    return {int(name) for name in names if name.isdigit()}


def storage_types(path: str) -> dict[str, str]:
    """Storage id -> type, from PVE's storage.cfg (``type: id`` at the start of each section)."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return {}
    found = (_STORAGE.match(line) for line in lines)
    return {match.group(2): match.group(1) for match in found if match}


def backup_stores(path: str, node: str) -> tuple[str, ...]:
    """The storages of a node that hold backups, in the order of PVE's storage.cfg."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = parse_storages(file.read()).values()
    except OSError:
        return ()
    fit = (one for one in found if BACKUPS in one.content and not one.disabled)
    return tuple(one.name for one in fit if not one.nodes or node in one.nodes)


def taken_elsewhere(node: str, ctid: int, pve: str = PVE) -> tuple[str | None, Moved | None]:
    """The guest that has this CTID without being a container of this node: in words, and as the container it may be."""
    for path in glob.glob(f"{pve}/nodes/*/*/{ctid}.conf"):
        parts = path.split("/")
        owner, kind = parts[-3], parts[-2]
        if kind == "qemu-server":
            return f"a virtual machine on node {owner}", None
        if kind == "lxc" and owner != node:
            conf = read_conf(owner, ctid, pve)[0]
            return f"a container on node {owner}", Moved(owner, conf or ConfFile())
    return None, None


def ha_ctids(pve: str = PVE) -> frozenset[int]:
    """CTIDs of the containers that the HA manager manages."""
    return frozenset(read_ha(pve))


def read_ha(pve: str = PVE) -> dict[int, dict[str, str]]:
    """The entries of all containers among the resources of the HA manager."""
    return parse_resources(_read_ha_file("resources", pve))


def ha_groups(pve: str = PVE) -> frozenset[str]:
    """The HA groups of the cluster."""
    return parse_groups(_read_ha_file("groups", pve))


def ha_rules(pve: str = PVE) -> dict[str, harules.Rule]:
    """The rules of the HA manager."""
    return harules.parse(_read_ha_file("rules", pve))


def _read_ha_file(name: str, pve: str) -> str:
    try:
        with open(f"{pve}/ha/{name}.cfg", encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def linked_clones(ctid: int, pve: str = PVE) -> tuple[int, ...]:
    """CTIDs of the containers whose volumes live on a base volume of this one (``STORE:base-900-disk-0/vm-950-…``)."""
    base = re.compile(rf"^(?:rootfs|mp\d+|unused\d+):.*[:/](?:base|basevol|basedisk)-{ctid}-[^/,\s]+/", re.MULTILINE)
    found = set()
    for path in glob.glob(f"{pve}/nodes/*/lxc/*.conf"):
        name = os.path.basename(path)[:-5]
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except FileNotFoundError:
            continue  # destroyed meanwhile
        if name.isdigit() and int(name) != ctid and base.search(text):
            found.add(int(name))
    return tuple(sorted(found))


class Observer:
    """Reads one node. ``look_inside`` is off where the ledger doesn't matter."""

    def __init__(
        self, pve: str = PVE, look_inside: bool = True, running: Callable[[], set[int]] = running_ctids
    ) -> None:
        self.pve = pve
        self._running = running
        self.node = node_name(pve)
        self.boot = node_boot()
        self.storages = storage_types(f"{pve}/storage.cfg")
        self.backup_stores = backup_stores(f"{pve}/storage.cfg", self.node)
        self._look_inside = look_inside
        self._filters = read_firewall("cluster", pve).options.get("enable", "0") != "0"

    def read_conf(self, ctid: int) -> tuple[ConfFile | None, str]:
        """(config, digest) of a container, (None, '') when it doesn't exist here."""
        return read_conf(self.node, ctid, self.pve)

    def is_running(self, ctid: int) -> bool:
        """Whether one container runs now."""
        return ctid in self._running()

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
        """One container, and the head of its clone source when it has one.

        ``clones``: look for linked clones of it as well, in the configs of all guests of the node. ``view``: what a
        look inside has told already.
        """
        running = self._running() if running is None else running
        conf, digest = read_conf(self.node, ctid, self.pve)
        found: dict[str, Any] = {
            "storages": self.storages,
            "firewall": read_firewall(str(ctid), self.pve),
            "datacenter_firewall": self._filters,
            "pool": pool_of(read_pools(self.pve), ctid),
            "ha": read_ha(self.pve).get(ctid),
            "backup_stores": self.backup_stores,
            "ha_rules": harules.of(ha_rules(self.pve), ctid),
        }
        if source is not None:
            conf_of_source = read_conf(self.node, source, self.pve)[0]
            there = Observation(source, conf_of_source is not None, conf=conf_of_source or ConfFile())
            replaced = instance.foreign(there, source_record) if source_record is not None else None
            found["source_replaced"] = replaced
            if source_record is not None and source_record.ours and replaced is None:
                found["source_word"] = source_record.word or "defined"
                found["source_ledger"] = source_record.ledger
                found["source_applied"] = source_record.applied
                found["source_volumes"] = source_record.volumes
            found["source"] = conf_of_source
            found["source_running"] = source in running
            found["source_firewall"] = read_firewall(str(source), self.pve)
        if conf is None:
            elsewhere, moved = taken_elsewhere(self.node, ctid, self.pve)
            return Observation(ctid=ctid, elsewhere=elsewhere, moved=moved, **found)
        if clones:
            found["linked_clones"] = linked_clones(ctid, self.pve)
        is_running = ctid in running
        if is_running and self._look_inside:
            found.update(inside(view or glance.look(ctid, self.boot)))
        # An intent without its worker proves nothing: this container may be foreign.
        if record.creating is not None and record.creating.get("upid"):
            found["creating"] = "failed" if conf.head.get("lock") == "create" else "done"
        return Observation(ctid=ctid, exists=True, running=is_running, conf=conf, digest=digest, **found)

    def observe_all(
        self,
        wanted: Iterable[tuple[int, int | None, Record, Record | None]],
        clones: Collection[int] = (),
        faults: dict[int, str] | None = None,
    ) -> dict[int, Observation]:
        """Many containers: one look inside all that run. ``clones``: those whose linked clones matter.

        What goes wrong with one container is put into ``faults`` by its CTID, and the others are observed.
        """
        running = self._running()
        asked = list(wanted)
        views = self._views([ctid for ctid, *_more in asked if ctid in running])
        seen = {}
        for ctid, source, record, source_record in asked:
            try:
                seen[ctid] = self.observe(ctid, source, record, running, source_record, ctid in clones, views.get(ctid))
            except Exception as error:
                if faults is None:
                    raise
                faults[ctid] = failure(error)
        return seen

    def _views(self, ctids: list[int]) -> dict[int, guest.GuestView]:
        """What is inside of running containers. A look by a process of the guest takes its time: those side by side."""
        if not self._look_inside or not ctids:
            return {}
        views = glance.look_all(ctids, self.boot)
        left = [ctid for ctid in ctids if ctid not in views]
        if left:
            from concurrent.futures import ThreadPoolExecutor  # rarely needed, and nothing else loads it

            with ThreadPoolExecutor(max_workers=WORKERS) as pool:
                views.update(zip(left, pool.map(self._slowly, left)))
        return views

    def _slowly(self, ctid: int) -> guest.GuestView:
        try:
            return guest.look(ctid, self.boot)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with one container is a fault of that one
            return guest.GuestView(error=failure(error))


def inside(view: guest.GuestView) -> dict[str, Any]:
    """The look inside a container as parts of its observation."""
    found: dict[str, Any] = {
        "boot": view.boot,
        "address": view.address or view.address_6,
        "ledger_error": view.error,
    }
    if view.ledger_text is not None and view.error is None:
        try:
            found["ledger"] = ledger.parse(view.ledger_text)
        except ledger.LedgerError as error:
            found["ledger_error"] = str(error)
    if found.get("ledger") is None and view.error is None:
        found["ledger"] = ledger.empty()
    return found
