# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that undo what an inventory set earlier."""

from __future__ import annotations


class ModuleDocFragment:
    """Who sets something, and what may go."""

    DOCUMENTATION = r"""
options:
  inventory:
    description:
      - The id of the inventory that sets this. Only what an inventory set itself is undone by it.
    type: str
    default: default
  consent:
    description:
      - What can be removed although that cuts off access, a list or text with commas. Each is a section such as
        V(network), or one item such as V(network:vmbr1).
    type: raw
"""
