#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_lxc_state
short_description: Drive one LXC container of a Proxmox VE node to a target state
version_added: 0.1.0
description:
  - Observes a container on its node, plans the steps to the target state, and makes them.
  - Check mode returns the plan that a real run executes, also for containers that do not exist yet.
  - Runs on the node itself as root (delegate it there). It installs nothing there.
  - Stops before the features and the application, which run inside; O(state=completed) needs a second call at the end.
    O(enter), O(record) and O(begin) spare calls of M(phoenix.hypervisor.phoenix_feature) for the features.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
  - phoenix.hypervisor.held_lease
  - phoenix.hypervisor.wanted_container
options:
  root_password:
    description:
      - The password of the root of the container, for the call that creates it. O(config) says only that there is one.
      - Taken from C(root_password) of the configuration unless given.
    type: str
  release:
    description: Whether to give the container back at the end, although features are still due.
    type: bool
    default: false
  enter:
    description: Whether the first due feature begins in this call. It looks for Python inside, in check mode too.
    type: bool
    default: false
  record:
    description:
      - A feature of RV(due_features) whose role has ended. Its check runs, then with O(release) the end.
      - With C(kind) V(application) that with its C(name), C(digest), C(components) and C(output), with V(health) the
        health check that the container has passed.
    type: dict
  begin:
    description: The feature of RV(due_features) that begins next. Then nothing is observed and planned.
    type: dict
  failed:
    description: The change that was begun has failed. One that was guarded is rolled back, or RV(guarded) tells how.
    type: bool
    default: false
  leave_layer:
    description:
      - Archive the container as a layer for others, at the place that RV(leaves_layer_after) named. It is stopped
        meanwhile, and started again.
      - Where that is not possible by now, a warning says why. It is never a failure.
    type: bool
    default: false
  awaits_layer:
    description: The container of this run, C(ctid), that leaves the layer C(volume) first. Check mode counts on it.
    type: dict
  lock_wait:
    description: How long to wait for the lock of another task on the container, in seconds.
    type: int
    default: 120
  task_timeout:
    description: How long one task of PVE may take, in seconds.
    type: int
    default: 3600
  ready_timeout:
    description: How long a started container may take to answer and to have its address, in seconds.
    type: int
    default: 60
seealso:
  - module: phoenix.hypervisor.phoenix_lxc_info
  - module: phoenix.hypervisor.phoenix_feature
"""

EXAMPLES = r"""
- name: Bring container 950 up to running
  phoenix.hypervisor.phoenix_lxc_state:
    ctid: 950
    state: running
    config:
      name: web
      template: local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst
      memory_mb: 2048
  delegate_to: pve

- name: Destroy container 950
  phoenix.hypervisor.phoenix_lxc_state:
    ctid: 950
    state: absent
    confirm: [950]
  delegate_to: pve
"""

RETURN = r"""
ctid:
  description: The CTID.
  returned: always
  type: int
  sample: 950
state:
  description: The container's effective state afterwards; in check mode the state that a real run reaches.
  returned: always
  type: str
  sample: completed
guarded:
  description: What became of a guarded change that has failed. Empty when it was not guarded.
  returned: when O(failed=true)
  type: str
  sample: "What was there before the change is back (guard: rollback)"
restored:
  description: Whether a backup was restored, which stays until O(update=end) has found the container working.
  returned: when O(failed=true)
  type: bool
previous_state:
  description: The effective state before.
  returned: always
  type: str
  sample: defined
plan:
  description: The plan, with a list of steps, each with its reason, what it disrupts and its exact entries.
  returned: always
  type: dict
journal:
  description: The mutations that were made, in check mode those that would be made. The entries have one form in both.
  returned: always
  type: list
  elements: dict
  contains:
    op:
      description:
        - V(pve) for a call to PVE, V(node) for a write into this collection's files on the node.
        - V(feature), V(application) or V(health) for what happens inside the container.
        - V(layer) for the publication of a layer on the node.
        - V(backup) for the backup of a guarded change that is made, restored or removed.
      type: str
      sample: pve
    what:
      description: The call with its path, the file, or the feature.
      type: str
      sample: PUT /nodes/pve/lxc/950/config
    params:
      description: Parameters of the call, or values of the file. Secrets are not among them.
      type: dict
    kind:
      description:
        - What the call does.
        - Life of the container, V(create), V(destroy), V(clone), V(template), V(backup), V(start), V(stop), V(shutdown)
          and V(reboot).
        - Configuration, V(config) and V(resize).
        - Snapshots, V(snapshot), V(snapshot_delete) and V(rollback).
        - Firewall, V(firewall_options), V(rule_add), V(rule_change) and V(rule_delete).
      returned: when RV(journal[].op=pve)
      type: str
      sample: config
    ctid:
      description: CTID of the container that the call acts on; of a clone that of its source.
      returned: when RV(journal[].op=pve)
      type: int
      sample: 950
recorded:
  description: The feature or application that was recorded. A failed call has it when what failed came after that.
  returned: with O(record)
  type: str
begun:
  description: The feature that has begun. In check mode the one whose role comes next.
  returned: with O(begin), and with O(enter) where a feature is due
  type: str
has_python:
  description: Whether the container has Python.
  returned: with O(enter), where something is due inside
  type: bool
interrupted:
  description: Whether dpkg was interrupted in the container.
  returned: with O(enter), where something is due inside
  type: bool
due_features:
  description: The features that are due now, with their reasons.
  returned: always
  type: list
  elements: dict
application_due:
  description: Why the application script is due, if it is.
  returned: always
  type: str
application:
  description: The application as it was given.
  returned: always
  type: dict
health_due:
  description: Why the health check is due, if it is.
  returned: always
  type: str
leaves_layer_after:
  description: The feature after which the container leaves a layer for others. Empty for none.
  returned: always
  type: str
exists:
  description: Whether the container exists now.
  returned: always
  type: bool
running:
  description: Whether the container runs now.
  returned: always
  type: bool
address:
  description: Its first IPv4 address, if it runs and has one.
  returned: always
  type: str
updates:
  description: The packages with newer versions. Empty where an update that was cut off goes on, and where none is due.
  returned: with O(update)
  type: list
  elements: dict
waiting:
  description: The options whose new values wait for a restart of the container.
  returned: always
  type: list
  elements: str
notes:
  description: Notes that change nothing.
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import states
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.asked_options import WANTED_OPTIONS
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.audit import Audit
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import applying
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf import observe
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.executor import Executor
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.lease import LEASE_OPTIONS, Leases
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.outcome import on_container, report
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.gpu import driver_files
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import glance
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers import layer_use
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers.leaving import Leaving
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers.shelf import Shelf
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.pvesh import open_client
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.store import Store
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.waiting import Deadline, until


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    return {
        **WANTED_OPTIONS,
        "root_password": {"type": "str", "no_log": True},
        "release": {"type": "bool", "default": False},
        "failed": {"type": "bool", "default": False},
        "leave_layer": {"type": "bool", "default": False},
        "awaits_layer": {"type": "dict"},
        "enter": {"type": "bool", "default": False},
        "record": {"type": "dict"},
        "begin": {"type": "dict"},
        "lock_wait": {"type": "int", "default": 120},
        "task_timeout": {"type": "int", "default": 3600},
        "ready_timeout": {"type": "int", "default": 60},
        **LEASE_OPTIONS,
    }


def undo(module: AnsibleModule, wanted: Wanted, executor: Executor, leases: Leases, run: dict[str, Any]) -> Any:
    """After the failure of a change: the way back of a guarded one, or that way taken."""
    if module.check_mode:
        return {"changed": False, "guarded": "", "restored": False, "journal": []}
    try:
        with leases.working(wanted.ctid, run, module.params["dead_runs"]):
            text, journal = executor.undo(wanted)
    finally:
        leases.release(wanted.ctid, run)
    restored = any((entry["op"], entry["what"]) == ("backup", "restore") for entry in journal)
    return {"changed": bool(journal), "guarded": text, "restored": restored, "journal": journal}


def leave(module: AnsibleModule, wanted: Wanted, executor: Executor, leases: Leases, leaving: Leaving) -> Any:
    """Archive the container as a layer for others, and have it running and ready again."""
    if module.check_mode:
        return {"changed": False, "journal": []}
    run = module.params["run"] or {"id": "manual"}
    with leases.working(wanted.ctid, run, module.params["dead_runs"]):
        journal, warnings = leaving.leave(wanted, *executor.look(wanted))
        outcome = executor.run(wanted)
        boot, limit = observe.node_boot(), Deadline(module.params["ready_timeout"])
        if not until(lambda: glance.is_ready(wanted.ctid, wanted.desired.awaits, boot), limit):
            warnings.append(
                f"container {wanted.ctid} is not ready {module.params['ready_timeout']} s after its archiving"
            )
    for warning in [*warnings, *outcome.warnings]:
        module.warn(warning)
    if outcome.last.error:
        raise NodeError(outcome.last.error)
    return {"changed": bool(journal), "journal": [*journal, *outcome.journal]}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Record what has ended inside, then lease, plan, act, begin what comes next inside, report."""
    with on_container(module.params["ctid"]):
        place, params = applying.Place(), module.params
        result, refusal = applying.in_turn(place, params, module.check_mode, lambda: act(module))
    if refusal:
        raise NodeError(refusal, **result)
    return result


def act(module: AnsibleModule) -> tuple[dict[str, Any], str | None]:
    """Lease, plan and act. Returns the result and why the plan was refused."""
    observer = observe.Observer()
    run = module.params["run"] or {"id": "manual"}
    wanted = driver_files.complete(Wanted.from_options({**module.params, "run": run}, observer.node))
    leases, store = Leases(), Store()
    audit = Audit(run["id"], quiet=module.check_mode)
    shelf = Shelf(observer.node, observer.pve)

    def check_lease() -> None:
        if not module.check_mode:
            leases.check(wanted.ctid, run)

    def works(ctid: int) -> bool | None:
        began = store.load(ctid).fresh == run["id"]
        return True if leases.has(ctid, run) else False if began else None

    awaited = module.params["awaits_layer"] if wanted.layers else None
    leaders = layer_use.await_leader(awaited, shelf, module.check_mode, works, module.params["task_timeout"])
    executor = Executor(
        observer,
        store,
        audit,
        open_client,
        run["id"],
        lock_wait=module.params["lock_wait"],
        task_timeout=module.params["task_timeout"],
        ready_timeout=module.params["ready_timeout"],
        password=module.params["root_password"] or "",
        guard=check_lease,
        layers=layer_use.Layers(shelf, leaders, not module.check_mode),
    )
    if module.params["failed"]:
        return undo(module, wanted, executor, leases, run), None
    if module.params["leave_layer"]:
        waits = (float(module.params["lock_wait"]), float(module.params["task_timeout"]))
        return leave(module, wanted, executor, leases, Leaving(shelf, open_client, audit, check_lease, waits)), None
    if module.check_mode:
        outcome = executor.run(wanted, check=True)
    else:
        keep = False
        try:
            with leases.working(wanted.ctid, run, module.params["dead_runs"]) as displaced:
                outcome = executor.run(wanted, resumes=bool(displaced))
                if wanted.target == states.ABSENT and not outcome.last.error and not outcome.seen.exists:
                    leases.forget(wanted.ctid)
            keep = bool(outcome.last.steps) and not outcome.last.error and not module.params["release"]
        finally:
            if not keep:
                leases.release(wanted.ctid, run)
    for warning in outcome.warnings:
        module.warn(warning)
    result = report(wanted, outcome, module.check_mode)
    error = outcome.first.error or outcome.last.error
    if not error:
        return result, None
    if not module.check_mode:
        audit.write(wanted.ctid, "plan", "refused", level="ERROR", extras={"error": error})
    return {**result, "changed": bool(outcome.journal)}, error


def main() -> None:
    """Module entry point."""
    run_module(argument_spec(), work)


if __name__ == "__main__":
    main()
