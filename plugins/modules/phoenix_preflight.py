#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_preflight
short_description: Check on a Proxmox VE node whether it can carry out a run
version_added: 0.1.0
description:
  - Checks on the node what the plans of all containers of a run need, and reports the refusals of the planner too.
  - Storages must exist, be enabled there, hold containers or templates, and have room for the sum of all new disks.
    Bridges and the folders of bind mounts must exist. Templates must exist on the node or in PVE's appliance index.
  - Fails with all faults of all containers at once, each with the key of the file, the value and the remedy. The
    check changes nothing and takes no lease.
  - With O(ignore:by_container) and O(downloads) the task does not fail. What fails becomes a fault of the containers
    that need it, in the fact C(phoenix_faults) of the node, so that a play fails those containers and continues with
    the others. The playbooks check with M(phoenix.hypervisor.phoenix_lxc_info), which also plans.
  - Templates that are missing and that PVE can download are returned as RV(downloads). A second call with O(downloads)
    fetches them.
  - Adds up the memory of all programs on each GPU on which the run starts something. Containers of the file count
    with the memory share of their server, all others with the memory that the driver's tool reports. A sum above the
    memory of the GPU is a fault; so are more ranks than GPUs. The manifests of features declare the keys of servers.
  - Too little room is a fault where a volume takes all of its size at once (LVM), or where not even the templates'
    archives would fit. Elsewhere it is a warning.
  - Runs on the node itself as root (delegate it there). Containers whose plans are empty cost nothing.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
  - phoenix.hypervisor.held_lease.run
  - phoenix.hypervisor.wanted_container.candidates
  - phoenix.hypervisor.wanted_container.demands
options:
  downloads:
    description:
      - Templates to fetch. Nothing is checked then.
      - One that fails does not stop the others; the module then fails with RV(problems).
    type: list
    elements: dict
    default: []
    suboptions:
      storage:
        description: The storage to download to.
        type: str
        required: true
      template:
        description: The file name of the template in PVE's appliance index.
        type: str
        required: true
      ctids:
        description: The containers that need it.
        type: list
        elements: int
        default: []
  task_timeout:
    description: How long one download may take, in seconds.
    type: int
    default: 3600
seealso:
  - module: phoenix.hypervisor.phoenix_lxc_info
  - module: phoenix.hypervisor.phoenix_lxc_state
"""

EXAMPLES = r"""
- name: Check what this run needs of the node
  phoenix.hypervisor.phoenix_preflight:
    hosts: "{{ hostvars['pve'].ansible_facts.phoenix_due }}"
  delegate_to: pve
  run_once: true
  register: preflight

- name: Download the missing templates
  phoenix.hypervisor.phoenix_preflight:
    downloads: "{{ preflight.downloads }}"
  delegate_to: pve
  run_once: true

- name: Check whether a token may do it, too
  phoenix.hypervisor.phoenix_preflight:
    hosts: ['950']
    credential: automation@pve!phoenix
  delegate_to: pve
"""

RETURN = r"""
findings:
  description:
    - All faults, each with C(pointer), C(got), C(expected), C(remedy) and C(nearest), with C(ctids), the containers
      that can't go on with it, and C(text), all of it as one line.
    - In a play also C(place), which is file, line and column of the key.
  returned: when containers are checked
  type: list
  elements: dict
  sample: [{"pointer": "/lxc_configs/950/storage_pool", "got": "storage \"tnak\" does not exist on node pve",
    "expected": "a storage for containers (rootdir): local, tank", "remedy": "Write an existing storage …",
    "nearest": "tank", "ctids": [950], "text": "/lxc_configs/950/storage_pool  got …"}]
downloads:
  description: The templates that must be downloaded first.
  returned: when containers are checked
  type: list
  elements: dict
  sample: [{"storage": "local", "template": "debian-12-standard_12.7-1_amd64.tar.zst"}]
problems:
  description: The downloads that failed, as they were given, each with C(msg).
  returned: when a download fails
  type: list
  elements: dict
plan:
  description: The downloads as a plan, with the same entries that a real run journals.
  returned: always
  type: dict
journal:
  description: The mutations that were made, in check mode those that would be made.
  returned: always
  type: list
  elements: dict
  contains:
    op:
      description: V(pve), a call to PVE.
      type: str
      sample: pve
    what:
      description: The call with its path.
      type: str
      sample: POST /nodes/pve/aplinfo
    params:
      description: Parameters of the call.
      type: dict
    kind:
      description:
        - What the call does.
        - V(download).
      returned: when RV(journal[].op=pve)
      type: str
      sample: download
    ctid:
      description: V(0), since a download is for no single container.
      returned: when RV(journal[].op=pve)
      type: int
      sample: 0
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.demand_options import (
    CANDIDATE_OPTIONS,
    DEMAND_OPTIONS,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.audit import Audit
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.lease import LEASE_OPTIONS
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.preflight.fetching import fetch
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.preflight.judging import judged
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.preflight.node_survey import Gatherer
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.pvesh import open_client


def check(module: AnsibleModule, gatherer: Gatherer) -> dict[str, Any]:
    """Judge the plans. Raises NodeError with the report when something is wrong."""
    result = judged(gatherer, module.params["containers"], module.params, module.check_mode, module.warn)
    if result["findings"]:
        raise NodeError(result.pop("report"), **result)
    return result


def work(module: AnsibleModule) -> dict[str, Any]:
    """Judge the plans, or download what is named."""
    gatherer = Gatherer(open_client)
    downloads, run = module.params["downloads"], module.params["run"] or {"id": "manual"}
    if not downloads:
        return check(module, gatherer)
    return fetch(gatherer, downloads, Audit(run["id"]), module.params["task_timeout"], module.check_mode, module.warn)


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    required = {"type": "str", "required": True}
    ctids = {"type": "list", "elements": "int", "default": []}
    download = {"storage": required, "template": required, "ctids": ctids}
    return {
        "containers": {"type": "list", "elements": "dict", "options": CANDIDATE_OPTIONS, "default": []},
        "downloads": {"type": "list", "elements": "dict", "options": download, "default": []},
        **DEMAND_OPTIONS,
        "task_timeout": {"type": "int", "default": 3600},
        "run": LEASE_OPTIONS["run"],
    }


def main() -> None:
    """Module entry point."""
    run_module(argument_spec(), work, mutually_exclusive=[("containers", "downloads")])


if __name__ == "__main__":
    main()
