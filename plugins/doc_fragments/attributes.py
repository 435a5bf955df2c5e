# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection's modules have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules that act from one plan."""

    DOCUMENTATION = r"""
options: {}
requirements:
  - Python 3.9 or later on the node, with nothing but its standard library
  - root on a Proxmox VE 8 or 9 node
attributes:
  check_mode:
    description: Can run in check mode and return the changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change, when in diff mode.
    support: full
"""
