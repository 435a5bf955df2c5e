# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The product's parts that tests call by themselves, imported before pytest's plugin for Ansible changes imports."""

from __future__ import annotations

import fake_node  # noqa: F401  # pylint: disable=unused-import  # finds the collection

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core import auditline
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import desired
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import environment
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Application
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.importing import read_container
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Observation, Record
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import conffile, properties, rawlines
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import audit, store, waiting
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import executor, lease
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import bounded, guest
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import client, direct, local_client
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct.pct_relay import RELAY
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct.pct_wrapper import NodeCall

__all__ = [
    "RELAY",
    "Application",
    "NodeCall",
    "Observation",
    "Record",
    "audit",
    "auditline",
    "bounded",
    "client",
    "conffile",
    "desired",
    "direct",
    "environment",
    "executor",
    "guest",
    "lease",
    "local_client",
    "planner",
    "properties",
    "rawlines",
    "read_container",
    "store",
    "waiting",
]
