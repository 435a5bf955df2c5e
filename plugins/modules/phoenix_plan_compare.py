#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_plan_compare
short_description: Compare the plan of a dry run with the journal of a real run
version_added: 0.1.0
description:
  - Reads two files that runs have written with C(phoenix_plan_file), on the controller, and fails when they differ.
  - Compares the entries of each node and container in their order, and the states. MAC addresses and digests, which are
    drawn for each run, are not compared.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  plan:
    description: The file of the dry run.
    type: str
    required: true
  journal:
    description: The file of the real run.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Compare what a run did with what was approved
  phoenix.hypervisor.phoenix_plan_compare:
    plan: plan.json
    journal: journal.json
"""

RETURN = r"""
differences:
  description: The differences, a line each.
  returned: always
  type: list
  elements: str
  sample: ["container 950: state: planned completed, reached running"]
msg:
  description: The result in a sentence.
  returned: always
  type: str
  sample: The journal has the 4 entries of the plan.
entries:
  description: The number of changes in the journal.
  returned: always
  type: int
  sample: 4
"""
