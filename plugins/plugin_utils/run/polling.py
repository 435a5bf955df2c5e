# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often Ansible looks for news of its processes while a run waits, where nobody has set it."""

from __future__ import annotations

from ansible import constants

SETTING = "DEFAULT_INTERNAL_POLL_INTERVAL"
INTERVAL = 0.01
"""Seconds. Ansible's default, 0.001, takes a twentieth of a processor for as long as a run waits."""


def relax() -> None:
    """Use the longer interval in this process, unless a configuration has one."""
    if constants.config.get_config_value_and_origin(SETTING)[1] == "default":
        setattr(constants, SETTING, INTERVAL)
