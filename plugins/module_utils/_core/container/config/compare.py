# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The comparison of desired, actual and last applied config: which options change, and what that disrupts."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...pve import rawlines
from ...pve.conffile import ConfFile
from ...pve.fwfile import Firewall
from ..cluster import affinity, availability, firewall_changes, membership
from ..harules import Rule
from ..model import HOT, NOTHING, RESTART, Record, Wanted
from ..registry.wanted_options import WantedOption
from . import hostneeds, mounts, networks, protection
from .changes import Changes
from .options import claimed, is_at_once, is_hot, new_value, same_option, shown, undone_value

RAW = "lxc"  # the key under which the record keeps the raw lines that we applied
# In the record, and no options of the config.
ASIDE = frozenset({RAW, firewall_changes.KEY, membership.KEY, availability.KEY})


@dataclass(frozen=True)
class Reverts:
    """The options whose waiting change goes first: why, and the live values that the record then claims as ours.

    PVE keeps the pending value of an option that is deleted, and so the option comes back with the next start; of a
    volume whose deletion waits only a revert keeps the data where they are (PVE facts, 'Pending changes').
    """

    reasons: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.reasons)

    def after(self, record: Record) -> Record:
        """The record once they are made: what is to be deleted then is known as ours."""
        return replace(record, applied={**record.applied, **self.claims}) if self.claims else record


class Comparison:
    """One container's config, compared with what is desired and with what was applied last: each part worked out once.

    ``conf`` is the config with what waits for a restart; ``running`` whether the container runs with it.
    """

    def __init__(self, wanted: Wanted, conf: ConfFile, record: Record, running: bool = False) -> None:
        self.wanted, self.conf, self.record, self.running = wanted, conf, record, running

    @functools.cached_property
    def places(self) -> mounts.Mounts:
        """The mount points of the configuration, each in its slot."""
        return mounts.find(self.wanted, self.conf, self.record, self.running)

    @functools.cached_property
    def options(self) -> Mapping[str, WantedOption]:
        """The PVE options that the container's configuration and its features ask for."""
        wanted = self.wanted
        actual = self.conf.merged()
        options = {
            **wanted.desired.options,
            **networks.placed(wanted.desired.networks, {**self.conf.head, **actual}),
            **self.places.desired(),
            **hostneeds.desired_devices(wanted, self.conf),
        }
        if wanted.desired.firewall.enabled:
            options.update(networks.filtered(options, actual))
        return options

    @functools.cached_property
    def after(self) -> Comparison:
        """The same once what `reverts` names is reverted."""
        undone = self.reverts
        if not undone:
            return self
        return Comparison(self.wanted, self.conf.reverted(undone.reasons), undone.after(self.record), self.running)

    @property
    def reverts(self) -> Reverts:
        """The options whose waiting change must go before `changes`."""
        return self._judged[1]

    @property
    def changes(self) -> Changes:
        """What one PUT must change, once what `reverts` names is reverted."""
        return self.after._judged[0]

    @functools.cached_property
    def lines(self) -> tuple[list[rawlines.Line], list[rawlines.Line]]:
        """Raw lines to add and to remove."""
        there = self.conf.raw
        wanted = hostneeds.wanted_lines(self.wanted)
        add, remove = rawlines.changes(wanted, there, self.record.applied.get(RAW))
        foreign = hostneeds.lines_not_assigned(self.wanted, there)
        return add, remove + [line for line in foreign if line not in remove]

    def firewall(self, there: Firewall) -> firewall_changes.Changes:
        """What is to change in the container's firewall."""
        applied = self.record.applied.get(firewall_changes.KEY)
        return firewall_changes.changes(self.wanted.desired.firewall, there, applied)

    def move(self, there: str) -> membership.Move | None:
        """What brings the container from its pool into the one that it is to be in, or out of it."""
        applied = self.record.applied.get(membership.KEY)
        return membership.move(self.wanted.ctid, self.wanted.desired.resource_pool, there, applied)

    def managing(self, there: Mapping[str, str] | None) -> availability.Managing | None:
        """What brings the HA manager's entry of the container to what is asked, or takes it out of HA."""
        applied = self.record.applied.get(availability.KEY)
        return availability.change(self.wanted.ctid, self.wanted.desired.ha, there, applied)

    def rules(self, there: Mapping[str, Rule]) -> affinity.Changes:
        """What brings the container into the HA manager's rules that it is to be in, and out of earlier ones."""
        return affinity.changes(self.wanted.ctid, self.wanted.desired.ha_rules, there, self.record.ha_rules)

    @functools.cached_property
    def _judged(self) -> tuple[Changes, Reverts]:
        conf, record, options = self.conf, self.record, self.options
        actual = conf.merged()
        changes = _Writes(conf, record, self.places.live())
        for key, option in options.items():
            value = new_value(option, actual.get(key), record.applied.get(key))
            if value is not None or key in changes.wanted_live:
                changes.put(key, value, option.source)
        for key, earlier in record.applied.items():
            if key in options or key in ASIDE:
                continue
            undone = undone_value(key, actual.get(key), earlier)
            if undone:
                changes.put(key, undone[1], None)
        for key in hostneeds.not_assigned(self.wanted, actual, options):
            if key not in changes.delete:
                changes.put(key, None, hostneeds.SOURCE)
        if protection.is_inherited(record) and protection.is_on(actual) and protection.KEY not in options:
            changes.put(protection.KEY, None, next(iter(record.origin or ())))
        made = Changes(
            set=changes.set,
            delete=tuple(sorted(changes.delete)),
            reasons=changes.reasons,
            applied=self._remembered(),
            disrupts=_disruption(changes.set, changes.delete, conf.head, self.running),
            volumes=mounts.remembered(self.places, conf, record),
        )
        return made, Reverts(changes.reverts, changes.claims)

    def _remembered(self) -> dict[str, Any]:
        """What the record has of the values, once they are applied."""
        result = {key: option.remembered() for key, option in self.options.items()}
        lines = hostneeds.wanted_lines(self.wanted)
        if lines:
            result[RAW] = [list(line) for line in lines]
        if self.wanted.desired.resource_pool:
            result[membership.KEY] = self.wanted.desired.resource_pool
        if self.wanted.desired.ha is not None:
            result[availability.KEY] = dict(self.wanted.desired.ha)
        rules = self.wanted.desired.firewall.remembered()
        return {**result, firewall_changes.KEY: rules} if rules else result


class _Writes:
    """Sorts each change into what is set, what is deleted, and what is reverted first."""

    def __init__(self, conf: ConfFile, record: Record, wanted_live: set[str]) -> None:
        self.conf, self.record, self.wanted_live = conf, record, wanted_live
        self.actual = conf.merged()
        self.set: dict[str, str] = {}
        self.delete: list[str] = []
        self.reasons: dict[str, str] = {}
        self.reverts: dict[str, str] = {}
        self.claims: dict[str, Any] = {}

    def put(self, key: str, value: str | None, source: str | None) -> None:
        """One option and the value that it gets, None for its deletion; ``source`` is its key in the configuration."""
        if self._waits_wrongly(key, value):
            pending = self.conf.pending.get(key)
            waits = "its deletion" if pending is None else pending
            live = self.conf.head.get(key)
            if value is None and live and key not in self.wanted_live and self._may_claim(key, live):
                self.claims[key] = claimed(key, live)
            self.reverts[key] = f"{key}: {waits} waits for a restart and is reverted{f' ({source})' if source else ''}"
        elif value is not None:
            self.set[key] = value
            was, now = shown(key, self.actual.get(key)), shown(key, value)
            self.reasons[key] = f"{key}: {was} -> {now} ({source})" if source else gone(key)
        else:
            self.delete.append(key)
            is_left = f"{key}: {shown(key, self.actual.get(key))} is not assigned ({source})"
            self.reasons[key] = is_left if source else gone(key)

    def _may_claim(self, key: str, live: str) -> bool:
        """Whether the live value can be an earlier one of ours: a volume is only when it is known as ours."""
        volume = mounts.volume_of(live) if mounts.is_mount(key) else ""
        waiting = self.conf.pending.get(key)
        known = {tied.get("volume") for tied in self.record.volumes.values()}
        return not volume or waiting is None or volume in {*known, mounts.volume_of(waiting)}

    def _waits_wrongly(self, key: str, value: str | None) -> bool:
        """Whether what waits of an option must be reverted, and whatever is left to change comes after that."""
        conf, live = self.conf, self.conf.head.get(key)
        if key not in conf.pending and key not in conf.deletions:
            return False
        if key in self.wanted_live or value is None:
            return True
        # Another value replaces what waits, a deletion too: at the start the value wins.
        return live is not None and same_option(key, value, live)


def gone(key: str) -> str:
    """The reason of what is undone."""
    return f"{key}: an earlier run set it, and the configuration no longer has it"


def _disruption(to_set: Mapping[str, str], delete: Iterable[str], actual: Mapping[str, str], running: bool) -> str:
    if not running or all(is_at_once(key) for key in [*to_set, *delete]):
        return NOTHING
    return RESTART if _waiting(to_set, delete, actual) else HOT


def _waiting(to_set: Mapping[str, str], delete: Iterable[str], actual: Mapping[str, str]) -> list[str]:
    waiting = [key for key in to_set if not is_hot(key, actual)]
    return sorted(waiting + [key for key in delete if not is_hot(key, actual, deleted=True)])


def left_waiting(changes: Changes, conf: ConfFile) -> set[str]:
    """What waits for a restart of a running container after this write.

    PVE forgets what it held back of an option as soon as that is what the container runs with.
    """
    live = conf.head
    touched = {*changes.set, *changes.delete}
    waiting = _waiting(changes.set, changes.delete, live)
    return {key for key in conf.pending if key not in touched} | {
        key for key in waiting if changes.set.get(key) != live.get(key)
    }
