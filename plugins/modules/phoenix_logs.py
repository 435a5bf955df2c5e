#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_logs
short_description: Collect the logs of one container from its node and from the controller
version_added: 0.1.0
description:
  - Collects the lines of the container in the audit trails of node and controller, the latest tasks of Proxmox VE on
    it with the ends of their logs, and the end of the application's log inside the container.
  - Each part has at most 256 KiB, without control characters. What the container answers names no file.
  - Reads the node as root (delegate it there), and changes nothing on it.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
attributes:
  check_mode:
    description: It writes nothing.
    support: full
  diff_mode:
    description: Nothing to show.
    support: none
options:
  ctid:
    description: The container. A host of the inventory plugin has it as variable.
    type: int
  to:
    description: Folder of the controller. Each container gets a folder with its CTID there, with a file for each part.
      Without it the parts are only returned.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Collect the logs of a container
  phoenix.hypervisor.phoenix_logs:
    to: logs
  delegate_to: "{{ phoenix_node }}"
"""

RETURN = r"""
parts:
  description: The text of C(audit) (the node's trail), C(tasks), C(application) and C(controller) (its trail).
  returned: success
  type: dict
notes:
  description: What is missing, and why.
  returned: success
  type: list
  elements: str
files:
  description: The files that were written.
  returned: success
  type: list
  elements: str
lines:
  description: The parts for the screen, of each the last lines.
  returned: success
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import root
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import collected
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf.observe import Observer
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.pvesh import open_client
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.store import Store


def work(module: AnsibleModule) -> dict[str, Any]:
    """Collect what the node has."""
    problem = root.lacking(os.uname().nodename)
    if problem:
        raise NodeError(problem)
    ctid = module.params["ctid"]
    if ctid is None:
        raise NodeError("ctid: got nothing, expected the container's CTID")
    observer, record = Observer(look_inside=False), Store().load(ctid)
    seen = observer.observe(ctid, None, record)
    parts = collected.collect(ctid, observer.node, open_client, seen.running and record.ours and not record.replaced)
    notes = parts.pop("notes")
    return {"changed": False, "parts": parts, "notes": notes}


def main() -> None:
    """Module entry point."""
    run_module({"ctid": {"type": "int"}, "to": {"type": "str", "default": ""}}, work)


if __name__ == "__main__":
    main()
