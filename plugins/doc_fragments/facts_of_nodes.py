# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of filters that read what was observed on the nodes."""

from __future__ import annotations

_WITHOUT_NODE = r"""
options:
  without_node:
    description: Containers whose node the run does not have.
    type: list
    elements: str
    default: []
"""


class ModuleDocFragment:
    """The facts of the nodes, and the containers that none of them has."""

    # For modules, which have the facts as an option of their own.
    WITHOUT_NODE: str = _WITHOUT_NODE

    # With its type, as the other one: sanity reads the text of each plain assignment.
    DOCUMENTATION: str = (
        _WITHOUT_NODE
        + r"""
  _input:
    description: The facts of the nodes.
    type: list
    elements: dict
    required: true
"""
    )
