# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Completes phoenix_pve_firewall on the controller: confirms its change over a new connection."""

from __future__ import annotations

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.confirmation import ConfirmedAction


class ActionModule(ConfirmedAction):
    """A change of the node's firewall."""

    CHANGE = WHAT = "firewall"
