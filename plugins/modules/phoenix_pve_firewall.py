#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_pve_firewall
short_description: Manage the firewall of a Proxmox VE node and its datacenter
version_added: 0.1.0
description:
  - Compares options, rules, security groups, IP sets and aliases with what Proxmox VE has, and makes the difference
    through its API. One call for all of them.
  - A rule that keeps SSH, the port of this connection and port 8006 open comes first, at both levels, and exists
    before any other change.
  - A change rolls back after O(timeout) seconds, and with a reboot, unless this task confirms it over a new SSH
    connection once the rules are in force. It fails then, and says so.
  - Removes items that were set for O(inventory) and are no longer given, with a O(consent) where that cuts off
    access. Foreign items keep their places.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
  - phoenix.hypervisor.confirmed
  - phoenix.hypervisor.claims
options:
  firewall:
    description:
      - C(options) and C(rules) by level (C(datacenter), C(node)), C(groups) (rules by name), C(ipsets) (entries by
        name), C(aliases) (C(cidr) and C(comment) by name), and C(management), the networks that may reach SSH and 8006.
      - Rules are objects as in C(hypervisor_config.json), options are PVE's.
      - An empty one undoes what was applied earlier.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Filter, and let the office in
  phoenix.hypervisor.phoenix_pve_firewall:
    firewall:
      options:
        datacenter: {enable: true, policy_in: DROP}
      rules:
        datacenter:
          - {type: in, action: ACCEPT, macro: Ping}
      management: [192.0.2.0/24]
"""

RETURN = r"""
calls:
  description: The calls that were made, or would be in check mode.
  returned: success
  type: list
  elements: str
reasons:
  description: Why.
  returned: success
  type: list
  elements: str
notes:
  description: What is left as it is, and why.
  returned: success
  type: list
  elements: str
outcome:
  description: V(confirmed) after a change.
  returned: when something was changed
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import node_firewall, sections, self_revert
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf.observe import PVE, node_name
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import claimed, fwread, guarded, session
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host.revert_timer import Change, write_record
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host.section_records import Section
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.pvesh import open_client


@failing("the firewall can't be read or changed", kinds=guarded.KINDS)
def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and make the calls when told to."""
    params, now = module.params, session.find()
    inventory, consent = claimed.who(module), claimed.consent(module)
    section = Section("firewall", inventory, consent)
    verdict = section.judge(sections.wanted("firewall", params["firewall"]))
    told = claimed.judge(module, inventory, consent, {"firewall": verdict})
    if not params["firewall"] and not verdict.earlier and not verdict.shared:
        return {"changed": False, "calls": [], "reasons": [], "notes": []}
    change = Change(self_revert.FIREWALL)
    change.refuse_pending(look=module.check_mode)
    client, node = open_client(), node_name()
    earlier = sections.firewall_applied(verdict.earlier)
    seen = fwread.seen(client, node, params["firewall"], {"applied": earlier})
    # A rule that names this connection's port stays when another run comes in by the usual one.
    ports = sorted({*(section.data.get("ports") or ()), *([now.port] if now and now.port else ())})
    plan = node_firewall.plan(node, params["firewall"], seen, earlier, ports)
    guarded.judge(module, plan, "The firewall")
    result: dict[str, Any] = {
        "changed": bool(plan.calls),
        "calls": [call.text() for call in plan.calls],
        "reasons": plan.reasons,
        "notes": [*told["notes"], *plan.notes],
        "diff": {"prepared": "".join(f"{line}\n" for line in plan.reasons) + plan.diff()["prepared"]},
    }
    items = sections.firewall_items(plan.applied, params["firewall"])
    after = section.record(items, verdict, ports=ports)
    if not plan.calls:
        if not module.check_mode:
            write_record("firewall", after)
        return {**result, "diff": {}}
    if module.check_mode or not params["apply"]:
        return result
    guarded.refuse_local(now, "The firewall")
    files = (f"{PVE}/firewall/cluster.fw", f"{PVE}/nodes/{node}/host.fw")
    guarded.carry_out(module, change, client, plan.calls, files, after)
    nftables = str(client.request("GET", f"/nodes/{node}/firewall/options").get("nftables") or "0") != "0"
    change.note(called=session.boot_clock(), nftables=nftables)
    return {**result, "armed": True}


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "firewall": {"type": "dict", "required": True},
            **guarded.OPTIONS,
            **claimed.OPTIONS,
        },
        work,
        required_if=guarded.REQUIRED_IF,
    )


if __name__ == "__main__":
    main()
