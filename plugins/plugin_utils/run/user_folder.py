# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folders of this user on the controller for nodes that are reached by a token."""

from __future__ import annotations

import os

from ansible import constants

TURNS = "turns"
"""In which processes take turns at clone sources and starts."""

GUESTS = "guests"
"""With the addresses and host keys of containers that are reached over SSH."""


def folder(name: str) -> str:
    """Return the path of one of them. Whoever writes there makes it."""
    home = os.path.expanduser(str(constants.config.get_config_value("ANSIBLE_HOME")))
    return os.path.join(home, "phoenix_hypervisor", name)
