#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_lineage
short_description: Wait for a clone source that the same run is working on
version_added: 0.1.0
description:
  - Runs on the controller, without a process of its own. Containers of one run report their results to each other.
  - Waits in slices, so that between them Ansible notices a source that failed or became unreachable.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
attributes:
  check_mode:
    description: Waits and tells in check mode too. It changes nothing but a mark of this very run.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  tell:
    description: How this container ended, for those that are cloned from it.
    type: str
    choices: [finished, skipped]
  source:
    description: The inventory name of the source to wait for.
    type: str
  seconds:
    description: How long to wait at most, in this slice.
    type: float
    default: 5
"""

EXAMPLES = r"""
- name: Wait for the source
  phoenix.hypervisor.phoenix_lineage:
    source: "920"
  register: waited

- name: Those that are cloned from this one may go on
  phoenix.hypervisor.phoenix_lineage:
    tell: finished
"""

RETURN = r"""
outcome:
  description: How the source ended, or C(waiting).
  returned: with O(source)
  type: str
  sample: finished
source:
  description: The source.
  returned: with O(source)
  type: str
  sample: "900"
"""
