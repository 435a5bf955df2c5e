# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that try again what failed."""

from __future__ import annotations


class ModuleDocFragment:
    """The time between attempts; what their number counts, each module says."""

    DOCUMENTATION = r"""
options:
  delay:
    description: Seconds between two attempts.
    type: int
    default: 5
"""
