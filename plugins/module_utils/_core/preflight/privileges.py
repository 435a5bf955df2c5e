# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The privileges that a run's calls need, and which of them a credential lacks.

What each call checks is read from pve-container's API (create, clone, update, resize, status, snapshot) and from PVE
facts, 'Identity'. root@pam has every privilege, so no privilege is checked for it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..container.config import hostneeds
from ..container.registry import table
from ..container.registry.option import has_reached
from ..pve import properties
from ..pve.apicalls import FIREWALL, Kind
from .candidates import Candidate, Path, changed
from .demands import BACKUP, BRIDGE, DISK, TEMPLATE, Demand

ROOT = "root@pam"

# Roles that PVE brings along, by the privilege that they are to grant.
ROLES = {
    "Datastore.AllocateSpace": "PVEDatastoreUser",
    "Datastore.AllocateTemplate": "PVEDatastoreAdmin",
    "SDN.Use": "PVESDNUser",
    "Pool.Allocate": "PVEPoolAdmin",
    "Sys.Console": "PVESysAdmin",
    "Sys.Audit": "PVEAuditor",
}
VM_ROLE = "PVEVMAdmin"
# Privileges that no role but Administrator has: a role of their own grants no more than what lacks.
OWN_ROLES = {"Sys.Modify": "PhoenixSysModify"}
_ROOTS_SINCE = (9, 0)  # of Proxmox VE, which then asks for more where a privileged container is created
OWN_ZONE = "localnetwork"  # of the bridges that are no virtual network of the SDN

# What a call needs on the container that it acts on.
CALL_PRIVILEGES: Mapping[Kind, str] = {
    Kind.CREATE: "VM.Allocate",
    Kind.DESTROY: "VM.Allocate",
    Kind.TEMPLATE: "VM.Allocate",
    Kind.START: "VM.PowerMgmt",
    Kind.STOP: "VM.PowerMgmt",
    Kind.SHUTDOWN: "VM.PowerMgmt",
    Kind.REBOOT: "VM.PowerMgmt",
    Kind.SNAPSHOT: "VM.Snapshot",
    Kind.SNAPSHOT_DELETE: "VM.Snapshot",
    Kind.ROLLBACK: "VM.Snapshot",
    Kind.RESIZE: "VM.Config.Disk",
    Kind.CLONE: "VM.Clone",
    **dict.fromkeys(FIREWALL, "VM.Config.Network"),
}


@dataclass(frozen=True)
class Need:
    """One privilege on one of PVE's access paths, and the key of the file that asks for it."""

    where: str
    privilege: str
    path: Path


def needs(
    candidates: Iterable[Candidate], wanted: Iterable[Demand], vnets: Mapping[str, str], version: str = ""
) -> list[Need]:
    """All privileges that the plans' calls and what they ask of the node need, each once.

    ``vnets`` are the virtual networks of the cluster: name -> zone. Other bridges are in the zone of the node's own.
    ``version`` is the node's Proxmox VE.
    """
    found: dict[tuple[str, str], Need] = {}
    for candidate in candidates:
        for need in _of_calls(candidate, version):
            found.setdefault((need.where, need.privilege), need)
    for item in wanted:
        for need in _of_demand(item, vnets):
            found.setdefault((need.where, need.privilege), need)
    return list(found.values())


def asking(
    lacking: Need,
    names: Iterable[str],
    candidates: Iterable[Candidate],
    wanted: Iterable[Demand],
    vnets: Mapping[str, str],
    version: str = "",
) -> list[int]:
    """The containers that need one of these privileges on one of PVE's access paths."""
    missing_there = {(lacking.where, name) for name in names}
    found = [
        candidate.ctid
        for candidate in candidates
        if any((need.where, need.privilege) in missing_there for need in _of_calls(candidate, version))
    ]
    found += [
        item.ctid
        for item in wanted
        if any((need.where, need.privilege) in missing_there for need in _of_demand(item, vnets))
    ]
    return found


def _of_calls(candidate: Candidate, version: str) -> Iterator[Need]:
    own = f"/vms/{candidate.ctid}"
    for kind, ctid, params in candidate.calls():
        if kind is Kind.CREATE and str(params.get("unprivileged")) == "0" and has_reached(version, _ROOTS_SINCE):
            yield Need("/", "Sys.Modify", candidate.place("unprivileged"))
        if kind in CALL_PRIVILEGES:
            yield Need(f"/vms/{ctid}", CALL_PRIVILEGES[kind], candidate.place())
        if kind is Kind.POOL:
            pool = candidate.desired.resource_pool
            yield from [Need(f"/pool/{pool}", "Pool.Allocate", candidate.place("pool"))] if pool else ()
        if kind in (Kind.HA, Kind.HA_RULE):
            place = candidate.place(*(() if candidate.desired.ha is None else ("ha",)))
            yield Need("/", "Sys.Console", place)
            if kind is Kind.HA_RULE:  # a rule is read before it is changed
                yield Need("/", "Sys.Audit", place)
        if kind is Kind.CLONE:
            yield Need(own, "VM.Allocate", candidate.place())
        if kind is Kind.CONFIG:
            for key in changed(params):
                yield Need(own, table.row(key).privilege, candidate.place())


def _of_demand(item: Demand, vnets: Mapping[str, str]) -> Iterator[Need]:
    if item.kind == BACKUP and item.detail:
        yield Need(f"/vms/{item.detail}", "VM.Backup", item.path)
    if item.kind in (BACKUP, DISK, TEMPLATE):
        yield Need(f"/storage/{item.name}", "Datastore.AllocateSpace", item.path)
    elif item.kind == BRIDGE:
        bridge = f"/sdn/zones/{vnets.get(item.name, OWN_ZONE)}/{item.name}"
        vlans = [vlan for vlan in item.detail.split(";") if vlan]
        for where in [f"{bridge}/{vlan}" for vlan in vlans] or [bridge]:
            yield Need(where, "SDN.Use", item.path)


def download_need(storage: str, path: Path) -> Need:
    """What fetching a template into a storage needs."""
    return Need(f"/storage/{storage}", "Datastore.AllocateTemplate", path)


def held(permissions: Mapping[str, Mapping[str, object]], where: str) -> frozenset[str]:
    """The privileges on a path, from the answer of GET /access/permissions: {path: {privilege: propagates}}.

    The nearest listed path decides; from one further up only what propagates counts.
    """
    parts = where.strip("/").split("/")
    for length in range(len(parts), -1, -1):
        path = "/" + "/".join(parts[:length])
        if path in permissions:
            exact = length == len(parts)
            return frozenset(name for name, propagates in permissions[path].items() if exact or propagates)
    return frozenset()


def missing(permissions: Mapping[str, Mapping[str, object]], wanted: Iterable[Need]) -> list[tuple[Need, list[str]]]:
    """(where, with the key that first asked for it; the privileges that lack there), in the order of asking."""
    lacking: dict[str, tuple[Need, list[str]]] = {}
    for need in wanted:
        if need.privilege not in held(permissions, need.where):
            _first, names = lacking.setdefault(need.where, (need, []))
            names.append(need.privilege)
    return list(lacking.values())


def role_for(privilege: str) -> str:
    """The role that grants a privilege: PVE's own, or one that is to be made."""
    return OWN_ROLES.get(privilege) or ROLES.get(privilege, VM_ROLE)


def grant(credential: str, where: str, privileges: Collection[str]) -> str:
    """The ``pveum`` command that grants what lacks. A token needs it for itself and for its user.

    Roles for bridges are given for their whole zone, as PVE's documentation does.
    """
    roles = sorted({role_for(privilege) for privilege in privileges})
    user, _separator, _name = credential.partition("!")
    who = [] if user == ROOT else ["--users", user]
    if user != credential:
        who += ["--tokens", credential]
    zone = re.match(r"^(/sdn/zones/[^/]+)/", where)
    words = ["pveum", "acl", "modify", zone.group(1) if zone else where, *who, "--roles", ",".join(roles)]
    made = [f"pveum role add {OWN_ROLES[name]} --privs {name}" for name in privileges if name in OWN_ROLES]
    return " && ".join([*made, " ".join(shlex.quote(word) for word in words)])


def only_root(
    candidates: Iterable[Candidate], heads: Mapping[int, Mapping[str, str]] | None = None
) -> Iterator[tuple[Path, str]]:
    """(key, what) of all that PVE lets only root@pam itself do, whatever is granted (PVE facts, 'Identity').

    ``heads``: the configs of containers that exist.
    """
    for candidate in candidates:
        if _is_privileged(candidate, heads or {}):
            for key, what in _of_privileged(candidate):
                yield candidate.place(*_source(candidate, key, "")), what
        if any(edit.get("add") is not None for edit in candidate.edits()):
            # Not the instance id, which the node itself writes.
            yield candidate.place("lxc_options"), "raw lines"
        for kind, _ctid, params in candidate.calls():
            if kind is not Kind.CONFIG:
                continue
            for key, value in params.items():
                what_of_root = table.row(key).root_only(str(value))
                if what_of_root:
                    yield candidate.place(*_source(candidate, key, str(value))), what_of_root


def _is_privileged(candidate: Candidate, heads: Mapping[int, Mapping[str, str]]) -> bool:
    """Whether the container is, or becomes by this plan, a privileged one."""
    ctid = candidate.ctid
    for kind, other, params in candidate.calls():
        if kind is Kind.CREATE:
            return str(params.get("unprivileged")) == "0"
        if kind is Kind.CLONE:
            ctid = other
    return ctid in heads and heads[ctid].get("unprivileged") != "1"


def _of_privileged(candidate: Candidate) -> Iterator[tuple[str, str]]:
    for kind, _ctid, params in candidate.calls():
        if kind in (Kind.CREATE, Kind.CONFIG):
            keys = changed(params) if kind is Kind.CONFIG else list(params)
            found = [(key, table.row(key).root_privileged) for key in keys]
            yield from ((key, what) for key, what in found if what)


def _source(candidate: Candidate, option: str, value: str) -> tuple[str | int, ...]:
    """The key that asks for an option, for the place of a finding."""
    row = table.row(option)
    if row.name == "dev":
        return hostneeds.place_of(candidate.desired, properties.parse(value, "path").get("path", ""))
    return (row.source,) if row.source else ()
