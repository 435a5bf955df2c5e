#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_gpu_info
short_description: Report the GPUs of a node and the container processes that use them
version_added: 0.1.0
description:
  - Reads what the node's driver shows in files. Changes nothing, and runs no command of the driver's.
  - Runs on the node, by delegation.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
attributes:
  diff_mode:
    support: none
    description: Changes nothing.
options:
  device_class:
    description:
      - The class of devices that is looked at, as the manifests of features name it.
      - Without it the first one whose driver the node has loaded.
    type: str
  ctid:
    description: The container whose processes are looked at. Without it none are.
    type: int
  everybody:
    description: Whether the processes of the whole node are looked at, those of all containers too.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look for programs that compute
  phoenix.hypervisor.phoenix_gpu_info:
    ctid: "{{ phoenix_ctid }}"
  delegate_to: "{{ phoenix_node }}"
  register: found
"""

RETURN = r"""
driver:
  description: Version of the loaded driver, empty without one.
  returned: success
  type: str
gpus:
  description: The GPUs in the order of their PCI addresses, as the tool of the driver lists them.
  returned: success
  type: list
  elements: dict
  contains:
    index:
      description: Its number in C(gpu_assignment).
      type: int
    address:
      description: Its PCI address.
      type: str
    uuid:
      description: Its UUID, empty where the driver doesn't tell.
      type: str
    model:
      description: Its name.
      type: str
    device:
      description: Its device node.
      type: str
processes:
  description: The processes that have a device node open that is opened to compute.
  returned: success
  type: list
  elements: dict
  contains:
    pid:
      description: Its number on the node.
      type: int
    name:
      description: Its name.
      type: str
    devices:
      description: The node's devices that it has open.
      type: list
      elements: str
    unit:
      description: The unit of the container's own systemd that it is part of, empty for a program of none.
      type: str
      sample: inference.service
    text:
      description: All of this for people.
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.devices import Gpus
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.gpu import driver_files, gpuusers


def _gpus(module: AnsibleModule) -> Gpus:
    """What the node tells of the GPUs of the class, else of the first class that has a driver."""
    name = module.params["device_class"]
    found = driver_files.read_all()
    if name is None:
        return next((gpus for gpus in found if gpus.version), found[0])
    for gpus in found:
        if gpus.vendor.device_class == name:
            return gpus
    known = ", ".join(gpus.vendor.device_class for gpus in found)
    raise NodeError(f'device_class "{name}" is not known; expected one of: {known}')


def work(module: AnsibleModule) -> dict[str, Any]:
    """Return the node's GPUs, and the processes that use them where they are asked for."""
    node = _gpus(module)
    ctid = module.params["ctid"]
    where = f"container {ctid}" if ctid is not None else "the node"
    with failing(f"the processes of {where} can't be read"):
        init = 1 if module.params["everybody"] else None if ctid is None else gpuusers.init_of(ctid)
        processes = [] if init is None else gpuusers.users(init, node.vendor, node.devices)
    return {
        "changed": False,
        "driver": node.version,
        "gpus": [
            {
                "index": index,
                "address": gpu.address,
                "uuid": gpu.uuid,
                "model": gpu.model,
                "device": node.vendor.card_path(gpu.minor),
            }
            for index, gpu in enumerate(node.gpus)
        ],
        "processes": [
            {
                "pid": user.pid,
                "name": user.name,
                "devices": list(user.devices),
                "unit": user.unit,
                "text": str(user),
            }
            for user in processes
        ],
    }


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "device_class": {"type": "str"},
            "ctid": {"type": "int"},
            "everybody": {"type": "bool", "default": False},
        },
        work,
        mutually_exclusive=[("ctid", "everybody")],
    )


if __name__ == "__main__":
    main()
