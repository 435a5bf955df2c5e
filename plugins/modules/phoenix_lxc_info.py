#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_lxc_info
short_description: Observe all containers of a Proxmox VE node in one call, and plan for them
version_added: 0.1.0
description:
  - Reads configs, running states, ledgers and records of many containers at once, without a call to the control plane.
  - For containers given with their configuration it also returns the plan, the same that
    M(phoenix.hypervisor.phoenix_lxc_state) would make. A settled container has no steps.
  - Runs on the node itself as root (delegate it there), and changes nothing.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
  - phoenix.hypervisor.wanted_container.preflight
options:
  containers:
    description:
      - The containers to observe and plan for, each with C(ctid) and, for a plan, the options O(ignore:config),
        O(ignore:features), O(ignore:application), O(ignore:state) and O(ignore:adopt) of
        M(phoenix.hypervisor.phoenix_lxc_state).
      - Without it and O(ctids) all containers of the node and all that it remembers are observed.
    type: list
    elements: dict
  ctids:
    description: The containers to observe, when no plan is wanted.
    type: list
    elements: int
  brief:
    description:
      - Return only C(due), names and what matters of the plan (C(state), C(final_state), C(notes), C(waiting)) for
        containers without work.
    type: bool
    default: false
  explain:
    description:
      - Return C(why) of each container that is planned for. It has each key with its three values, and each digest.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Observe every container of the node
  phoenix.hypervisor.phoenix_lxc_info:
  delegate_to: pve
  register: observed
"""

RETURN = r"""
node:
  description: PVE's name of the node.
  returned: success
  type: str
preflight:
  description:
    - C(findings) and C(downloads), as M(phoenix.hypervisor.phoenix_preflight) returns them.
    - Where the check itself failed, C(problem), why, and the C(ctids) that it concerns.
  returned: with O(preflight)
  type: dict
containers:
  description: What was seen of each container, by CTID as text.
  returned: success
  type: dict
  contains:
    exists:
      description: Whether it exists on this node.
      type: bool
    ours:
      description: Whether it was created or adopted by this collection, and is still that container.
      type: bool
    replaced:
      description: Why the container that exists is not the one on record. Empty when it is, or when none is.
      type: str
    running:
      description: Whether it runs.
      type: bool
    state:
      description: Its effective state, for a container given with its configuration.
      type: str
    held:
      description: Whether it is held, so that no run changes it.
      type: bool
    recorded_state:
      description: The word in its state file.
      type: str
    hostname:
      description: Its host name.
      type: str
    name:
      description: The name in its configuration, for a container given with it.
      type: str
    address:
      description: Its first IPv4 address; the first IPv6 address where it has none.
      type: str
    features:
      description: The features that its ledger has as applied.
      type: list
      elements: str
    applied:
      description: The same with C(digest), C(at) (when) and C(run) (by which run).
      type: list
      elements: dict
    ha:
      description: Whether the HA manager of the cluster manages it.
      type: bool
    ha_ours:
      description: Whether a run set its entry in the HA manager.
      type: bool
    linked_clones:
      description: The containers whose volumes live on its own. Looked for only when it is to be destroyed.
      type: list
      elements: int
    volumes:
      description: The volumes that PVE would destroy with it.
      type: list
      elements: str
    unsaved:
      description: The paths in it of the volumes that no backup contains. PVE backs up the root disk, and of volumes
        those with C(backup=1).
      type: list
      elements: str
    due:
      description: Whether its plan has steps or an error, or the container could not be observed.
      type: bool
    error:
      description: Why it could not be observed or planned for. The other containers are not affected.
      returned: when it could not be observed
      type: str
    layers:
      description: Where layers are kept and for how long, of a container that is to start from one or to leave one.
      type: dict
    awaits_layer:
      description: The container of this run, C(ctid), that leaves the layer C(volume), from which this one is created.
      returned: when there is one
      type: dict
    plan:
      description: Its plan. A refused container has C(error), the text, and C(refusal) with its C(code), C(key),
        C(got) and C(remedy).
      type: dict
    why:
      description: Why the plan is what it is, by key, feature and application. Only with O(explain). Values that look
        like secrets are not in it.
      type: dict
"""

import dataclasses
import functools
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.cluster import availability
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.demand_options import PREFLIGHT_OPTIONS
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import root
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import saving
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf import backups, observe
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.described import (
    Planned,
    briefly,
    describe,
    unobserved,
    wanted_from,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.past import identity
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.gpu import driver_files
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.client import PveError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.pvesh import open_client
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.store import Store


def work(module: AnsibleModule) -> dict[str, Any]:
    """Observe, and plan where a configuration is given."""
    problem = root.lacking(os.uname().nodename)
    if problem:
        raise NodeError(problem)
    found = survey(module)
    asked = module.params.get("preflight")
    if asked is not None:
        if not module.check_mode and any(map(calls, found["containers"].values())):
            prepare_ticket()
        found["preflight"] = checked(module, asked, found["containers"])
    return found


def calls(described: dict[str, Any]) -> bool:
    """Whether the plan of a container has a call to PVE, which the run that asks is about to make."""
    steps = (described.get("plan") or {}).get("steps") or ()
    return any(entry["op"] == "pve" for step in steps for entry in step["entries"])


def prepare_ticket() -> None:
    """Begin what the run's first call to PVE needs. Only a run that acts loads the code for it."""
    from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import tickets

    if tickets.is_shared():
        from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.local_client import mint_ticket

        tickets.prepare(mint_ticket)


def checked(module: AnsibleModule, asked: dict[str, Any], observed: dict[str, Any]) -> dict[str, Any]:
    """Check what the run needs of the node. Only what has work loads the code for it."""
    if not any(seen["due"] for seen in observed.values()):
        return {"findings": [], "downloads": []}
    from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.preflight import judging, node_survey

    gatherer = node_survey.Gatherer(open_client)
    return judging.of_observed(
        gatherer, observed, module.params["containers"] or (), asked, module.check_mode, module.warn
    )


def survey(module: AnsibleModule) -> dict[str, Any]:
    """Observe each container, and plan for it. A fault of one container is a part of its result."""
    store = Store()
    observer = observe.Observer()
    items, brief = module.params["containers"], bool(module.params.get("brief"))
    explains = bool(module.params.get("explain"))
    if items is None and module.params["ctids"] is not None:
        items = [{"ctid": ctid} for ctid in module.params["ctids"]]
    if items is None:
        known = sorted(observe.existing_ctids(observer.node) | set(store.known()))
        items = [{"ctid": ctid} for ctid in known]
    planned = {int(item["ctid"]) for item in items if item.get("config") is not None}
    confirms = {int(item["ctid"]): item.get("confirm") or () for item in items}
    all_clones: dict[int, tuple[int, ...]] = {}
    faults: dict[int, str] = {}
    wanted: dict[int, Wanted] = {}
    asked: list[tuple[int, int | None, Record, Record | None]] = []
    for item in items:
        ctid = int(item["ctid"])
        try:
            want = driver_files.complete(wanted_from(item, observer.node))
            source = want.desired.clone_from
            below = (None, None) if source is None else (source, store.load(source))
            asked.append((ctid, below[0], store.load(ctid), below[1]))
            wanted[ctid] = want
        except Exception as error:  # noqa: BLE001 - whatever one container's files hold is a fault of that container
            faults[ctid] = observe.failure(error)
    records = {ctid: record for ctid, _source, record, _below in asked}
    clones = {ctid for ctid, want in wanted.items() if want.recreate or want.target == "absent"}
    seen = observer.observe_all(asked, clones, faults)
    for ctid, want in wanted.items():
        if ctid in seen and want.target == "absent":
            # What goes with it does not stand in its way: clones go before their source.
            together = {int(other) for other in confirms.get(ctid, ())}
            clones_left = tuple(clone for clone in seen[ctid].linked_clones if clone not in together)
            all_clones[ctid] = seen[ctid].linked_clones
            seen[ctid] = dataclasses.replace(seen[ctid], linked_clones=clones_left)
    managed = observe.ha_ctids(observer.pve)
    client = functools.lru_cache(None)(open_client)  # opened only where PVE's past decides
    for ctid in sorted(planned & seen.keys()):
        try:
            seen[ctid] = identity.recall(client, observer.node, seen[ctid], records[ctid])
            seen[ctid] = backups.recall(client, observer.node, seen[ctid], wanted[ctid], observer.pve)
            seen[ctid] = saving.recall(client, observer.node, seen[ctid], records[ctid])
        except PveError as error:
            faults[ctid] = observe.failure(error)
    with_layers(observer, {ctid: wanted[ctid] for ctid in wanted if ctid in planned - faults.keys()}, seen, records)
    containers = {}
    plans = Planned(wanted, seen, lambda ctid, found: planner.plan(wanted[ctid], found, records[ctid]))
    for ctid, want in wanted.items():
        if ctid not in seen:
            continue
        try:
            plan = plans.of(ctid) if ctid in planned else None
            described = {
                **describe(want, seen[ctid], records[ctid], plan, explains),
                "linked_clones": list(all_clones.get(ctid, seen[ctid].linked_clones)),
                "ha": ctid in managed,
                "ha_ours": availability.KEY in records[ctid].applied,
            }
            containers[str(ctid)] = briefly(described) if brief else described
        except Exception as error:  # noqa: BLE001 - as above: the others are planned for
            faults[ctid] = observe.failure(error)
    containers.update({str(ctid): unobserved(text) for ctid, text in faults.items()})
    return {"changed": False, "node": observer.node, "containers": containers}


def with_layers(
    observer: observe.Observer, wanted: dict[int, Wanted], seen: dict[int, Observation], records: dict[int, Record]
) -> None:
    """Complete the observations with what the layers of the node mean, in the order in which the run works."""
    if not any(want.layers for want in wanted.values()):
        return
    from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers import layer_look
    from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers.shelf import Shelf

    def is_refused(ctid: int, found: Observation) -> bool:
        try:
            return planner.plan(wanted[ctid], found, records[ctid]).refusal is not None
        except Exception:  # noqa: BLE001 - it is reported with its container, when that is planned
            return True

    layer_look.recall_fleet(Shelf(observer.node, observer.pve), wanted, seen, records, is_refused)


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "containers": {"type": "list", "elements": "dict"},
            "ctids": {"type": "list", "elements": "int"},
            "brief": {"type": "bool", "default": False},
            "explain": {"type": "bool", "default": False},
            "preflight": {"type": "dict", "options": PREFLIGHT_OPTIONS},
        },
        work,
    )


if __name__ == "__main__":
    main()
