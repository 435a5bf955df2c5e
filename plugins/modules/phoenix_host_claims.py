#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_host_claims
short_description: Compare the sections of a node with the records of the inventories that set them
version_added: 0.1.0
description:
  - Each inventory records on the node what it set. This module compares the records with the sections of
    C(hypervisor_config.json) before a run touches anything.
  - An item that left a section of the file is undone when this inventory set it and no other inventory does. A
    section that the file does not have is not managed.
  - Fails when another inventory set the same item differently, and when a removal cuts off access and O(consent) does
    not name it. In check mode the missing consent is a warning.
  - An action plugin of the same name runs on the controller. It selects the sections of the tags of this run.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
  - phoenix.hypervisor.claims
options:
  sections:
    description:
      - The sections by their key, as the filter P(phoenix.hypervisor.host_config#filter) gives them below C(sections).
    type: dict
    required: true
  state:
    description:
      - V(judged) only compares.
      - V(begun) records what is about to be set, before it is set. V(recorded) records what has been set, once nothing
        else of this inventory is left.
    type: str
    choices: [judged, begun, recorded]
    default: judged
  explicit:
    description: Whether the inventory source gives the id. Without it the id is derived from names of files.
    type: bool
    default: true
  ctids:
    description: The containers that the inventory has on this node. The action plugin gives them.
    type: list
    elements: int
    default: []
"""

EXAMPLES = r"""
- name: Compare with what earlier runs have set
  phoenix.hypervisor.phoenix_host_claims:
    sections: "{{ (phoenix_hypervisor_config | phoenix.hypervisor.host_config).sections }}"
    inventory: "{{ phoenix_inventory_id }}"
    consent: "{{ phoenix_host_consent | default([], true) }}"
"""

RETURN = r"""
gone:
  description: What goes, as C(section:item).
  returned: success
  type: list
  elements: str
missing:
  description: What of it needs a consent and has none. In a real run the module fails then.
  returned: success
  type: list
  elements: str
notes:
  description: What stays although the file no longer has it, and why.
  returned: success
  type: list
  elements: str
merged:
  description: The sections C(ntp) and C(sysctl) with what other inventories set.
  returned: success
  type: dict
due:
  description: The sections whose record changes.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import ownership, sections
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import claimed
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import section_records as records

MERGED = ("ntp", "sysctl")


@failing("the records of this node can't be read or written")
def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and write the records when told to."""
    params = module.params
    inventory, consent = claimed.who(module), claimed.consent(module)
    if params["state"] == "judged" and not params["explicit"]:
        _refuse_a_stranger(module, inventory)
    found: dict[str, ownership.Verdict] = {}
    merged: dict[str, Any] = {}
    due: list[str] = []
    for name in filter(params["sections"].__contains__, ownership.SECTIONS):
        section = records.Section(name, inventory, consent)
        wanted = sections.wanted(name, params["sections"][name])
        verdict = found[name] = section.judge(wanted)
        if section.is_due(wanted, verdict):
            due.append(name)
        if name in MERGED:
            merged[name] = {**verdict.others, **wanted}
        if module.check_mode or params["state"] == "judged":
            continue
        begun = params["state"] == "begun"
        section.write({**verdict.earlier, **wanted} if begun else wanted, verdict)
    result = claimed.judge(module, inventory, consent, found, params["state"] == "judged")
    if params["state"] == "judged" and not module.check_mode and params["ctids"]:
        records.remember(inventory, params["ctids"])
    return {"changed": False, "merged": merged, "due": due, **result}


def _refuse_a_stranger(module: AnsibleModule, inventory: str) -> None:
    """Raise NodeError when the derived id is that of an inventory with entirely other containers."""
    now, before = set(module.params["ctids"]), set(records.seen().get(inventory) or ())
    if now and before and not now & before:
        raise NodeError(
            f'Nothing is touched: this node knows an inventory "{inventory}" with the containers '
            f"{', '.join(map(str, sorted(before)))}, and this one has none of them. Its id is derived from the names "
            "of its files, which two inventories can share. Add a line such as `inventory_id: office` to this "
            f"inventory source; if it is the same inventory with other containers, `inventory_id: {inventory}`."
        )


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "sections": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["judged", "begun", "recorded"], "default": "judged"},
            "explicit": {"type": "bool", "default": True},
            "ctids": {"type": "list", "elements": "int", "default": []},
            **claimed.OPTIONS,
        },
        work,
    )


if __name__ == "__main__":
    main()
