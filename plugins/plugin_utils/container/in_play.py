# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which containers a run works on, and on which nodes: what its first task finds out once for all that follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..config.variables import runvariables
from ..untrusted import own_variables
from .read_once import each_raw

ORDERS = ("phoenix_recreate_ctids", "phoenix_destroy", "phoenix_destroy_confirm")
"""Variables that say what to destroy. They are for one run: a file of variables would say it to each one."""


@dataclass
class InPlay:
    """The containers in play by their nodes, those whose node the run lacks, and what is wrong with their facts.

    Attributes:
        nodes: a node that the run has or may reach -> the inventory names of its containers.
        lacking: those of the nodes that are to be added to the inventory of the run.
        stranded: containers whose node the run neither has nor may reach.
        foreign: a message for each container that has set variables of the inventory; nothing is read of it.
        orders: those of ``ORDERS`` that a host in play has a value of.
        merged: containers that came from another inventory source than the variables of their node or group.
    """

    nodes: dict[str, list[str]] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)
    stranded: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    orders: set[str] = field(default_factory=set)
    merged: list[str] = field(default_factory=list)

    def as_fact(self) -> dict[str, Any]:
        """Return what the plays read of it."""
        return {"nodes": self.nodes, "lacking": self.lacking, "stranded": self.stranded}


def in_play(hosts: Iterable[str], hostvars: Any, groups: Mapping[str, Any], reach: bool) -> InPlay:
    """Look at each host in play once. ``reach``: a node that the inventory lacks may be added to it."""
    found = InPlay()
    known: list[tuple[str, str, bool]] = []
    ctids: dict[str, Any] = {}
    containers = set(groups.get("containers") or ())
    present = set(groups.get("hypervisors") or ())
    for host, raw in each_raw(hosts, hostvars):
        try:
            own_variables.check(raw)
        except own_variables.ForeignFactsError as error:
            found.foreign.append(str(error))
            continue
        found.orders.update(name for name in ORDERS if not runvariables.is_blank(raw.get(name)))
        if host not in containers:
            ctids[host] = raw.get("phoenix_node_ctids")
            continue
        node = str(raw.get("phoenix_node") or "")
        if "{" in node:
            node = str(hostvars[host]["phoenix_node"])
        if node in present:
            found.nodes.setdefault(node, []).append(host)
            known.append((host, node, node in (raw.get("phoenix_nodes") or {})))
        elif reach and node in (raw.get("phoenix_nodes") or {}):
            if node not in found.nodes:
                found.lacking.append(node)
            found.nodes.setdefault(node, []).append(host)
        else:
            found.stranded.append(host)
    found.merged = _merged(known, ctids, hostvars)
    return found


def _merged(known: Iterable[tuple[str, str, bool]], ctids: dict[str, Any], hostvars: Any) -> list[str]:
    """The containers that their node does not know, or the other way round: two sources were merged.

    Each source sets the nodes of the group of containers, and the containers of each node. AWX reads the sources one by
    one, so that the plugin can't see it, and the last one read sets these for all.

    known: container, node, whether the container knows the node. ctids: node -> its containers, where the inventory
    plugin has said them. Other nodes are looked up.
    """
    merged = []
    for host, node, knows in known:
        if node not in ctids:
            ctids[node] = getattr(hostvars, "raw_get", hostvars.__getitem__)(node).get("phoenix_node_ctids")
        if isinstance(ctids[node], list):
            ctids[node] = {str(one) for one in ctids[node]}
        if isinstance(ctids[node], set) and not (knows and host in ctids[node]):
            merged.append(host)
    return merged
