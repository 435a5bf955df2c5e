# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of phoenix_pve_access: reads the passwords of users when the task runs."""

from __future__ import annotations

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.secret_values import SecretAction


class ActionModule(SecretAction):
    """Sends them to the node in the module's input."""
