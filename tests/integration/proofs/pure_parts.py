# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The product's parts that tests call by themselves, imported before pytest's plugin for Ansible changes imports."""

from __future__ import annotations

import proof_node  # noqa: F401  # pylint: disable=unused-import  # finds the collection

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core import (
    application,
    auditline,
    conffile,
    planner,
    properties,
    rawlines,
    refusals,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.model import Observation, Record
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import (
    audit,
    bounded,
    client,
    executor,
    guest,
    lease,
    local_client,
    pvecalls,
    store,
    tasks,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils._pct_wrapper import NodeCall

__all__ = [
    "NodeCall",
    "Observation",
    "Record",
    "application",
    "audit",
    "auditline",
    "bounded",
    "client",
    "conffile",
    "executor",
    "guest",
    "lease",
    "local_client",
    "planner",
    "properties",
    "pvecalls",
    "rawlines",
    "refusals",
    "store",
    "tasks",
]
