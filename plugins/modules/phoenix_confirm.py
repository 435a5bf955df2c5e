#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_confirm
short_description: Confirm a change of a node before it rolls back
version_added: 0.1.0
description:
  - M(phoenix.hypervisor.phoenix_pve_network) and M(phoenix.hypervisor.phoenix_pve_firewall) call this module, over
    connections of their own. Playbooks seldom need it.
  - Confirms a change only when all of it is in force, over an SSH connection that began after that. The node rolls
    back a change that is not confirmed in time. A reboot rolls it back too.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  change:
    description: What was changed.
    type: str
    choices: [network, firewall]
    required: true
  token:
    description: Which change. It is a random name, not a secret.
    type: str
    required: true
  look:
    description: Whether only to say where it stands, since this connection comes by an address that is to go.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Confirm a change of the node's network
  phoenix.hypervisor.phoenix_confirm:
    change: network
    token: 4a1c83d0
"""

RETURN = r"""
outcome:
  description:
    - V(confirmed), V(reverted), V(waiting) while the change is not in force yet, V(reconnect) when a newer connection
      is needed, V(reverting) when it failed and is being rolled back, or V(unknown) when the node knows no such change.
  returned: success
  type: str
reason:
  description: Why it is being rolled back.
  returned: when O(ignore:outcome) is V(reverting)
  type: str
"""

import subprocess
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import self_revert
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import inforce, session
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host.revert_timer import Change

OUTCOMES = {self_revert.CONFIRMED: "confirmed", self_revert.REVERTED: "reverted"}


def step(name: str, token: str, look: bool) -> dict[str, Any]:
    """One look, and one step when it can be made."""
    change = Change(self_revert.KINDS[name])
    facts, phase = change.facts(), change.phase()
    if facts.get("token") != token:
        return {"outcome": "unknown"}
    if look and phase in self_revert.PENDING:
        return {"outcome": "waiting"}
    if phase == self_revert.ARMED:
        if facts.get("failed"):
            return {"outcome": "reverting", "reason": facts["failed"]}
        state, reason = inforce.look(name, facts)
        if state == "failed":
            change.note(failed=reason)
            change.take_back()
            return {"outcome": "reverting", "reason": reason}
        if state == "waiting":
            return {"outcome": "waiting"}
        change.applied()
        return {"outcome": "reconnect"}
    if phase == self_revert.APPLIED:
        return {"outcome": "confirmed" if change.confirm(session.find()) else "reconnect"}
    return {"outcome": OUTCOMES.get(phase, "unknown"), **({"reason": facts["failed"]} if facts.get("failed") else {})}


@failing(kinds=(OSError, subprocess.SubprocessError))
def work(module: AnsibleModule) -> dict[str, Any]:
    """Make the next step, unless in check mode."""
    if module.check_mode:
        return {"changed": False, "outcome": "unknown"}
    result = step(module.params["change"], module.params["token"], module.params["look"])
    return {"changed": result["outcome"] == "confirmed", **result}


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "change": {"type": "str", "choices": ["network", "firewall"], "required": True},
            "token": {"type": "str", "required": True, "no_log": False},  # a name
            "look": {"type": "bool", "default": False},
        },
        work,
    )


if __name__ == "__main__":
    main()
