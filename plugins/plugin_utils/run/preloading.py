# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plugins that are loaded once, by the process that all others of the run are forked from.

Each task runs in a process of its own, which would load them again. Most of that is reading their options.
"""

from __future__ import annotations

from ansible.plugins.loader import connection_loader, lookup_loader

CONTAINERS = "phoenix.hypervisor.pct"
NODES = "phoenix.hypervisor.node"
VALUES = "phoenix.hypervisor.inventory_value"


def preload(name: str) -> None:
    """Load a connection plugin, whose tasks are to come."""
    connection_loader.get(name, class_only=True)


def preload_values() -> None:
    """Load the lookup by which each task on a container reads who that is."""
    lookup_loader.get(VALUES, class_only=True)
