#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_pve_network
short_description: Manage the interfaces of a Proxmox VE node, with rollback
version_added: 0.1.0
description:
  - Compares bridges, bonds, VLANs and addresses with what Proxmox VE has, stages the difference through its API and
    applies it. One call for all of them.
  - A change rolls back after O(timeout) seconds, and with a reboot, unless this task confirms it over a new SSH
    connection. It fails then, and says so.
  - Interfaces that are not named are left alone, except those that were made for O(inventory) and are no longer named,
    which are removed with a O(consent) unless a guest or another inventory uses them. Keys that are not given are left
    alone too.
  - Refuses a name that the node does not have, a port with an address, two default gateways, foreign staged changes,
    and any change over a connection that does not come over the network.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
  - phoenix.hypervisor.confirmed
  - phoenix.hypervisor.claims
options:
  interfaces:
    description:
      - The interfaces, each with C(name), C(type) (V(bridge), V(bond), V(vlan), V(eth), or empty to take the node's),
        C(dhcp), and C(params) with PVE's keys. An empty value unsets a key.
    type: list
    elements: dict
    required: true
  dns:
    description: The node's name servers, three at most. Without them they are left alone.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Keep a bridge for the containers
  phoenix.hypervisor.phoenix_pve_network:
    interfaces:
      - name: vmbr1
        type: bridge
        params: {cidr: 10.10.0.1/24, bridge_ports: "", bridge_vlan_aware: true}
"""

RETURN = r"""
calls:
  description: The calls that were made, or would be in check mode.
  returned: success
  type: list
  elements: str
notes:
  description: What is left as it is, and why.
  returned: success
  type: list
  elements: str
record_due:
  description: Whether the node's record of what is set was another one, although nothing else differs.
  returned: when nothing is changed
  type: bool
outcome:
  description: V(confirmed) after a change.
  returned: when something was changed
  type: str
"""

import os
import socket
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import interfaces, sections, self_revert
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.apicalls import Kind
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf.observe import node_name
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import claimed, guarded, session
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host.revert_timer import (
    Change,
    read_record,
    write_record,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host.section_records import Section
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.preflight import bridges
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.direct import make
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.pvesh import open_client

FILE = "/etc/network/interfaces"
STAGED = "/etc/network/interfaces.new"
RESOLV = "/etc/resolv.conf"


@failing("the node's network can't be read or changed", kinds=guarded.KINDS)
def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare; stage and apply when told to."""
    params, inventory, consent = module.params, claimed.who(module), claimed.consent(module)
    section = Section("network", inventory, consent)
    verdict = section.judge(sections.wanted("network", params))
    told = claimed.judge(module, inventory, consent, {"network": verdict})
    if not params["interfaces"] and not params["dns"] and not verdict.earlier and not verdict.shared:
        return {"changed": False, "calls": [], "notes": []}
    Change(self_revert.NETWORK).refuse_pending(look=module.check_mode)
    client, node = open_client(), node_name()
    seen = interfaces.Seen(
        interfaces=client.request("GET", f"/nodes/{node}/network"),
        dns=client.request("GET", f"/nodes/{node}/dns") or {},
        used=bridges.used(),
        domain=socket.getfqdn().partition(".")[2] or "localdomain",
    )
    plan = interfaces.plan(node, params["interfaces"], params["dns"], seen, verdict.earlier)
    guarded.judge(module, plan, "The node's network")
    result: dict[str, Any] = {
        "changed": bool(plan.calls),
        "calls": [call.text() for call in plan.calls],
        "notes": [*told["notes"], *plan.notes],
        "diff": [plan.diff(), _diff(plan)],
    }
    record = section.record(plan.applied, verdict)
    if not plan.calls:
        record_due = record != read_record("network")
        if not module.check_mode:
            write_record("network", record)
        return {**result, "diff": [], "record_due": record_due}
    if os.path.exists(STAGED):
        raise NodeError(
            f"Somebody has staged changes of this node's network ({STAGED}): apply or revert them first, in the "
            f"web interface, or with `pvesh set /nodes/{node}/network` or `pvesh delete /nodes/{node}/network`. "
            "Nothing is touched."
        )
    if module.check_mode or not params["apply"]:
        return result
    return {**result, **_apply(module, client, node, plan, record)}


def _diff(plan: interfaces.NetworkPlan) -> dict[str, str]:
    headers = {"before_header": f"{FILE} (interfaces that differ)", "after_header": "what it becomes"}
    return {"before": interfaces.text(plan.before), "after": interfaces.text(plan.after), **headers}


def _apply(
    module: AnsibleModule, client: Any, node: str, plan: interfaces.NetworkPlan, record: dict[str, Any]
) -> dict[str, Any]:
    """Start the clock, stage, and let PVE reload: its task goes on while this connection may end."""
    if all(call.kind is Kind.DNS for call in plan.calls):
        make(client, plan.calls)  # name servers cut nobody off
        write_record("network", record)
        return {}
    guarded.refuse_local(session.find(), "The node's network")
    change = Change(self_revert.NETWORK)
    answers = guarded.carry_out(module, change, client, plan.calls, (FILE, RESOLV), record)
    expected = sorted(name for name, values in plan.after.items() if values.get("autostart"))
    change.note(upid=answers[-1], expected=expected)
    return {"armed": True}


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "interfaces": {"type": "list", "elements": "dict", "required": True},
            "dns": {"type": "list", "elements": "str", "default": []},
            **guarded.OPTIONS,
            **claimed.OPTIONS,
        },
        work,
        required_if=guarded.REQUIRED_IF,
    )


if __name__ == "__main__":
    main()
