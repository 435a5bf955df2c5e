# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entry that the HA manager of the cluster has of the container, which stands beside its config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...pve.apicalls import Call, Kind
from .. import states

KEY = "ha"  # of the file and of the record
STATE = "state"
GROUP = "group"
FAILBACK = "failback"
HALTING = frozenset({"stopped", "disabled"})  # states in which the HA manager keeps a container from running
# What PVE goes by where an entry does not have the setting.
_DEFAULTS = {STATE: "started", FAILBACK: "1", "max_restart": "1", "max_relocate": "1"}
_OLD_STATES = {"enabled": "started"}
_RESOURCES = "/cluster/ha/resources"


@dataclass(frozen=True)
class Managing:
    """A change of the entry: the call, the entry after it, and why."""

    call: Call
    after: Mapping[str, str] | None
    reason: str

    @property
    def is_new(self) -> bool:
        """Whether there was no entry before."""
        return self.call.method == "POST"


def conflict(asked: Mapping[str, str] | None, runs: bool, is_template: bool) -> tuple[str, str, str] | None:
    """(key, what contradicts it, what to do) of an entry that keeps the run from its end; ``runs``: it is to run."""
    if asked is None:
        return None
    if is_template:
        return KEY, "a template never runs, so the HA manager can't have it", "remove ha, or is_template"
    state = asked.get(STATE, "")
    if runs and state in HALTING:
        got = f"the HA manager keeps a container from running in state {state}, and this one is to run"
        return f"{KEY}/{STATE}", got, f"write started or ignored, or set target_state to {states.CONFIGURED}"
    return None


def change(
    ctid: int, asked: Mapping[str, str] | None, there: Mapping[str, str] | None, applied: object
) -> Managing | None:
    """What brings the entry to what is asked, or removes the one that an earlier run made."""
    earlier = applied if isinstance(applied, Mapping) else {}
    if asked is None:
        if there is None or applied is None or _is_by_hand(there, earlier):
            return None
        return Managing(removal(ctid), None, "ha: an earlier run set it, and the configuration no longer has it")
    if there is None:
        made = Call("POST", _RESOURCES, {"sid": _sid(ctid), **asked}, kind=Kind.HA, ctid=ctid)
        return Managing(made, dict(asked), f"ha: none -> {_shown(asked)} ({KEY})")
    new = {name: value for name, value in asked.items() if not _is_set(there, name, value)}
    gone = [
        name
        for name, value in earlier.items()
        # Starts and stops change the state, and without one the container would be started.
        if name not in asked and name != STATE and there.get(name) == value
    ]
    if not new and not gone:
        return None
    params = {**new, **({"delete": ",".join(sorted(gone))} if gone else {})}
    after = {**{name: value for name, value in there.items() if name not in gone}, **new}
    call = Call("PUT", f"{_RESOURCES}/{_sid(ctid)}", params, kind=Kind.HA, ctid=ctid)
    return Managing(call, after, f"ha: {_shown(there)} -> {_shown(after)} ({KEY})")


def halts(call: Call) -> bool:
    """Whether the HA manager stops a running container for a call."""
    return call.kind is Kind.HA and str(call.params.get(STATE)) in HALTING


def removal(ctid: int, keep_rules: bool = False) -> Call:
    """The call that takes a container out of HA. Its rules, which PVE 9 has, lose it unless they are to be kept."""
    params = {"purge": 0} if keep_rules else {}
    return Call("DELETE", f"{_RESOURCES}/{_sid(ctid)}", params, kind=Kind.HA, ctid=ctid)


def parse_resources(text: str) -> dict[int, dict[str, str]]:
    """CTID -> the entry of each container (``ct: 950`` begins a section, its settings are indented)."""
    found: dict[int, dict[str, str]] = {}
    entry: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line[0].isspace():
            kind, _colon, name = line.partition(":")
            entry = {}
            if kind == "ct" and name.strip().isdigit():
                found[int(name)] = entry
            continue
        name, _space, value = line.strip().partition(" ")
        entry[name] = value.strip()
    return found


def parse_groups(text: str) -> frozenset[str]:
    """The names of the HA groups (``group: NAME`` begins a section)."""
    heads = (line.partition(":") for line in text.splitlines() if line[:1].strip())
    return frozenset(name.strip() for kind, _colon, name in heads if kind == GROUP and name.strip())


def _sid(ctid: int) -> str:
    return f"ct:{ctid}"


def _is_set(there: Mapping[str, str], name: str, value: str) -> bool:
    found = there.get(name) or _DEFAULTS.get(name, "")
    return _OLD_STATES.get(found, found) == value


def _is_by_hand(there: Mapping[str, str], earlier: Mapping[str, Any]) -> bool:
    """Whether somebody changed the entry since a run made it."""
    return any(name != STATE and not _is_set(there, name, str(value)) for name, value in earlier.items())


def _shown(entry: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(entry.items())) or "defaults"
