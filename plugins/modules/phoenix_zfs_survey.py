#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_zfs_survey
short_description: Compare disks, pools and datasets with the configuration, and refuse to lose data
version_added: 0.1.0
description:
  - Returns the pools to be made and the properties to be set, for M(community.general.zpool) and
    M(community.general.zfs). Those check no disk before they use it, add and remove disks of an existing pool, and
    cost a second for every settled dataset.
  - Fails with all refusals before any change. It refuses a disk of a new pool with a signature or partition, unless
    C(force_wipe) of the pool names that disk. It always refuses a disk that is mounted, swap, held by another device
    or in a pool, and a quota below the used space of a dataset.
  - A pool that exists with another layout is reported in RV(notes) as a warning, never rebuilt.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  pools:
    description: The pools, as the filter P(phoenix.hypervisor.host_config#filter) gives them.
    type: list
    elements: dict
    default: []
  datasets:
    description: The datasets, as that filter gives them.
    type: list
    elements: dict
    default: []
  wipe:
    description: Whether disks that C(force_wipe) names are wiped now, once nothing has been refused.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Compare with the current state
  phoenix.hypervisor.phoenix_zfs_survey:
    pools: "{{ (phoenix_hypervisor_config | phoenix.hypervisor.host_config).pools }}"
    datasets: "{{ (phoenix_hypervisor_config | phoenix.hypervisor.host_config).datasets }}"
  register: survey
"""

RETURN = r"""
create:
  description: The pools to make, with C(name), C(vdevs) and C(properties).
  returned: success
  type: list
  elements: dict
pool_properties:
  description: Properties to set, by pool.
  returned: success
  type: dict
datasets:
  description: The datasets to make or to set, with C(name) and the C(properties) that differ.
  returned: success
  type: list
  elements: dict
notes:
  description: What differs and is left.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage import zpools
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import disks


def work(module: AnsibleModule) -> dict[str, Any]:
    """Look, compare, and wipe where that is allowed and asked for."""
    pools, wanted = module.params["pools"], module.params["datasets"]
    look = disks.Look()
    found = {path: look.disk(path) for pool in pools for path in pool["disks"]}
    names = [pool["name"] for pool in pools] + [dataset["name"] for dataset in wanted]
    plan = zpools.survey(pools, wanted, look.pools, disks.datasets(names), found)
    for note in plan.notes:
        module.warn(note)
    if plan.errors:
        raise NodeError("Nothing has been changed. " + "; ".join(plan.errors), errors=plan.errors)
    if module.params["wipe"] and not module.check_mode:
        for path in plan.wipe:
            disks.wipe(path)
    return {
        # What is still to be made is the change of the tasks that make it; in check mode there are none.
        "changed": plan.changed if module.check_mode else bool(plan.wipe and module.params["wipe"]),
        "create": plan.create,
        "pool_properties": plan.pool_properties,
        "datasets": plan.datasets,
        "notes": plan.notes,
        "diff": {"prepared": "".join(f"{line}\n" for line in plan.lines())},
    }


def main() -> None:
    """Module entry point."""
    rows: dict[str, Any] = {"type": "list", "elements": "dict", "default": []}
    run_module({"pools": rows, "datasets": rows, "wipe": {"type": "bool", "default": True}}, work)


if __name__ == "__main__":
    main()
