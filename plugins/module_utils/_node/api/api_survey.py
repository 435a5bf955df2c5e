# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observes the containers of a node by its API, and plans for them: what phoenix_lxc_info answers on the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..._core.container.model import Observation, Plan, Wanted
from ..._core.container.remote import assumed
from ..._core.container.remote.assumed import Assumed
from ..container.conf import backups
from ..container.conf.observe import failure
from ..container.described import Planned, briefly, describe, unobserved, wanted_from
from ..container.outcome import Outcome, report
from ..pve.client import Client
from .api_observer import ApiObserver


def survey(
    client: Client, node: str, items: Iterable[Mapping[str, Any]] | None, brief: bool = False, explains: bool = False
) -> dict[str, Any]:
    """Observe each container, and plan for those that come with their configuration.

    A fault of one container, such as a privilege that the token lacks, is a part of its result. Raises NodeError and
    PveError where the node itself can't be asked.
    """
    observer = ApiObserver(client, node)
    if items is None:
        items = [{"ctid": ctid} for ctid in sorted(observer.existing_ctids())]
    items = list(items)
    planned = {int(item["ctid"]) for item in items if item.get("config") is not None}
    running = observer.running() if items else set()
    faults: dict[int, str] = {}
    wanted: dict[int, Wanted] = {}
    seen: dict[int, Observation] = {}
    for item in items:
        ctid = int(item["ctid"])
        try:
            want = wanted_from(dict(item), node)
            clones = want.recreate or want.target == "absent"
            found = observer.observe(ctid, want.desired.clone_from, running, clones)
            seen[ctid] = backups.recall(lambda: client, node, found, want)
            wanted[ctid] = want
        except Exception as error:  # noqa: BLE001 - whatever one container's files hold is a fault of that container
            faults[ctid] = failure(error)
    given: dict[int, Assumed] = {}

    def make(ctid: int, found: Observation) -> Plan:
        given[ctid] = assumed.assume(wanted[ctid], found, observer.refused)
        return assumed.plan(given[ctid])

    plans = Planned(wanted, seen, make)
    managed = observer.ha_ctids() if items else frozenset()
    containers = {}
    for ctid, want in wanted.items():
        try:
            plan = plans.of(ctid) if ctid in planned else None
            one = given.get(ctid) or assumed.assume(want, seen[ctid], observer.refused)
            described = {
                **describe(one.wanted, one.seen, one.record, plan, explains),
                "ours": None,
                "recorded_state": None,
                "linked_clones": list(seen[ctid].linked_clones),
                "ha": ctid in managed,
                "ha_ours": False,
                "unknown": [each.name for each in one.unknown],
            }
            containers[str(ctid)] = briefly(described) if brief else described
        except Exception as error:  # noqa: BLE001 - as above: the others are planned for
            faults[ctid] = failure(error)
    containers.update({str(ctid): unobserved(text) for ctid, text in faults.items()})
    return {"changed": False, "node": node, "containers": containers}


def preview(client: Client, node: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of phoenix_lxc_state in check mode. Raises NodeError and PveError."""
    observer = ApiObserver(client, node)

    def look(wanted: Wanted) -> Observation:
        clones = wanted.recreate or wanted.target == "absent"
        found = observer.observe(wanted.ctid, wanted.desired.clone_from, clones=clones)
        return backups.recall(lambda: client, node, found, wanted)

    seen: dict[int, Observation] = {}
    wanted: dict[int, Wanted] = {}
    one: Wanted | None = wanted_from(dict(options), node)
    ctid = int(options["ctid"])
    while one is not None:
        wanted[one.ctid], seen[one.ctid] = one, look(one)
        one = one.source

    def make(of: int, found: Observation) -> Plan:
        return assumed.plan(assumed.assume(wanted[of], found, observer.refused))

    plan = Planned(wanted, seen, make).of(ctid)
    unknown = assumed.assume(wanted[ctid], seen[ctid], observer.refused).unknown
    result = report(wanted[ctid], Outcome(first=plan, last=plan, seen=seen[ctid]), check=True)
    return {**result, "unknown": [each.name for each in unknown], "error": plan.error}
