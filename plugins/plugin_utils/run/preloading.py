# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is loaded once, by the process that all others of the run are forked from.

Each task runs in a process of its own, which would load it again. Most of that is reading the options of connection
plugins, the filters and tests, of which Ansible loads all of its own for the first one, and what Ansible remembers once
it has computed it. All of this saves time only: what an ansible-core does not have, each task does as before.
"""

from __future__ import annotations

import contextlib

from ansible import constants
from ansible.module_utils.common import json
from ansible.plugins.loader import (
    connection_loader,
    filter_loader,
    get_shell_plugin,
    lookup_loader,
    module_loader,
    test_loader,
)

CONTAINERS = "phoenix.hypervisor.pct"
NODES = "phoenix.hypervisor.node"
VALUES = "phoenix.hypervisor.inventory_value"


def preload(name: str) -> None:
    """Load a connection plugin, whose tasks are to come."""
    connection_loader.get(name, class_only=True)


def preload_values() -> None:
    """Load the lookup by which each task on a container reads who that is."""
    lookup_loader.get(VALUES, class_only=True)


def preload_for_tasks() -> None:
    """Let Ansible compute what each task asks for: where modules are, and how their answers are read."""
    with contextlib.suppress(Exception):
        get_shell_plugin(executable="/bin/sh")
    with contextlib.suppress(Exception):
        if not constants.OLD_PLUGIN_CACHE_CLEARING:
            # Forgotten by Ansible with the first role that brings modules of its own.
            module_loader.find_plugin_with_context("ansible.legacy.command")
    with contextlib.suppress(Exception):
        json.get_module_encoder("legacy", json.Direction.CONTROLLER_TO_MODULE)
        json.get_module_decoder("legacy", json.Direction.MODULE_TO_CONTROLLER)
    with contextlib.suppress(Exception):
        from ansible._internal._task import UnifiedTaskResult

        for source_is_module in (True, False):
            UnifiedTaskResult.get_result_key_to_resolved_field_mapping(source_is_module=source_is_module)


def preload_work() -> None:
    """Load what the tasks of a container need and a run with nothing to do does not."""
    preload(CONTAINERS)
    preload_filters()


def preload_filters() -> None:
    """Load Ansible's own filters and tests, all of which a task loads for the first one that it uses."""
    with contextlib.suppress(Exception):
        filter_loader.get("default")
        test_loader.get("defined")
