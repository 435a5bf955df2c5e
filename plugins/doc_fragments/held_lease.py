# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of modules that take the container's lease."""

from __future__ import annotations

_RUN = r"""
options:
  run:
    description: Who this run is. Filled in by the action plugin.
    type: dict
    default: {}
"""


class ModuleDocFragment:
    """Who works on the container, as the action plugins pass it to the modules."""

    # For modules that take no lease but write into the audit trail.
    RUN: str = _RUN

    # With its type, as the other one: sanity reads the text of each plain assignment.
    DOCUMENTATION: str = (
        _RUN
        + r"""
  dead_runs:
    description: Runs that this controller knows to be gone. Filled in by the action plugin.
    type: list
    elements: str
    default: []
"""
    )
