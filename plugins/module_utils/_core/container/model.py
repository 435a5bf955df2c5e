# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner's vocabulary: desired, observed and recorded state, and the steps between them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..pve.apicalls import Call, Kind, container_call
from ..pve.conffile import ConfFile
from ..pve.fwfile import Firewall
from ..pve.passthrough import Device
from . import recordvalues, states
from .applied.work import Application, Feature, features_of
from .desired import Desired, understand
from .harules import Rule as HaRule
from .layering import Layering
from .refusal import Refusal

if TYPE_CHECKING:
    from ..system.package_updates import Listed

# What a step disrupts, in rising order. 'impossible' is reported, never tried.
NOTHING = "nothing"
HOT = "hot"
RESTART = "restart"
RECREATE = "recreate"
IMPOSSIBLE = "impossible"

DUE = "due"


@dataclass(frozen=True)
class Entry:
    """One mutation, as check mode predicts it and as a real run journals it.

    ``op`` is pve (an API call: ``call``), node (a write in the product's state directory), folder (one that is made on
    the node), feature, application or health.
    """

    op: str
    what: str
    params: Mapping[str, Any] = field(default_factory=dict)
    call: Call | None = None

    def as_dict(self) -> dict[str, Any]:
        """For results, diffs and comparisons. A call also says what Call has of it, so that nobody reads its text."""
        shown = {"op": self.op, "what": self.what, "params": dict(self.params)}
        return shown if self.call is None else {**shown, "kind": self.call.kind.value, "ctid": self.call.ctid}


def entry_of(call: Call) -> Entry:
    """The mutation that is a call to PVE."""
    return Entry("pve", call.what, call.params, call)


def on_container(
    kind: Kind, node: str, ctid: int, params: Mapping[str, Any] | None = None, snapshot: str = ""
) -> Entry:
    """The mutation that is a call to PVE on a container."""
    return entry_of(container_call(kind, node, ctid, params, snapshot))


@dataclass(frozen=True)
class Step:
    """One transition or change, with its reason and the exact mutations that it makes."""

    kind: str
    reason: str
    entries: tuple[Entry, ...] = ()
    disrupts: str = NOTHING
    goes_to: str | None = None
    by_play: bool = False
    name: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For results and diffs."""
        return {
            "kind": self.kind,
            "name": self.name,
            "reason": self.reason,
            "disrupts": self.disrupts,
            "state": self.goes_to,
            "entries": [entry.as_dict() for entry in self.entries],
        }


@dataclass(frozen=True)
class Plan:
    """The planner's whole answer for one container."""

    state: str
    steps: tuple[Step, ...] = ()
    refusal: Refusal | None = None
    waiting: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    due_features: tuple[Mapping[str, str], ...] = ()
    application_due: str | None = None
    health_due: str | None = None
    final_state: str = ""

    @property
    def error(self) -> str | None:
        """The refusal as text."""
        return self.refusal.text() if self.refusal else None

    def as_dict(self) -> dict[str, Any]:
        """For results and diffs."""
        return {
            "state": self.state,
            "final_state": self.final_state,
            "steps": [step.as_dict() for step in self.steps],
            "error": self.error,
            "refusal": self.refusal.to_json() if self.refusal else None,
            "waiting": list(self.waiting),
            "notes": list(self.notes),
            "due_features": [dict(item) for item in self.due_features],
            "application_due": self.application_due,
            "health_due": self.health_due,
        }


@dataclass(frozen=True)
class Moved:
    """The container of another node of the cluster that has the CTID."""

    node: str
    conf: ConfFile


@dataclass(frozen=True)
class Past:
    """What PVE's list of tasks says of a CTID, in words; empty for nothing.

    ``made`` is how the container that exists was made, ``destroyed`` how the one on record was destroyed, ``restored``
    whether a backup was restored after that, ``failed`` how the creation that a run of ours began has failed.
    """

    made: str = ""
    destroyed: str = ""
    restored: bool = False
    failed: str = ""


@dataclass(frozen=True)
class Observation:
    """One container as the node shows it. ``boot`` names the container's current start (None when stopped).

    ``firewall`` may be there before the container is: PVE looks after the file by the CTID alone.
    ``above`` is the clone source, seen in the same way, where this run still has work on it. ``source_replaced`` says
    why the source is not the container on record, ``past`` is None where PVE's tasks were not asked. ``backup`` is the
    config in the backup to restore, ``backup_error`` why it can't be read; both also of the ledger in it.
    ``saved`` is the guard's backup, ``backup_stores`` are storages for one, ``updates`` those of its packages (None for
    not asked), ``layering`` what the node's layers mean for it, None for nothing.
    """

    ctid: int
    exists: bool = False
    running: bool = False
    conf: ConfFile = field(default_factory=ConfFile)
    digest: str = ""
    elsewhere: str | None = None
    boot: str | None = None
    address: str | None = None
    ledger: Mapping[str, Any] | None = None
    ledger_error: str | None = None
    source: ConfFile | None = None
    source_running: bool = False
    source_word: str | None = None
    source_ledger: Mapping[str, Any] | None = None
    source_applied: Mapping[str, Any] = field(default_factory=dict)
    source_volumes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    above: Observation | None = None
    storages: Mapping[str, str] = field(default_factory=dict)
    creating: str | None = None
    later_task: str | None = None
    firewall: Firewall = field(default_factory=Firewall)
    source_firewall: Firewall = field(default_factory=Firewall)
    datacenter_firewall: bool = True
    linked_clones: tuple[int, ...] = ()
    pool: str = ""
    ha: Mapping[str, str] | None = None
    ha_rules: Mapping[str, HaRule] = field(default_factory=dict)
    past: Past | None = None
    source_replaced: str | None = None
    moved: Moved | None = None
    backup: ConfFile | None = None
    backup_error: str = ""
    backup_ledger: Mapping[str, Any] | None = None
    backup_ledger_error: str = ""
    saved: str = ""
    backup_stores: tuple[str, ...] = ()
    updates: Listed | None = None
    layering: Layering | None = None

    @property
    def lock(self) -> str | None:
        """PVE's config lock, or None."""
        return self.conf.head.get("lock") or None

    @property
    def template(self) -> bool:
        """Whether it has been converted to a template."""
        return self.conf.head.get("template") == "1"

    @property
    def tags(self) -> frozenset[str]:
        """Its PVE tags, in lower case as they are compared."""
        text = self.conf.head.get("tags", "").replace(",", ";").replace(" ", ";")
        return frozenset(tag.lower() for tag in text.split(";") if tag)


@dataclass(frozen=True)
class Record:
    """What the node remembers of earlier runs: the state word, ownership and the values last applied.

    ``volumes`` ties the names of the configuration's volumes to PVE's (see mounts). ``dhcp`` are the interfaces that
    were set to DHCP while the container ran, with that boot: PVE starts no client before the next one.
    ``halted`` is the run that stopped it on request, ``powered`` the latest one that started it on request, ``forced``
    the latest one that applied something again on request. ``forgotten`` is what the ledger forgot on request.
    ``ha_rules`` are the rules of the HA manager that runs put it into.
    ``instance`` is what the container is recognized by, ``written`` when the record was, in seconds since the epoch.
    ``set_by`` has for each of the values when it was applied last, and the run that did it.
    ``replaced`` says why nothing else is remembered: the container that exists is not the one on record.
    ``layer`` is the archive of the layer that it was created from, ``fresh`` the run that created it for a layer to be.
    ``host_key`` is that of its SSH server, where runs reach its inside by that.
    """

    word: str | None = None
    ours: bool = False
    applied: Mapping[str, Any] = field(default_factory=dict)
    creating: Mapping[str, Any] | None = None
    ledger: Mapping[str, Any] | None = None
    raw_boot: str | None = None
    identity_due: bool = False
    assume_installed: bool = False
    forget_ledger: bool = False
    checked_boot: str | None = None
    recreating: Mapping[str, Any] | None = None
    origin: Mapping[str, Any] | None = None
    guarding: Mapping[str, Any] | None = None
    volumes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    instance: Mapping[str, Any] | None = None
    written: int | None = None
    replaced: str | None = None
    dhcp: Mapping[str, str] = field(default_factory=dict)
    halted: str | None = None
    powered: str | None = None
    forced: str | None = None
    forgotten: tuple[str, ...] = ()
    set_by: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ha_rules: Mapping[str, str] = field(default_factory=dict)
    layer: str | None = None
    fresh: str | None = None
    host_key: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any], word: str | None = None, written: int | None = None) -> Record:
        """The record's file, with the state file's word. What is of another form than ours counts as not there."""
        return cls(
            word=word,
            ours=data.get("ours") is True,
            applied=recordvalues.applied(data.get("applied")),
            creating=recordvalues.begun(data.get("creating")),
            ledger=recordvalues.cached(data.get("ledger")),
            raw_boot=recordvalues.text(data.get("raw_boot")),
            identity_due=data.get("identity") == DUE,
            assume_installed=data.get("assume_installed") is True,
            forget_ledger=data.get("forget_ledger") is True,
            checked_boot=recordvalues.text(data.get("checked_boot")),
            recreating=recordvalues.begun(data.get("recreating")),
            origin=recordvalues.origin(data.get("origin")),
            guarding=recordvalues.begun(data.get("guarding")),
            volumes=recordvalues.tied(data.get("volumes")),
            instance=recordvalues.instance(data.get("instance")),
            written=written if data else None,
            halted=recordvalues.text(data.get("halted")),
            powered=recordvalues.text(data.get("powered")),
            forced=recordvalues.text(data.get("forced")),
            forgotten=recordvalues.texts(data.get("forgotten")),
            dhcp=recordvalues.words(data.get("dhcp")),
            set_by=recordvalues.stamps(data.get("set_by")),
            ha_rules=recordvalues.words(data.get("ha_rules")),
            layer=recordvalues.text(data.get("layer")),
            fresh=recordvalues.text(data.get("fresh")),
            host_key=recordvalues.text(data.get("host_key")),
        )

    def to_json(self) -> dict[str, Any]:
        """Every key of the record's file; None for one that the file doesn't have then."""
        return {
            "ours": self.ours or None,
            "applied": dict(self.applied),
            "creating": self.creating,
            "ledger": self.ledger,
            "raw_boot": self.raw_boot,
            "identity": DUE if self.identity_due else None,
            "assume_installed": self.assume_installed or None,
            "forget_ledger": self.forget_ledger or None,
            "checked_boot": self.checked_boot,
            "recreating": self.recreating,
            "origin": self.origin,
            "guarding": self.guarding,
            "volumes": dict(self.volumes) or None,
            "instance": self.instance,
            "dhcp": dict(self.dhcp) or None,
            "ha_rules": dict(self.ha_rules) or None,
            "halted": self.halted,
            "powered": self.powered,
            "forced": self.forced,
            "forgotten": list(self.forgotten) or None,
            "set_by": dict(self.set_by) or None,
            "layer": self.layer,
            "fresh": self.fresh,
            "host_key": self.host_key,
        }


@dataclass(frozen=True)
class Wanted:
    """The desired container: its JSON configuration, the features with their digests, and where to stop.

    ``source`` is the clone source when this run still has work on it; ``clone_snapshot`` the snapshot to clone from;
    ``inherited`` names the features that only its sources list; ``recreate`` is the consent to destroy it and make it
    again, ``run`` who says so. ``classes`` are the devices that features of the sources need, ``assignment`` the GPUs,
    None for all; ``devices`` and ``device_error`` follow from both on the node (see hostneeds), None where none is
    needed, and ``spare`` are the device nodes of the other GPUs there; ``missing`` are the folders with an owner that
    the node lacks. ``version`` is the node's Proxmox VE, empty where nobody has looked. ``guarded``: whether the
    configuration's guard counts in this run. ``power`` or ``update``: what is asked instead of its target state.
    ``force`` names what is applied again once, ``forget`` what the ledger forgets. ``layers``: where they are kept.
    """

    ctid: int
    node: str
    config: Mapping[str, Any]
    features: tuple[Feature, ...] = ()
    application: Application | None = None
    target: str = "completed"
    adopt: str = "no"
    destroy_confirmed: bool = False
    source: Wanted | None = None
    clone_snapshot: str | None = None
    inherited: tuple[str, ...] = ()
    recreate: bool = False
    run: str = ""
    classes: tuple[str, ...] = ()
    assignment: str | None = None
    devices: tuple[Device, ...] | None = None
    device_error: Refusal | None = None
    spare: tuple[str, ...] = ()
    missing: frozenset[str] = frozenset()
    version: str = ""
    guarded: bool = True
    power: str = ""
    force: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()
    update: str = ""
    layers: Mapping[str, Any] | None = None

    @classmethod
    def from_options(cls, given: Mapping[str, Any], node: str) -> Wanted:
        """A container and its clone sources, from WANTED_OPTIONS and ``run``, who asks for it."""
        ctid = int(given["ctid"])
        return cls(
            ctid=ctid,
            node=node,
            config=given.get("config") or {},
            features=features_of(given.get("features") or ()),
            application=Application.from_json(given["application"]) if given.get("application") else None,
            target=given.get("state") or states.COMPLETED,
            adopt=given.get("adopt") or "no",
            destroy_confirmed=ctid in (given.get("confirm") or ()),
            source=cls.from_options(given["source"], node) if given.get("source") else None,
            clone_snapshot=given.get("clone_snapshot"),
            inherited=tuple(given.get("inherited") or ()),
            recreate=ctid in (given.get("recreate") or ()),
            run=str((given.get("run") or {}).get("id") or ""),
            classes=tuple(given.get("classes") or ()),
            assignment=given.get("assignment"),
            power=given.get("power") or "",
            force=tuple(given.get("force") or ()),
            forget=tuple(given.get("forget") or ()),
            update=given.get("update") or "",
            layers=given.get("layers"),
        )

    def without(self, key: str) -> Wanted:
        """The container without one key of its configuration."""
        return replace(self, config={name: value for name, value in self.config.items() if name != key})

    @functools.cached_property
    def desired(self) -> Desired:
        """What its configuration asks for, understood once."""
        flags = (pair for feature in self.features for pair in feature.flags.items())
        return understand(self.config, dict(flags))
