# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of phoenix_system_passwords: reads the hashes of accounts when the task runs."""

from __future__ import annotations

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.secret_values import SecretAction


class ActionModule(SecretAction):
    """Sends them to the node in the module's input."""
