# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a module runs as root on the node, which the first one of each playbook asks."""

from __future__ import annotations

import os
import pwd


def lacking(node: str) -> str:
    """Return what is wrong and what to do when this is not root; '' for root."""
    uid = os.geteuid()
    if uid == 0:
        return ""
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return (
        f'This task runs as the user "{user}" on node {node}, expected root. Add ansible_become: true '
        f"to the entry of the node in the inventory source, beside ansible_user: {user}. A user that sudo asks for a "
        "password needs --ask-become-pass, too."
    )
