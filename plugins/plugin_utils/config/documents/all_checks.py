# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check that each validation makes, beside those of its caller."""

from __future__ import annotations

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks import (
    clone_checks,
    device_checks,
    download_checks,
    gpu_checks,
    mount_checks,
    storage_checks,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.network import (
    firewall_checks,
    interface_checks,
    network_checks,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import CHECKS
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.checks import (
    model_checks,
    node_checks,
    pve_storage_checks,
    share_checks,
)

ALL_CHECKS = (
    *CHECKS,
    *clone_checks.CHECKS,
    *device_checks.CHECKS,
    *download_checks.CHECKS,
    *firewall_checks.CHECKS,
    *gpu_checks.CHECKS,
    *node_checks.CHECKS,
    *pve_storage_checks.CHECKS,
    *model_checks.CHECKS,
    *mount_checks.CHECKS,
    *network_checks.CHECKS,
    *interface_checks.CHECKS,
    *share_checks.CHECKS,
    *storage_checks.CHECKS,
)
