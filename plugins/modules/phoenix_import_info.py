#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_import_info
short_description: Read a node and its containers as the keys of the two JSON files
version_added: 0.1.0
description:
  - Reads the configs, firewalls, resource pools, HA entries and HA rules of containers, and the storages and the time
    zone of the node. Returns the keys of C(phoenix_lxc_configs.json) and C(hypervisor_config.json) that ask for the
    same.
  - The planner judges each container. A key with which a run would change something is left out, so a container that
    is adopted with C(phoenix_adopt=record) is never configured.
  - What looks like a secret never leaves the node.
  - Runs on the node as root (delegate it there), and changes nothing. A node with the entry C(api) in the inventory
    source is read over its API; the time zone and the HA entries then need C(Sys.Audit) on C(/).
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
attributes:
  diff_mode:
    support: none
    description: Changes nothing.
options:
  ctids:
    description: The containers to read. Without it all containers of the node. CTIDs of other nodes are ignored.
    type: list
    elements: int
"""

EXAMPLES = r"""
- name: Read all containers of a node
  phoenix.hypervisor.phoenix_import_info:
  delegate_to: pve
  register: found
"""

RETURN = r"""
node:
  description: PVE's name of the node.
  returned: success
  type: str
containers:
  description: The containers by CTID as text, each with its keys (C(config)) and C(notes) on what is left out.
  returned: success
  type: dict
host:
  description: The sections of the host.
  returned: success
  type: dict
notes:
  description: What of the node is not in the sections.
  returned: success
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.importing.read_host import read_host
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.storagecfg import parse_storages
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import root
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf import imported, observe
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.gpu import driver_files
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.pvesh import open_client
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.store import Store

_ZONES = "/usr/share/zoneinfo/"


def _time_zone() -> str:
    """The node's time zone, empty when it is not known."""
    path = os.path.realpath("/etc/localtime")
    return path[len(_ZONES) :] if path.startswith(_ZONES) else ""


def work(module: AnsibleModule) -> dict[str, Any]:
    """Read the node."""
    problem = root.lacking(os.uname().nodename)
    if problem:
        raise NodeError(problem)
    return survey(module.params["ctids"])


def survey(ctids: list[int] | None) -> dict[str, Any]:
    """Read the named containers, or all, and the node. What is wrong with one container is its note."""
    observer, store = observe.Observer(look_inside=False), Store()
    there = observe.existing_ctids(observer.node)
    asked = there if ctids is None else there & set(ctids)
    version = str((open_client().request("GET", "/version") or {}).get("version") or "") if asked else ""
    containers = imported.containers(observer, asked, version, driver_files.complete, store.load)
    try:
        with open(f"{observer.pve}/storage.cfg", encoding="utf-8", errors="replace") as file:
            storages = parse_storages(file.read())
    except FileNotFoundError:
        storages = {}
    host, notes = read_host(storages.values(), _time_zone())
    return {"changed": False, "node": observer.node, "containers": containers, "host": host, "notes": notes}


def main() -> None:
    """Module entry point."""
    run_module({"ctids": {"type": "list", "elements": "int"}}, work)


if __name__ == "__main__":
    main()
