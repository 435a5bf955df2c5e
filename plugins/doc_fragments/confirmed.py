# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules whose changes roll back unless they are confirmed."""

from __future__ import annotations


class ModuleDocFragment:
    """What the action plugin and the module tell each other."""

    DOCUMENTATION = r"""
options:
  timeout:
    description:
      - Seconds from the moment the change begins after which the node rolls it back, unless it has been confirmed over
        a new connection by then. At least 5.
    type: int
    default: 90
  confirm_host:
    description:
      - The address at which the node is reached after the change, where it is another than before. The action plugin
        connects there to confirm.
    type: str
  apply:
    description: Set by the action plugin. Without it only the comparison is made, as in check mode.
    type: bool
    default: false
  token:
    description: Set by the action plugin. Names this change when it is confirmed.
    type: str
"""
