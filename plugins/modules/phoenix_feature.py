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
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.asked_options import WANTED_OPTIONS
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import applying
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.lease import LEASE_OPTIONS
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import about
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import featurecheck

OPERATIONS = ["ask", "begin", "record", "fail", "forget", "network"]


def work(module: AnsibleModule) -> dict[str, Any]:
    """Do one operation. The lease is held until its end."""
    with about(f"container {module.params['ctid']}"), contextlib.ExitStack() as hold:
        done = {name: module.params[name] for name in ("operation", "kind", "name")}
        return {**applying.operate(applying.Place(), module.params, module.check_mode, hold), **done}


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
