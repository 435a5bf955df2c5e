#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_pve_storage
short_description: Manage the storages of Proxmox VE
version_added: 0.1.0
description:
  - Adds storages and corrects the options that Proxmox VE lets change. One call for all of them.
  - What PVE never changes for an existing storage (its type, and what it can't be made without) is reported in
    RV(notes) as a warning and left.
  - Storages that are not named are left alone, and so are options that are not given. Nothing is ever removed.
  - C(proxmox_storage) of community.proxmox does not compare with the current state, knows neither LVM-thin nor Btrfs,
    and needs proxmoxer and a password or token; this module needs nothing on the node.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  storages:
    description:
      - The storages, each with C(storage) (its ID), C(type), and options as in C(/etc/pve/storage.cfg).
      - An option is written with C(_) for each C(-). C(content), C(nodes) and C(monhost) are lists or texts with
        commas, C(prune_backups) and C(content_dirs) are objects or texts such as V(keep-last=3,keep-daily=7).
    type: list
    elements: dict
    required: true
  secrets:
    description:
      - Secrets by storage ID, each an object with C(password) (cifs, pbs), C(keyring) (cephfs, rbd) or
        C(encryption_key) (pbs).
      - They are sent when the storage is made. PVE never returns them, so they are not compared later.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Keep two storages
  phoenix.hypervisor.phoenix_pve_storage:
    storages:
      - storage: fast-vms
        type: zfspool
        pool: fast/vms
        content: [images, rootdir]
      - storage: backups
        type: nfs
        server: 192.0.2.20
        export: /tank/backups
        content: backup
"""

RETURN = r"""
calls:
  description: The calls that were made, or would be in check mode, without secrets.
  returned: success
  type: list
  elements: str
notes:
  description: What differs and can't be changed.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage import pve_storage
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.direct import client_for, make


def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and call unless in check mode."""
    secrets = module.params["secrets"]
    desired = [{**row, **(secrets.get(row.get("storage")) or {})} for row in module.params["storages"]]
    for storage in desired:
        if not storage.get("storage") or not storage.get("type"):
            raise NodeError("every storage needs its ID as `storage`, and its `type`")
    client = client_for(bool(secrets))
    plan = pve_storage.plan(desired, client.request("GET", "/storage"))
    for note in plan.notes:
        module.warn(note)
    if not module.check_mode:
        make(client, plan.calls)
    return {
        "changed": bool(plan.calls),
        "calls": [call.text() for call in plan.calls],
        "notes": plan.notes,
        "diff": plan.diff(),
    }


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "storages": {"type": "list", "elements": "dict", "required": True},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
        },
        work,
    )


if __name__ == "__main__":
    main()
