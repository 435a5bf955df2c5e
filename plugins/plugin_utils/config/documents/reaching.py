# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a node is reached, as its containers carry it for a run whose inventory lacks the node. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents import api_entry, guest_entry

_NAMES = (
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_connection",
    "ansible_become",
    "ansible_ssh_private_key_file",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    api_entry.VARIABLE,
    guest_entry.VARIABLE,
)
"""Never a password, and of a token the name alone."""


def reach(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a node is reached, from its entry."""
    return {name: variables[name] for name in _NAMES if name in variables}
