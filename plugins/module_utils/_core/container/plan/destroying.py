# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of a container, and the judgement of a whole list to destroy: one refusal stops all of them, before anything
goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...pve.apicalls import Kind
from .. import states
from ..config import growth
from ..model import RESTART, Entry, Observation, Plan, Record, Step, Wanted, on_container
from . import recreate


@dataclass(frozen=True)
class Target:
    """A container on a node, or what the node remembers of one."""

    node: str
    ctid: int
    text: str
    clones: tuple[int, ...] = ()


def absent(wanted: Wanted, seen: Observation, record: Record, state: str) -> Plan:
    """The plan of a container that is not to be."""
    steps = []
    if seen.exists and seen.running:
        call = on_container(Kind.SHUTDOWN, wanted.node, wanted.ctid, {"forceStop": 1, "timeout": 60})
        steps.append(Step("stop", "running", (call,), disrupts=RESTART))
    forget = Entry("node", "forget", {})
    if seen.exists:
        volumes = growth.volumes(seen.conf.head)
        call = on_container(Kind.DESTROY, wanted.node, wanted.ctid, {"purge": 1})
        calls = (*recreate.unprotect(wanted, seen), call, forget)
        reason = f"destroys the volumes {', '.join(volumes) or 'none'}"
        steps.append(Step("destroy", reason, calls, goes_to=states.ABSENT))
    elif record.ours or record.word or record.creating:
        steps.append(Step("forget", "no such container any more", (forget,), goes_to=states.ABSENT))
    return Plan(state=state if seen.exists else states.ABSENT, steps=tuple(steps), final_state=states.ABSENT)


def judge(
    ctids: Iterable[int],
    nodes: Mapping[str, Mapping[str, Mapping[str, Any]]],
    lost: Mapping[str, str],
    homes: Mapping[str, str] | None = None,
) -> tuple[list[Target], list[str]]:
    """(what goes, in the order in which it can go; every reason to destroy nothing).

    ``nodes``: what phoenix_lxc_info returned for each node, ``lost``: why a node gave no answer, ``homes``: the node
    that the inventory names for a container.
    """
    refusals = [f"{why}, so it can't be known what it has under these CTIDs" for why in lost.values()]
    targets: list[Target] = []
    for ctid in dict.fromkeys(ctids):
        key = str(ctid)
        places = {node: seen[key] for node, seen in nodes.items() if key in seen and _concerns(seen[key])}
        home = (homes or {}).get(key)
        existing = [node for node, seen in places.items() if seen.get("exists")]
        if len(existing) > 1 and home in existing:
            places = {node: seen for node, seen in places.items() if node == home or node not in existing}
        elif len(existing) > 1:
            refusals.append(
                f"container {ctid} exists on the nodes {', '.join(existing)}, and the inventory does not say which one "
                "is meant; add it to the containers' file with its node, or destroy it by hand"
            )
            continue
        if not places and not lost:
            refusals.append(
                f"container {ctid} exists on no node of the inventory ({', '.join(nodes) or 'none'}), and none "
                "remembers it; correct the CTID, or take it out of the list"
            )
        for node, seen in places.items():
            why = _refusal(ctid, node, seen)
            if why:
                refusals.append(why)
            targets.append(Target(node, ctid, _text(ctid, node, seen), tuple(seen.get("linked_clones") or ())))
    return _ordered(targets), list(dict.fromkeys(refusals))


def _concerns(seen: Mapping[str, Any]) -> bool:
    """Whether a node has the container, remembers it, or can't say."""
    return any(seen.get(name) for name in ("error", "exists", "ours", "recorded_state"))


def _refusal(ctid: int, node: str, seen: Mapping[str, Any]) -> str | None:
    if seen.get("error"):
        return f"container {ctid} can't be observed on node {node} ({seen['error']})"
    planned = (seen.get("plan") or {}).get("error")
    if planned:
        return str(planned)
    if not seen.get("exists"):
        return None
    if seen.get("ha") and not seen.get("ha_ours"):
        return (
            f"container {ctid} is managed by HA, which may start or move it meanwhile; take it out first "
            f"(ha-manager remove ct:{ctid})"
        )
    if seen.get("lock"):
        return f"container {ctid} is locked by PVE ({seen['lock']}); wait for that task, or see: pct unlock {ctid}"
    return None


def _text(ctid: int, node: str, seen: Mapping[str, Any]) -> str:
    if not seen.get("exists"):
        return f"{ctid} on {node}: only remembered"
    what = f"{seen.get('hostname') or 'no name'}, {'running' if seen.get('running') else 'stopped'}"
    return f"{ctid} on {node}: {what}, volumes {', '.join(seen.get('volumes') or ()) or 'none'}"


def _ordered(targets: list[Target]) -> list[Target]:
    """Clones before the containers on whose volumes they live, else by CTID."""
    left = sorted(targets, key=lambda target: (target.ctid, target.node))
    result: list[Target] = []
    while left:
        waiting = {target.ctid for target in left}
        ready = [target for target in left if not waiting.intersection(target.clones) - {target.ctid}] or left
        result += ready
        left = [target for target in left if target not in ready]
    return result
