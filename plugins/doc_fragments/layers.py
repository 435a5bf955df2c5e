# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option of the inventory source for layers."""

from __future__ import annotations


class ModuleDocFragment:
    """Where layers are kept, and for how long."""

    DOCUMENTATION = r"""
options:
  layers:
    description:
      - Whether the first container with a template and features leaves a layer on its node, an archive from which
        others with the same are created. C(true), or an object with O(layers.storage) and limits.
      - The collection's C(docs/layers.md) describes layers.
    type: raw
    default: false
    suboptions:
      enabled:
        description: Whether layers are left and used.
        type: bool
        default: true
      storage:
        description: Storage of the node for the archives, a folder with the content C(vztmpl).
        type: str
        default: local
      max_size_gb:
        description: How much all layers together may take, in GiB. The longest unused go first.
        type: float
        default: 20
      max_age_days:
        description: After how many days without use a layer is removed.
        type: float
        default: 30
"""
