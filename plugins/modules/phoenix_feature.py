#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_feature
short_description: Manage the ledger of what has been applied inside a container
version_added: 0.1.0
description:
  - Reads, begins, records and forgets features and the application in the ledger of a running container.
  - Runs on the container's node as root (delegate it there), and reaches the ledger by a process inside the container,
    so the container needs no Python.
  - Also keeps the state file, the audit trail on the node and the container's lease.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
  - phoenix.hypervisor.held_lease
  - phoenix.hypervisor.wanted_container.ctid
options:
  operation:
    description:
      - V(ask) returns the ledger and changes nothing.
      - V(begin) notes that the work begins, V(record) that it ended well, V(fail) that it did not.
      - V(record) of a feature runs O(check) first, and fails without recording anything when that fails.
      - V(forget) removes the entry, so that the work is due again.
      - V(network) looks from inside whether the names of the container's package sources can be resolved, which takes
        less than a minute, and fails with the resolvers and the remedy otherwise. It changes nothing.
    type: str
    choices: [ask, begin, record, fail, forget, network]
    default: ask
  kind:
    description: Whether it is about a feature, the application, or the application's health check after a boot.
    type: str
    choices: [feature, application, health]
    default: feature
  name:
    description: The feature's or the application's name.
    type: str
  digest:
    description: The digest of what is applied.
    type: str
  components:
    description: What the digest was made of, kept to explain a later change.
    type: dict
  check:
    description: How the feature is checked before it is recorded, as its manifest says. Check mode runs nothing.
    type: dict
    suboptions:
      command:
        description: A shell command that ends with 0 inside the container while the feature works.
        type: str
        required: true
      timeout:
        description: Seconds after which it is ended and counts as failed.
        type: float
        default: 30
  network:
    description:
      - Whether the feature downloads something. Then O(operation=begin) looks first whether names can be resolved, as
        O(operation=network) does. Check mode doesn't look.
    type: bool
    default: false
  output:
    description: The end of the application's output, for the audit trail.
    type: str
  error:
    description: What went wrong, for the audit trail (O(operation=fail)).
    type: str
seealso:
  - module: phoenix.hypervisor.phoenix_lxc_state
"""

EXAMPLES = r"""
- name: Apply a feature again with the next run
  phoenix.hypervisor.phoenix_feature:
    ctid: 950
    operation: forget
    name: my_feature
  delegate_to: pve
"""

RETURN = r"""
operation:
  description: What was done.
  returned: success
  type: str
kind:
  description: To what.
  returned: success
  type: str
name:
  description: The name of the feature or application, where it was given.
  returned: success
  type: str
ledger:
  description: The ledger afterwards.
  returned: success
  type: dict
attempt:
  description:
    - Identity of the attempt at the application that is under way, for the option
      O(phoenix.hypervisor.phoenix_application#module:attempt).
    - It is the same in each run until the application is recorded or forgotten.
  returned: with O(operation=begin) and O(kind=application)
  type: str
journal:
  description: The writes that were made, in check mode those that would be made.
  returned: success
  type: list
  elements: dict
  contains:
    op:
      description: V(node) for the state file on the node, V(feature) or V(application) for the ledger in the container.
      type: str
      sample: feature
    what:
      description: V(state), or what is recorded of which feature.
      type: str
      sample: record example
    params:
      description: The word of the state; empty for others.
      type: dict
"""

import contextlib
import time
import uuid
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import states
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import ledger as ledgers
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.asked_options import WANTED_OPTIONS
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.guarding import guard
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.audit import Audit
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf import observe
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.lease import LEASE_OPTIONS, Leases
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.past import identity
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import about
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import (
    featurecheck,
    glance,
    guest,
    guestnetwork,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.store import Store

MAX_OUTPUT = 8192
OPERATIONS = ["ask", "begin", "record", "fail", "forget", "network"]


def read(ctid: int) -> tuple[dict[str, Any], str]:
    """(ledger, boot) of a running container. An unreadable ledger counts as empty: its features are due again."""
    view = glance.look(ctid, observe.node_boot())
    if view.boot is None:
        raise guest.GuestError(f"it doesn't answer: {view.error or 'is it running?'}", where=f"container {ctid}")
    try:
        return ledgers.parse(view.ledger_text) if view.ledger_text else ledgers.empty(), view.boot
    except ledgers.LedgerError:
        return ledgers.empty(), view.boot


def change(ledger: dict[str, Any], params: dict[str, Any], run: str, boot: str) -> dict[str, Any]:
    """The ledger after the operation."""
    result = {**ledger, "features": dict(ledger["features"])}
    operation, kind, name = params["operation"], params["kind"], params["name"] or ""
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    status = ledgers.BEGUN if operation == "begin" else ledgers.APPLIED
    entry = {"status": status, "run": run, "at": now, "digest": params["digest"] or ""}
    if params["components"]:
        entry["components"] = params["components"]
    if kind == "feature":
        if operation == "forget":
            result["features"].pop(name, None)
        else:
            result["features"][name] = entry
    elif operation == "forget":
        result["application"] = None
    else:
        result["application"] = {**entry, "name": name, "ctid": params["ctid"], "boot": boot}
        if operation == "begin":
            # An attempt lasts until it is recorded: the script's success is adopted by whoever goes on with it.
            known = ledgers.attempt_of(params["ctid"], entry["digest"], ledger)
            result["application"]["attempt"] = known or uuid.uuid4().hex
    return result


def began(ledger: dict[str, Any], params: dict[str, Any]) -> float | None:
    """When the entry's work began, in seconds since the epoch, or None."""
    entry = ledger["application"] if params["kind"] == "application" else ledger["features"].get(params["name"] or "")
    try:
        return time.mktime(time.strptime(str((entry or {}).get("at", ""))[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None


def tail(params: dict[str, Any]) -> dict[str, str]:
    """The application's output as a field of the audit trail, its end where it is long."""
    return {"output": params["output"][-MAX_OUTPUT:]} if params["output"] else {}


def prove(store: Store, params: dict[str, Any]) -> None:
    """A change that is guarded by a snapshot has been seen healthy; without one there is nothing to note."""
    guarding = store.read_record(params["ctid"]).get("guarding")
    proves = params["operation"] == "record" and params["kind"] != "feature"
    if proves and isinstance(guarding, dict) and guarding.get("for") != guard.UPDATE:
        store.update_record(params["ctid"], guarding={**guarding, "stage": guard.PROVED})


def healthy(module: AnsibleModule, ledger: dict[str, Any], boot: str, store: Store, audit: Audit) -> dict[str, Any]:
    """Remember on the node that the application was seen healthy: what was seen, not what was done."""
    if module.params["operation"] == "record" and not module.check_mode:
        store.update_record(module.params["ctid"], checked_boot=boot)
        prove(store, module.params)
        audit.write(module.params["ctid"], "health check", "ok")
    return {"changed": False, "ledger": ledger, "journal": []}


def works(module: AnsibleModule) -> None:
    """Raise GuestError when a feature that is to be recorded doesn't work by its own check, although its role ended."""
    params, check = module.params, module.params["check"]
    if module.check_mode or not check or (params["operation"], params["kind"]) != ("record", "feature"):
        return
    why = featurecheck.check(params["ctid"], check["command"], check["timeout"])
    if why:
        raise guest.GuestError(f"the check of feature {params['name']} ({check['command'].strip()}) {why}")


def reaches(module: AnsibleModule) -> None:
    """Raise GuestError when what comes next downloads packages, and the container can't resolve where from."""
    params = module.params
    if module.check_mode or not (
        params["operation"] == "network" or (params["operation"] == "begin" and params["network"])
    ):
        return
    conf = observe.read_conf(observe.node_name(), params["ctid"])[0]
    why = guestnetwork.trouble(params["ctid"], conf.head.get("nameserver") if conf is not None else None)
    if why:
        raise guest.GuestError(why)


def ensure_ours(store: Store, params: dict[str, Any]) -> None:
    """Raise ForeignError when another container has taken the CTID since the run began to work on it."""
    if params["operation"] != "fail":
        observer = observe.Observer(look_inside=False)
        identity.ensure_ours(observer.read_conf, params["ctid"], store)


def act(module: AnsibleModule, hold: contextlib.ExitStack) -> dict[str, Any]:
    """Do one operation, with the lease held. Returns the module's result."""
    params = module.params
    ctid, operation, kind = params["ctid"], params["operation"], params["kind"]
    run = params["run"] or {"id": "manual"}
    what = f"{kind} {params['name'] or ''}".strip()
    store, leases = Store(), Leases()
    audit = Audit(run["id"], quiet=module.check_mode)
    if not module.check_mode and operation != "ask":
        hold.enter_context(leases.working(ctid, run, params["dead_runs"]))
        ensure_ours(store, params)
    if operation == "fail":
        if not module.check_mode:
            extras = {"error": (params["error"] or "")[:2000], **tail(params)}
            audit.write(ctid, what, "failed", level="ERROR", extras=extras)
            leases.release(ctid, run)
        return {"changed": False, "ledger": {}, "journal": []}
    works(module)
    reaches(module)
    ledger, boot = read(ctid)
    if operation in ("ask", "network"):
        return {"changed": False, "ledger": ledger, "journal": []}
    if kind == "health":
        return healthy(module, ledger, boot, store, audit)
    after = change(ledger, params, run["id"], boot)
    journal = []
    if operation == "begin" and store.load(ctid).word != states.CUSTOMIZING:
        journal.append({"op": "node", "what": "state", "params": {"word": states.CUSTOMIZING}})
    if after != ledger:
        verb = {"begin": "begin", "record": "end", "forget": "forget"}[operation]
        text = f"{verb} {params['name']}" if kind == "feature" else verb if kind == "application" else "check health"
        journal.append({"op": "feature" if kind == "feature" else "application", "what": text, "params": {}})
    if not module.check_mode and journal:
        seconds = None
        start = began(ledger, params) if operation == "record" else None
        if start is not None:
            seconds = max(0.0, time.time() - start)
        before = store.load(ctid).word
        if journal[0]["what"] == "state":
            store.write_word(ctid, states.CUSTOMIZING)
            audit.write(ctid, f"{before or states.DEFINED}->{states.CUSTOMIZING}", "ok")
        if after != ledger:
            guest.write_ledger(ctid, ledgers.dump(after))
            store.update_record(ctid, ledger=after)
        prove(store, params)
        audit.write(ctid, what, "ok" if operation == "record" else operation, seconds, extras=tail(params))
    attempt = str((after["application"] or {}).get("attempt") or "")
    return {"changed": bool(journal), "ledger": after, "journal": journal, "attempt": attempt}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Do one operation. The lease is held until its end."""
    with about(f"container {module.params['ctid']}"), contextlib.ExitStack() as hold:
        done = {name: module.params[name] for name in ("operation", "kind", "name")}
        return {**act(module, hold), **done}


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "ctid": WANTED_OPTIONS["ctid"],
            "operation": {"type": "str", "choices": OPERATIONS, "default": "ask"},
            "kind": {"type": "str", "choices": ["feature", "application", "health"], "default": "feature"},
            "name": {"type": "str"},
            "digest": {"type": "str"},
            "components": {"type": "dict"},
            "check": {
                "type": "dict",
                "options": {
                    "command": {"type": "str", "required": True},
                    "timeout": {"type": "float", "default": featurecheck.TIMEOUT},
                },
            },
            "network": {"type": "bool", "default": False},
            "output": {"type": "str"},
            "error": {"type": "str"},
            **LEASE_OPTIONS,
        },
        work,
    )


if __name__ == "__main__":
    main()
